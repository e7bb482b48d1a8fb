"""Whoever only holds connections is cut off, and takes nobody else's place."""

from __future__ import annotations

import asyncio
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
