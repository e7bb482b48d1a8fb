"""uvicorn's HTTP protocol with bounds on who only holds a connection: slow heads, and many from one address.

Written against the uvicorn releases named in pyproject.toml and tested on them.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S = 15.0
"""From the connection, or from a request's first byte, until its head is complete."""

PER_ADDRESS = 128
"""Open connections of one address: an office behind one address has a few for each of its browsers."""


class PeopleProtocol(HttpToolsProtocol):
    """One connection of a browser or script."""

    _deadline: asyncio.TimerHandle | None = None

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

    def on_message_begin(self) -> None:
        """A request's first byte."""
        super().on_message_begin()
        self._wait()

    def on_headers_complete(self) -> None:
        """The head is whole; for the body the routes have bounds of their own."""
        self._stop_waiting()
        super().on_headers_complete()

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
