"""Disk space put aside, so that a full disk can still be tidied: deleting from a database needs room, too."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from agent.exceptions import SpoolFullError

BYTES = 8 << 20
"""Twice what the write-ahead log holds before it is folded into the database."""


class Reserve:
    """A file that holds nothing but its place."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held = path.exists() and path.stat().st_size == BYTES

    def hold(self, keep_free: int) -> None:
        """Take the space, unless that would leave less than `keep_free` bytes to others."""
        if self._held:
            return
        try:
            if free_bytes(self._path.parent) < keep_free + BYTES:
                return
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, BYTES)
            finally:
                os.close(descriptor)
        except (OSError, SpoolFullError):
            self.release()
        else:
            self._held = True

    def release(self) -> bool:
        """Give the space back; True when there was any."""
        held, self._held = self._held, False
        with suppress(OSError):
            self._path.unlink()
        return held


def free_bytes(directory: Path) -> int:
    """What an unprivileged process may still write on this file system.

    Raises:
        SpoolFullError: that cannot be found out, so nothing can be written either.
    """
    try:
        state = os.statvfs(directory)
    except OSError as error:
        raise SpoolFullError(f"{directory}: {error.strerror}") from error
    return state.f_bavail * state.f_frsize
