"""The running agent's condition, handed to whoever may connect to its socket."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec import Struct, field

from agent.spool import SpoolState
from agent.supervision import SensorState
from wire import codec
from wire.errors import MalformedError
from wire.identity import Identity

SOCKET = "agent.sock"
TIMEOUT_SECONDS = 5.0
MAX_BYTES = 1 << 20


class SensorStatus(SensorState, kw_only=True):
    """A sensor, and what it saw since the agent started."""

    events: int = 0
    counts: dict[str, int] = field(default_factory=dict)


class Status(Struct, kw_only=True):
    """Everything `lienphong-agent status` knows. Times are µs UTC, 0 for never or unknown."""

    running: bool
    version: str
    identity: Identity
    collector: str
    certificate_until: int
    spool: SpoolState | None = None
    pid: int = 0
    started: int = 0
    phase: str = ""
    last_error: str = ""
    last_success: int = 0
    next_try: int = 0
    clock_offset_us: int | None = None
    delivered_batches: int = 0
    lost_events: dict[str, int] = {}
    sensors: list[SensorStatus] = []


class StatusServer:
    """Answers every connection with one JSON document. The socket is the agent's account's alone."""

    def __init__(self, directory: Path, describe: Callable[[], Status]) -> None:
        self._describe = describe
        self._path = directory / SOCKET
        self._path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX)
        with _short(directory) as place:
            self._socket.bind(f"{place}/{SOCKET}")
        self._path.chmod(0o600)
        self._socket.listen(8)
        threading.Thread(target=self._work, name="status", daemon=True).start()

    def close(self) -> None:
        """Answer no more."""
        with suppress(OSError):
            self._path.unlink()
        self._socket.close()

    def _work(self) -> None:
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            with peer:
                self._answer(peer)

    def _answer(self, peer: socket.socket) -> None:
        peer.settimeout(TIMEOUT_SECONDS)
        document = codec.encode(self._describe())
        try:
            peer.sendall(document)
        except OSError:
            return


def ask(directory: Path) -> Status | None:
    """The condition of the agent that runs on this directory; None when none does.

    Raises:
        PermissionError: it is another account's.
        MalformedError: what answers is no agent of this release.
    """
    with socket.socket(socket.AF_UNIX) as client, _short(directory) as place:
        client.settimeout(TIMEOUT_SECONDS)
        try:
            client.connect(f"{place}/{SOCKET}")
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        content = bytearray()
        while len(content) <= MAX_BYTES and (part := client.recv(64 << 10)):
            content += part
    if not content:
        raise MalformedError("the agent closed its status socket without an answer")
    return codec.decode(bytes(content), Status, "status")


@contextmanager
def _short(directory: Path) -> Iterator[str]:
    """A name of the directory that fits into a socket address (108 bytes), however deep it lies."""
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
