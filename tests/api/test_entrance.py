"""Peers that connect and never finish a handshake: bounded for each address and in time, and in nobody's way."""

from __future__ import annotations

import asyncio
import resource
import select
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import uvloop

from collector.api import entrance
from collector.api.entrance import Entrance, more_files
from tests.api.responder_process import Browser, Running


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def idle(stack: ExitStack, port: int, source: str) -> socket.socket:
    return stack.enter_context(socket.create_connection(("127.0.0.1", port), 10, source_address=(source, 0)))


def closed(peers: list[socket.socket], expected: int) -> int:
    """How many the server has hung up on, once they are as many as expected or 10 s have passed."""
    poll = select.poll()
    for peer in peers:
        poll.register(peer, select.POLLIN)
    gone: set[int] = set()
    while len(gone) < expected and (events := poll.poll(10_000)):
        for number, _ in events:
            gone.add(number)
            poll.unregister(number)
    return len(gone)


def test_silent_peers_of_one_address_are_few_and_others_come_in(
    running: Running, stranger: Browser, stack: ExitStack
) -> None:
    peers = [idle(stack, running.port, "127.250.0.1") for _ in range(300)]
    assert closed(peers, 300 - entrance.HANDSHAKES_PER_ADDRESS) == 300 - entrance.HANDSHAKES_PER_ADDRESS
    assert stranger.get("/healthz").status_code == 200


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_handshake_has_its_time_and_its_place_is_free_again(
    running: Running,
    stack: ExitStack,
    monkeypatch: pytest.MonkeyPatch,
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    monkeypatch.setattr(entrance, "HANDSHAKE_S", 0.2)
    monkeypatch.setattr(entrance, "HANDSHAKES_PER_ADDRESS", 1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(running.layout.tls / "web.pem", running.layout.tls / "web.key.pem")

    async def serve_two() -> list[bytes]:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        door = Entrance(listener, context, asyncio.Protocol, lambda: 0, 10)
        door.open()
        said = []
        for _ in range(2):
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            said.append(await asyncio.wait_for(reader.read(), 10))
            writer.close()
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        await asyncio.sleep(0)
        door.close()
        writer.close()
        return said

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(serve_two()) == [b"", b""]


def test_the_responder_may_open_as_many_files_as_the_system_allows(running: Running) -> None:
    assert running.process is not None
    limits = Path(f"/proc/{running.process.pid}/limits").read_text()
    [soft, hard] = next(line for line in limits.splitlines() if line.startswith("Max open files")).split()[3:5]
    assert soft == hard


def test_few_files_are_told(caplog: pytest.LogCaptureFixture) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    more_files(before[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert "web connections need" in caplog.text
