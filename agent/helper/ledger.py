"""What the helper changed in the machine's audit state, written down before it is changed.

Whatever ends the helper, the next one finds here what to put back. The file is root's alone, in a directory of
root's; after a reboot it is void, because the kernel starts with its own defaults.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from agent.helper.exceptions import AuditError

MAX_BYTES = 4 << 20


class Entry(Struct, frozen=True, kw_only=True):
    """`prior` is what was found, `ours` what was set instead; `rules` are those we added, as hex."""

    boot: str
    prior: dict[str, int]
    ours: dict[str, int]
    rules: Annotated[list[str], Meta(max_length=256)]


class Ledger:
    """One file, replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, boot: str) -> Entry | None:
        """What is to be put back, or None: nothing, or another boot's.

        Raises:
            AuditError: the file is not ours, or not readable as what we wrote.
        """
        try:
            handle = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise AuditError(f"{self._path}: {error.strerror}") from error
        with os.fdopen(handle, "rb") as file:
            state = os.fstat(file.fileno())
            if state.st_uid != os.geteuid() or state.st_mode & 0o022:
                raise AuditError(f"{self._path}: others could have written it; remove it and start again")
            data = file.read(MAX_BYTES)
        try:
            entry = msgspec.json.decode(data, type=Entry)
        except msgspec.DecodeError as error:
            raise AuditError(f"{self._path}: {error}; remove it and check `auditctl -s`") from error
        return entry if entry.boot == boot else None

    def write(self, entry: Entry) -> None:
        """Make `entry` durable, before anything is changed.

        Raises:
            AuditError: it cannot be written, so nothing may be changed.
        """
        new = self._path.with_suffix(".new")
        try:
            handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.json.encode(entry))
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
            self._sync_directory()
        except OSError as error:
            raise AuditError(f"{self._path}: {error.strerror}; the audit state is left alone") from error

    def clear(self) -> None:
        """Everything has been put back."""
        self._path.unlink(missing_ok=True)

    def _sync_directory(self) -> None:
        handle = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
