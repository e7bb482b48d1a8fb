"""Whoever only holds connections is cut off, and takes nobody else's place."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import uvicorn

from collector.api import protocol
from collector.api.protocol import PeopleProtocol
from tests.api.responder_process import free_port


async def _hello(scope: object, receive: object, send: object) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})  # type: ignore[operator]
    await send({"type": "http.response.body", "body": b"ok"})  # type: ignore[operator]


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server with tight bounds, on plain TCP: the protocol does not know the difference."""
    monkeypatch.setattr(protocol, "HEAD_S", 0.3)
    monkeypatch.setattr(protocol, "PER_ADDRESS", 4)
    number = free_port()
    config = uvicorn.Config(_hello, http=PeopleProtocol, port=number, lifespan="off", log_config=None, ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    while not server.started:
        assert thread.is_alive()
    yield number
    server.should_exit = True
    thread.join(20)


def connected(port: int, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0))


def told(connection: socket.socket) -> bytes:
    """What the server says until it ends the connection or has answered."""
    try:
        return connection.recv(4096)
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nX: "])
def test_a_head_that_never_ends_ends_the_connection(port: int, sent: bytes) -> None:
    with connected(port) as slow:
        slow.sendall(sent)
        assert told(slow) == b""


ENDLESS = [
    b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: a\r\n" * 20_000,
    b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000,
    b"GET /" + b"a" * 100_000,
    b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: a\r\n" * 100 + b"\r\n",
    b"\r\n" * 50_000,
]


def heard(connection: socket.socket) -> bytes:
    """All that the server says until it ends the connection."""
    words = b""
    while more := told(connection):
        words += more
    return words


def sent(connection: socket.socket, data: bytes) -> None:
    """Send; a server that has heard enough may hang up meanwhile."""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        connection.sendall(data)


@pytest.mark.parametrize("head", ENDLESS)
def test_a_head_without_end_is_refused(port: int, monkeypatch: pytest.MonkeyPatch, head: bytes) -> None:
    monkeypatch.setattr(protocol, "HEAD_S", 30)
    with connected(port) as greedy:
        sent(greedy, head)
        assert heard(greedy)[:12] in {b"HTTP/1.1 431", b""}  # a reset may overtake the words


def test_a_head_within_the_bounds_is_served(port: int) -> None:
    with connected(port) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: a\r\n" * 98 + b"Y: " + b"a" * 30_000 + b"\r\n\r\n")
        assert told(client).startswith(b"HTTP/1.1 200")


def test_a_hundred_and_one_fields_are_told_why(port: int) -> None:
    with connected(port) as client:
        client.sendall(b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 101 + b"\r\n")
        assert heard(client).startswith(b"HTTP/1.1 431")


@pytest.mark.parametrize("trailers", [b"X: a\r\n" * 20_000, b"X: " + b"a" * 100_000])
def test_trailers_without_end_are_cut(port: int, trailers: bytes) -> None:
    with connected(port) as greedy:
        sent(greedy, b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n" + trailers)
        heard(greedy)


def test_a_body_is_not_taken_for_a_head(port: int) -> None:
    with connected(port) as client:
        size = 500_000
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size + b"b" * size)
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert heard(client).count(b"HTTP/1.1 200") == 2


def test_a_second_head_on_a_kept_connection_is_bounded_too(port: int) -> None:
    with connected(port) as kept:
        kept.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert told(kept).startswith(b"HTTP/1.1 200")
        kept.sendall(b"GET / HT")
        assert told(kept) in {b"", b"ok"}
        assert told(kept) == b""


def test_one_address_cannot_take_every_place(port: int) -> None:
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(connected(port))
        with connected(port) as one_more:
            assert told(one_more) == b""
        with connected(port, "127.0.0.2") as other:
            other.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert told(other).startswith(b"HTTP/1.1 200")
