"""uvicorn's HTTP protocol with bounds on heads that are slow or without end, and on many from one address.

Written against the uvicorn releases named in pyproject.toml and tested on them.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S = 15.0
"""From the connection, or from a request's first byte, until its head is complete."""

PER_ADDRESS = 128
"""Open connections of one address: an office behind one address has a few for each of its browsers."""

MAX_HEAD = 32_768
"""Bytes of a head, or of anything else that is no body: chunk sizes, trailers, empty lines between requests."""

MAX_HEADERS = 100
"""Header fields of a request, its trailers among them."""

PIECE = 4_096
"""Bytes parsed before the bounds are looked at."""

REFUSAL = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\ncache-control: no-store\r\n"
    b"connection: close\r\n\r\n"
)


class HeadTooLargeError(Exception):
    """Ends the parsing of a request with too many header fields."""


class PeopleProtocol(HttpToolsProtocol):
    """One connection of a browser or script."""

    _deadline: asyncio.TimerHandle | None = None
    _no_body = 0
    _too_large = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Without room for one more of this address it ends here."""
        super().connection_made(transport)
        mine = self.client[0] if self.client else None
        if sum(1 for other in self.connections if _address(other) == mine) > PER_ADDRESS:
            transport.abort()
            return
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, in pieces, until what is no body goes on for too long."""
        for start in range(0, len(data), PIECE):
            if self.transport.is_closing():
                return
            piece = data[start : start + PIECE]
            self._no_body += len(piece)
            super().data_received(piece)
            if self._no_body > MAX_HEAD:
                self._refuse()

    def send_400_response(self, msg: str) -> None:
        """The parser gave up: because of us, or of what was sent."""
        if self._too_large:
            self._refuse()
        else:
            super().send_400_response(msg)

    def on_message_begin(self) -> None:
        """A request's first byte."""
        super().on_message_begin()
        self._wait()

    def on_header(self, name: bytes, value: bytes) -> None:
        """One more header field or trailer.

        Raises:
            HeadTooLargeError: there are too many.
        """
        if len(self.headers) >= MAX_HEADERS:
            self._too_large = True
            raise HeadTooLargeError(f"a request has more than {MAX_HEADERS} header fields")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole; for the body the routes have bounds of their own."""
        self._stop_waiting()
        self._no_body = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of a body, which the routes bound."""
        self._no_body = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """What follows belongs to the next request."""
        self._no_body = 0
        super().on_message_complete()

    def _refuse(self) -> None:
        """Say why, unless an answer is under way, and end the connection."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.abort()
        elif not self.transport.is_closing():
            self.transport.write(REFUSAL)
            self.transport.close()

    def _wait(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_S, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _address(connection: object) -> str | None:
    client = getattr(connection, "client", None)
    return client[0] if client else None
