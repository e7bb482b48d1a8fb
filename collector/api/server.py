"""The web listener: uvicorn on a socket and a certificate of ours, in the process's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from collector.api.entrance import Entrance
from collector.api.exceptions import ListenerError
from collector.api.protocol import PeopleProtocol

STOP_S = 2
"""Requests under way may end; then connections are cut. A browser that keeps one open without reading must not
hold up the end."""

MAX_CONNECTIONS = 1_024
KEEP_ALIVE_S = 30


class WebServer(uvicorn.Server):
    """uvicorn without its signal handlers (the process has its own), behind an entrance of ours, and with a word
    when it has started."""

    _entrance: Entrance | None = None

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell = started

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop, and cut what is still connected: TLS would wait half a minute for each peer's farewell."""
        if self._entrance is not None:
            self._entrance.close()
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start on the one socket given, and tell."""
        assert sockets is not None
        assert self.config.ssl is not None
        [listener] = sockets
        await self.lifespan.startup()
        self.servers = []
        self._entrance = Entrance(
            listener, self.config.ssl, self._protocol, lambda: len(self.server_state.connections), MAX_CONNECTIONS
        )
        self._entrance.open()
        self.started = True
        self._tell()

    def _protocol(self) -> asyncio.Protocol:
        return self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )


def listen(host: str, port: int) -> socket.socket:
    """The web listener's socket; bound here, because uvicorn would end the process on an error.

    Raises:
        ListenerError: the address cannot be had.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=1_024)
    except OSError as error:
        raise ListenerError(
            f"the console cannot listen on {host} port {port}: {error.strerror}; see web_port and bind in "
            "collector.yaml"
        ) from error


def configuration(app: ASGIApp, cert: Path, key: Path) -> uvicorn.Config:
    """uvicorn's settings for the web listener: TLS 1.2 or newer, HTTP alone, nothing told of the server.

    Raises:
        ListenerError: certificate or key cannot be used.
    """
    config = uvicorn.Config(
        app,
        http=PeopleProtocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ssl_certfile=str(cert),
        ssl_keyfile=str(key),
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_S,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise ListenerError(f"{cert}: the console's certificate or key cannot be used: {error}") from error
    assert config.ssl is not None
    config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return config
