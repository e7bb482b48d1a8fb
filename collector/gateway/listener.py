"""One TLS listener on the process's event loop: uvicorn's protocol without uvicorn's server."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time

from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.server import ServerState

from collector.gateway.exceptions import ListenError
from collector.gateway.protocol import Count, bound

BACKLOG = 2_048
HANDSHAKE_S = 10.0
SHUTDOWN_S = 1.0
"""For the other side to say goodbye in TLS; many never do."""

KEEP_ALIVE_S = 90
"""Longer than an agent stays silent, so that it does not pay for a handshake with every batch."""

TICK_S = 0.02


class Listener:
    """Serves one application on one address. `start`, later `close`."""

    def __init__(
        self, app: ASGIApp, context: ssl.SSLContext, count: Count, max_connections: int, per_address: int
    ) -> None:
        self._config = Config(
            app,
            http=bound(count, max_connections, per_address),
            ws="none",
            lifespan="off",
            log_config=None,
            log_level=logging.ERROR,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
        )
        self._context = context
        self._state = ServerState()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> None:
        """Begin to accept.

        Raises:
            ListenError: the address is not ours or is in use.
        """
        self._config.load()
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                self._protocol,
                host,
                port,
                ssl=self._context,
                backlog=BACKLOG,
                ssl_handshake_timeout=HANDSHAKE_S,
                ssl_shutdown_timeout=SHUTDOWN_S,
            )
        except OSError as error:
            raise ListenError(f"{host} port {port}: cannot listen: {error.strerror or error}") from error

    @property
    def port(self) -> int:
        """The port that is listened on."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._state.connections)

    async def close(self, seconds: float) -> None:
        """Accept no more, answer what is under way within `seconds`, then hang up."""
        if self._server is None:
            return
        self._server.close()
        deadline = time.monotonic() + seconds
        for connection in list(self._state.connections):
            connection.shutdown()
        while (self._state.tasks or self._state.connections) and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(TICK_S)  # uvicorn keeps sets and tells of no change
        tasks = list(self._state.tasks)
        for task in tasks:
            task.cancel()
        for connection in list(self._state.connections):
            connection.transport.abort()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _protocol(self) -> asyncio.Protocol:
        return self._config.http_protocol_class(  # type: ignore[call-arg]
            config=self._config, server_state=self._state, app_state={}
        )
