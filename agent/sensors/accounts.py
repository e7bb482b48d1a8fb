"""Names of user ids, from /etc/passwd alone: asking a directory service could wait for the network."""

from __future__ import annotations

import time
from pathlib import Path

PASSWD = Path("/etc/passwd")
CHECK_SECONDS = 5.0
MAX_BYTES = 4 << 20

UNSET = 2**32 - 1
"""What the kernel says of a process nobody logged in for."""


class Accounts:
    """A cache that notices when the file was replaced."""

    def __init__(self, path: Path = PASSWD) -> None:
        self._path = path
        self._names: dict[int, str] = {}
        self._stamp: tuple[int, int] = (0, 0)
        self._check_at = 0.0

    def name(self, uid: int) -> str:
        """The account's name, or the number where it has none."""
        if time.monotonic() >= self._check_at:
            self._refresh()
        return self._names.get(uid) or str(uid)

    def _refresh(self) -> None:
        self._check_at = time.monotonic() + CHECK_SECONDS
        try:
            state = self._path.stat()
            stamp = (state.st_ino, state.st_mtime_ns)
            if stamp == self._stamp:
                return
            with self._path.open(errors="replace") as file:
                text = file.read(MAX_BYTES)
        except OSError:
            # It is being replaced, or there is none: numbers are true as well.
            return
        self._stamp = stamp
        self._names = {}
        for line in text.splitlines():
            parts = line.split(":")
            if len(parts) > 2 and parts[2].isdecimal():
                self._names.setdefault(int(parts[2]), parts[0])
