"""uvicorn's HTTP protocol, with what it leaves out: the client's certificate, bounds on slow and endless heads.

`scope["state"]["certificate"]` holds the `Certificate` of the connection, or None where there is none of an agent;
whoever reads it must refuse None. Written against the uvicorn releases named in pyproject.toml and tested on them.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from collector.gateway import certificate
from collector.gateway.certificate import Certificate
from wire.errors import IdentityError

MAX_HEAD_BYTES = 16 << 10
HEAD_S = 10.0
"""From the connection, or from a request's first byte, until its head is complete."""

REQUEST_S = 150.0
"""From a head until the end of its body, also where the answer was given before the body was read."""

log = logging.getLogger(__name__)

Count = Callable[[str], None]


class AgentProtocol(HttpToolsProtocol):
    """One connection. `count` is told of what ends one early: `head_timeout`, `head_size`, `request_timeout`,
    `not_http`, `connections`."""

    max_connections: int
    per_address: int
    count: Count

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._certificate: Certificate | None = None
        self._in_head = True
        self._head_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Read who is there, once; without room for one more it ends here."""
        super().connection_made(transport)
        if len(self.connections) > self.max_connections or self._crowded():
            self.count("connections")
            transport.abort()
            return
        self._certificate = _peer(transport)
        self._within(HEAD_S, "head_timeout")

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, unless the head grows beyond all use. Bytes that begin no request keep no connection open."""
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._deadline is None and (self.cycle is None or self.cycle.response_complete):
            self._within(HEAD_S, "head_timeout")
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.count("head_size")
            self.send_400_response("Request head too large.")

    def send_400_response(self, msg: str) -> None:
        """Not HTTP: answered in plain text, as uvicorn does, and counted."""
        self.count("not_http")
        super().send_400_response(msg)

    def on_message_begin(self) -> None:
        """A request's first byte."""
        super().on_message_begin()
        self.scope["state"]["certificate"] = self._certificate
        self._within(HEAD_S, "head_timeout")

    def on_headers_complete(self) -> None:
        """The head is whole; now the body has its time."""
        self._in_head, self._head_bytes = False, 0
        self._within(REQUEST_S, "request_timeout")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is whole; how long the answer takes is ours to bound."""
        self._in_head = True
        self._cancel()
        super().on_message_complete()

    def _crowded(self) -> bool:
        """Whether this address has more connections than one may."""
        if self.client is None or len(self.connections) <= self.per_address:
            return False
        others = (each.client for each in self.connections if isinstance(each, AgentProtocol))
        return sum(other is not None and other[0] == self.client[0] for other in others) > self.per_address

    def _within(self, seconds: float, reason: str) -> None:
        self._cancel()
        self._deadline = self.loop.call_later(seconds, self._give_up, reason)

    def _cancel(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self, reason: str) -> None:
        if not self.transport.is_closing():
            self.count(reason)
            self.transport.abort()


def bound(count: Count, max_connections: int, per_address: int) -> type[AgentProtocol]:
    """The protocol for one listener, with its bounds."""
    bounds = {"count": staticmethod(count), "max_connections": max_connections, "per_address": per_address}
    return type("BoundProtocol", (AgentProtocol,), bounds)


def _peer(transport: asyncio.Transport) -> Certificate | None:
    """The agent's certificate. TLS has verified it; one that is not an agent's counts as none."""
    tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    der = tls.getpeercert(binary_form=True) if tls is not None else None
    if der is None:
        return None
    try:
        return certificate.read(der)
    except IdentityError as error:
        log.warning("a certificate under our root is refused: %s", error)
        return None
