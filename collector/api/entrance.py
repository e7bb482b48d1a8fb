"""Who comes in at the web port: TLS handshakes under way are bounded in time, in number, and for each address.

asyncio's own servers accept without end and give no sight of a connection before its handshake is done; peers that
say nothing would use up the process's files.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable

HANDSHAKE_S = 10.0
SHUTDOWN_S = 1.0
"""For the other side to say goodbye in TLS; many never do."""

MAX_HANDSHAKES = 512
HANDSHAKES_PER_ADDRESS = 64
ACCEPTED_AT_ONCE = 64
"""After so many the loop has its turn at the connections that are there already."""

OTHER_FILES = 512
"""Kept for the database, the doors, the console's files and streams."""

PAUSE_S = 0.5
LOG_EVERY_S = 60.0

log = logging.getLogger(__name__)


class Entrance:
    """Accepts on a listening socket. `established` tells how many connections are past their handshake."""

    def __init__(
        self,
        listener: socket.socket,
        context: ssl.SSLContext,
        protocol: Callable[[], asyncio.Protocol],
        established: Callable[[], int],
        max_connections: int,
    ) -> None:
        self._listener = listener
        self._context = context
        self._protocol = protocol
        self._established = established
        self._max_connections = max_connections
        self._loop = asyncio.get_running_loop()
        self._handshakes: set[asyncio.Task[None]] = set()
        self._by_address: Counter[str] = Counter()
        self._pause: asyncio.TimerHandle | None = None
        self._refused = 0
        self._logged = float("-inf")

    def open(self) -> None:
        """Begin to accept."""
        self._listener.setblocking(False)
        self._loop.add_reader(self._listener.fileno(), self._accept)

    def close(self) -> None:
        """Accept no more and cut who is not in yet. The socket stays its owner's to close."""
        self._loop.remove_reader(self._listener.fileno())
        if self._pause is not None:
            self._pause.cancel()
        for handshake in list(self._handshakes):
            handshake.cancel()

    def _accept(self) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                connection, peer = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._wait(error)
                return
            if self._room(peer[0]):
                self._admit(connection, peer[0])
            else:
                connection.close()
                self._count_refused()

    def _room(self, address: str) -> bool:
        under_way = len(self._handshakes)
        return (
            under_way < MAX_HANDSHAKES
            and under_way + self._established() < self._max_connections
            and self._by_address[address] < HANDSHAKES_PER_ADDRESS
        )

    def _admit(self, connection: socket.socket, address: str) -> None:
        connection.setblocking(False)
        task = self._loop.create_task(self._handshake(connection))
        self._handshakes.add(task)
        self._by_address[address] += 1

        def done(ended: asyncio.Task[None]) -> None:
            self._handshakes.discard(ended)
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]
            if ended.cancelled():  # perhaps before its first step, when nobody else closes it
                connection.close()

        task.add_done_callback(done)

    async def _handshake(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(
                self._protocol,
                connection,
                ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_S,
                ssl_shutdown_timeout=SHUTDOWN_S,
            )
        except OSError as error:  # ssl.SSLError and TimeoutError among them: whoever it was may come again
            log.debug("TLS handshake ended: %s", error)

    def _wait(self, error: OSError) -> None:
        """Out of files or memory: what is waiting would wake the loop again and again."""
        log.error("the web listener cannot accept: %s; trying again in %s s", error.strerror, PAUSE_S)
        self._loop.remove_reader(self._listener.fileno())
        self._pause = self._loop.call_later(PAUSE_S, self.open)

    def _count_refused(self) -> None:
        self._refused += 1
        now = time.monotonic()
        if now - self._logged >= LOG_EVERY_S:
            log.warning("web connections refused for want of room since the last such line: %d", self._refused)
            self._logged, self._refused = now, 0


def more_files(connections: int) -> None:
    """Every connection is a file: take as many as the system lets this process have, and say when they are few."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    needed = connections + OTHER_FILES
    if most < needed:
        log.warning("this process may open %d files; %d web connections need %d", most, connections, needed)
