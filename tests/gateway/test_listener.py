"""Slow, endless and malformed requests: each connection has its time and its bounds."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from collector.gateway import body, protocol, tls
from collector.gateway.answers import Answering
from collector.gateway.exceptions import ListenError
from collector.gateway.listener import Listener
from collector.gateway.metrics import Metrics
from tests.gateway.harness import free_ports
from tests.gateway.trust import Trust

HEAD = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Served:
    """A listener with one route that reads a body."""

    def __init__(self, trust: Trust, max_connections: int = 100, per_address: int = 100) -> None:
        self.cut: Counter[str] = Counter()
        self.release = asyncio.Event()
        answering = Answering(Metrics())

        async def echo(request: Request) -> Response:
            body.length(request, 1 << 20, "text/plain")
            return PlainTextResponse(await body.read(request))

        async def wait(_: Request) -> Response:
            await self.release.wait()
            return PlainTextResponse("done")

        async def fail(_: Request) -> Response:
            raise ZeroDivisionError

        routes = [
            Route("/echo", answering("echo", echo), methods=["POST"]),
            Route("/wait", answering("wait", wait)),
            Route("/fail", answering("fail", fail)),
        ]
        app = Starlette(routes=routes, exception_handlers=answering.otherwise())
        context = tls.enrol_context(trust.tls, tls.Handshakes(lambda _: None))
        self._trust = trust
        self.listener = Listener(app, context, self._note, max_connections, per_address)

    def _note(self, reason: str) -> None:
        self.cut[reason] += 1

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Streams]:
        """A TLS connection to it."""
        context = ssl.create_default_context(cafile=str(self._trust.ca))
        reader, writer = await asyncio.open_connection("localhost", self.listener.port, ssl=context)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


@pytest.fixture
def run(trust: Trust) -> Callable[..., None]:
    """Runs a test's coroutine beside a listener."""

    def runner(work: Callable[[Served], Awaitable[None]], **more: int) -> None:
        async def main() -> None:
            served = Served(trust, **more)
            await served.listener.start("127.0.0.1", 0)
            try:
                async with asyncio.timeout(20):
                    await work(served)
            finally:
                await served.listener.close(0.2)

        asyncio.run(main())

    return runner


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What still comes before the other side hangs up."""
    try:
        return await reader.read()
    except ConnectionError:
        return b""


def test_a_head_that_never_ends_in_time(run: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_S", 0.2)

    async def work(served: Served) -> None:
        for sent in (b"", b"GET / HT", b"POST /echo HTTP/1.1\r\nHost: x\r\nX: "):
            async with served.connection() as (reader, writer):
                writer.write(sent)
                assert await ended(reader) == b""
        assert served.cut == {"head_timeout": 3}

    run(work)


def test_a_drip_does_not_keep_a_connection_open(run: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_S", 0.3)

    async def work(served: Served) -> None:
        async with served.connection() as (reader, writer):
            writer.write(HEAD % 2 + b"ok")
            await reader.readuntil(b"ok")
            drip = asyncio.get_running_loop().time() + 5
            while not reader.at_eof() and asyncio.get_running_loop().time() < drip:
                writer.write(b"\r\n")
                await asyncio.sleep(0.05)
            assert served.cut == {"head_timeout": 1}

    run(work)


def test_an_idle_connection_between_requests_is_kept(
    run: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEAD_S", 0.2)

    async def work(served: Served) -> None:
        async with served.connection() as (reader, writer):
            for _ in range(2):
                writer.write(HEAD % 2 + b"ok")
                await reader.readuntil(b"ok")
                await asyncio.sleep(0.5)
        assert not served.cut

    run(work)


def test_a_head_without_end_is_cut_at_its_limit(run: Callable[..., None]) -> None:
    async def work(served: Served) -> None:
        async with served.connection() as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\nX: " + b"a" * (2 * protocol.MAX_HEAD_BYTES))
            assert b"400" in await ended(reader)
        assert served.cut["head_size"] == 1

    run(work)


def test_what_is_not_http_is_answered_and_cut(run: Callable[..., None]) -> None:
    async def work(served: Served) -> None:
        for sent in (b"\x00\x01\x02\x03\r\n\r\n", b"GET  / HTTP/9\r\n\r\n", b"CONNECT : HTTP/1.1\r\n\r\n"):
            async with served.connection() as (reader, writer):
                writer.write(sent)
                assert b"400" in await ended(reader)
        assert served.cut["not_http"] == 3

    run(work)


def test_a_body_that_stalls_is_answered_with_a_timeout(
    run: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "STALL_S", 0.2)

    async def work(served: Served) -> None:
        async with served.connection() as (reader, writer):
            writer.write(HEAD % 100 + b"only this")
            answer = await ended(reader)
            assert b"408" in answer.split(b"\r\n")[0]
            assert b'"code":"timeout"' in answer

    run(work)


def test_a_body_in_drops_has_its_time_in_all(run: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "BODY_S", 0.4)

    async def work(served: Served) -> None:
        async with served.connection() as (reader, writer):
            writer.write(HEAD % 1000)
            answering = asyncio.ensure_future(ended(reader))
            while not answering.done():
                writer.write(b"x")
                await asyncio.sleep(0.05)
            assert b"408" in answering.result().split(b"\r\n")[0]

    run(work)


def test_a_body_that_nobody_reads_has_its_time_too(
    run: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "REQUEST_S", 0.3)

    async def work(served: Served) -> None:
        async with served.connection() as (reader, writer):
            writer.write((HEAD % 1_000_000).replace(b"text/plain", b"text/html"))
            assert b"415" in await reader.readline()
            assert b"content_type" in await ended(reader)
        assert served.cut == {"request_timeout": 1}

    run(work)


def test_who_hangs_up_amid_a_body_is_counted_and_forgotten(run: Callable[..., None]) -> None:
    async def work(served: Served) -> None:
        async with served.connection() as (_, writer):
            writer.write(HEAD % 100 + b"only this")
            await writer.drain()
        while served.listener.connections:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    run(work)


def test_a_refusal_before_the_body_leaves_the_connection_usable(run: Callable[..., None]) -> None:
    async def work(served: Served) -> None:
        async with served.connection() as (reader, writer):
            writer.write((HEAD % 200_000).replace(b"text/plain", b"text/html") + bytes(200_000))
            assert b"415" in await reader.readline()
            await reader.readuntil(b"}")
            writer.write(HEAD % 2 + b"ok")
            assert b"200" in await reader.readline()

    run(work)


def test_more_connections_than_there_is_room_for(run: Callable[..., None]) -> None:
    async def work(served: Served) -> None:
        async with served.connection() as (reader, writer), served.connection() as (other, _):
            writer.write(HEAD % 2 + b"ok")
            await reader.readuntil(b"ok")
            async with served.connection() as (late, _):
                assert await ended(late) == b""
            assert served.cut == {"connections": 1}
            assert not other.at_eof()

    run(work, max_connections=2)


def test_more_connections_than_one_address_may_have(run: Callable[..., None]) -> None:
    async def work(served: Served) -> None:
        async with served.connection() as (reader, writer), served.connection():
            writer.write(HEAD % 2 + b"ok")
            await reader.readuntil(b"ok")
            async with served.connection() as (late, _):
                assert await ended(late) == b""
            assert served.cut == {"connections": 1}

    run(work, per_address=2)


def test_our_own_failure_is_a_500_without_its_reason(
    run: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    async def work(served: Served) -> None:
        async with served.connection() as (reader, writer):
            writer.write(b"GET /fail HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = await reader.readuntil(b"}")
            assert b"500" in answer.split(b"\r\n")[0]
            assert b"internal" in answer
            assert b"Zero" not in answer

    run(work)
    assert "ZeroDivisionError" in caplog.text


def test_closing_answers_what_is_under_way(run: Callable[..., None]) -> None:
    async def work(served: Served) -> None:
        async with served.connection() as (reader, writer), served.connection() as (idle, _):
            writer.write(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
            while not served.listener._state.tasks:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            closing = asyncio.ensure_future(served.listener.close(5))
            assert await ended(idle) == b""
            served.release.set()
            assert b"200" in await reader.readline()
            await closing

    run(work)


def test_closing_does_not_wait_for_ever(run: Callable[..., None]) -> None:
    async def work(served: Served) -> None:
        async with served.connection() as (reader, writer):
            writer.write(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
            while not served.listener._state.tasks:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await served.listener.close(0.2)
            assert await ended(reader) == b""

    run(work)


def test_a_port_that_is_taken_is_named(trust: Trust) -> None:
    async def main() -> None:
        (port,) = free_ports(1)
        first, second = Served(trust), Served(trust)
        await first.listener.start("127.0.0.1", port)
        try:
            with pytest.raises(ListenError, match=str(port)):
                await second.listener.start("127.0.0.1", port)
        finally:
            await first.listener.close(0)

    asyncio.run(main())
