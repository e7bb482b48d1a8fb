"""Follows one growing file through rotation and truncation, from where it was left.

Where it was left is a `Mark`: which file (device, inode), how far (the beginning of a line), and a fingerprint of
its beginning, which tells a file that was truncated and filled again from one that grew.
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta, Struct

from agent.helper.exceptions import OpenRefusedError

CHUNK_BYTES = 256 << 10
FINGERPRINT_BYTES = 256

PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")
"""How files begin that gzip, bzip2, xz or zstd made; logrotate has a log packed one rotation later."""

MAX_PASSED = 4_096
"""Packed files passed over in one step."""


class Opener(Protocol):
    """Opens the file at a path, or the one with this inode beside it whose name begins with its name, or the
    next one after a time; see `AllowedFiles.open`.

    Raises:
        OpenRefusedError: `absent` when there is no such file.
    """

    def __call__(self, path: str, inode: int = 0, after: int = 0) -> int: ...


class Mark(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`fingerprint` is of the first `head` bytes. `skipping`: `offset` is inside a line too long to be kept."""

    device: int
    inode: int
    offset: Annotated[int, Meta(ge=0)]
    head: Annotated[int, Meta(ge=0, le=FINGERPRINT_BYTES)] = 0
    fingerprint: str = ""
    skipping: bool = False


def encode(mark: Mark) -> bytes:
    """For the spool."""
    return msgspec.json.encode(mark)


def decode(data: bytes) -> Mark | None:
    """A mark out of the spool; None when it is none that this release understands."""
    try:
        return msgspec.json.decode(data, type=Mark)
    except msgspec.DecodeError:
        return None


class Tail:
    """One file. `counts` collects what happened since the last look: `rotations`, `truncations`, `truncated_lines`
    and `lost_files` (rotated away while nobody looked, and not found again or packed since)."""

    def __init__(self, path: str, opener: Opener, max_line: int, mark: Mark | None) -> None:
        """Begins at `mark`; without one at the end of what is there, or at the start of what appears later."""
        self.counts: dict[str, int] = {}
        self._path = path
        self._open = opener
        self._max_line = max_line
        self._file = -1
        self._offset = 0
        self._head = b""
        self._skipping = False
        self._resume(mark)

    def close(self) -> None:
        """Let go of the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def mark(self) -> Mark | None:
        """Where it is now; None while there is no file."""
        if self._file < 0:
            return None
        state = os.fstat(self._file)
        return Mark(
            device=state.st_dev,
            inode=state.st_ino,
            offset=self._offset,
            head=len(self._head),
            fingerprint=_fingerprint(self._head),
            skipping=self._skipping,
        )

    def read(self) -> list[bytes]:
        """The next lines without their ends, at most about 256 KiB; empty when nothing is new.

        Raises:
            OpenRefusedError: the file may not be opened.
            OSError: it cannot be read.
        """
        if self._file < 0 and not self._appear():
            return []
        self._check_truncation()
        before = self._offset
        data = os.pread(self._file, CHUNK_BYTES, before)
        lines = self._lines(data) if data else []
        return lines if self._offset > before else self._next_file(data)

    def _resume(self, mark: Mark | None) -> None:
        try:
            self._file = self._open(self._path)
        except OpenRefusedError as error:
            if not error.absent:
                raise
        if mark is None:
            self._begin_at_end()
        elif self._is_at(mark):
            self._go_on(mark)
        else:
            self._find_rotated(mark)

    def _begin_at_end(self) -> None:
        if self._file < 0:
            return
        self._offset = os.fstat(self._file).st_size
        self._head = os.pread(self._file, min(FINGERPRINT_BYTES, self._offset), 0)
        self._skipping = self._offset > 0 and os.pread(self._file, 1, self._offset - 1) != b"\n"

    def _is_at(self, mark: Mark) -> bool:
        if self._file < 0:
            return False
        state = os.fstat(self._file)
        return (state.st_dev, state.st_ino) == (mark.device, mark.inode)

    def _go_on(self, mark: Mark) -> None:
        head = os.pread(self._file, mark.head, 0)
        if os.fstat(self._file).st_size < mark.offset or _fingerprint(head) != mark.fingerprint:
            self._count("truncations")
            return
        self._offset, self._head, self._skipping = mark.offset, head, mark.skipping

    def _find_rotated(self, mark: Mark) -> None:
        """The rest of what was there before the file of now."""
        try:
            rotated = self._open(self._path, mark.inode)
        except OpenRefusedError:
            self._count("lost_files")
            return
        self.close()
        self._file = rotated
        self._go_on(mark)

    def _appear(self) -> bool:
        try:
            self._file = self._open(self._path)
        except OpenRefusedError as error:
            if error.absent:
                return False
            raise
        self._offset, self._head, self._skipping = 0, b"", False
        return True

    def _check_truncation(self) -> None:
        shrunk = os.fstat(self._file).st_size < self._offset
        if shrunk or os.pread(self._file, len(self._head), 0) != self._head:
            self._count("truncations")
            self._offset, self._head, self._skipping = 0, b"", False

    def _lines(self, data: bytes) -> list[bytes]:
        if self._skipping:
            end = data.find(b"\n") + 1
            self._offset += end or len(data)
            if not end:
                return []
            self._skipping = False
            data = data[end:]
        whole, newline, rest = data.rpartition(b"\n")
        self._offset += len(whole) + len(newline)
        lines = whole.split(b"\n") if newline else []
        if len(rest) > self._max_line:
            lines.append(rest)
            self._offset += len(rest)
            self._skipping = True
        if len(self._head) < FINGERPRINT_BYTES:
            self._head = os.pread(self._file, min(FINGERPRINT_BYTES, self._offset), 0)
        return [self._bounded(line) for line in lines]

    def _bounded(self, line: bytes) -> bytes:
        if len(line) > self._max_line:
            self._count("truncated_lines")
            return line[: self._max_line]
        return line

    def _next_file(self, unfinished: bytes) -> list[bytes]:
        """Move on when the path leads to another file that somebody writes to already: until then the writer may
        still hold the old one. Its last line may lack an end."""
        if not self._replaced():
            return []
        more = os.pread(self._file, CHUNK_BYTES, self._offset)
        if more != unfinished:
            return self._lines(more)
        last = [self._bounded(unfinished)] if unfinished and not self._skipping else []
        after = os.fstat(self._file).st_mtime_ns
        self.close()
        self._count("rotations")
        self._follow(after)
        return last or self.read()

    def _follow(self, after: int) -> None:
        """The file written to after this time (ns): there may have been several rotations since the last look."""
        for _ in range(MAX_PASSED):
            try:
                file = self._open(self._path, after=after)
            except OpenRefusedError as error:
                if not error.absent:
                    self._count("lost_files")
                break
            written = os.fstat(file).st_mtime_ns
            # Not later than what was read: there is no other, this is the file itself.
            if written <= after or not os.pread(file, 8, 0).startswith(PACKED):
                self._file = file
                self._offset, self._head, self._skipping = 0, b"", False
                return
            after = written
            os.close(file)
            self._count("lost_files")
        self._appear()

    def _replaced(self) -> bool:
        try:
            now = Path(self._path).stat()
        except FileNotFoundError:
            return False
        except PermissionError:
            try:
                file = self._open(self._path)
            except OpenRefusedError:
                return False
            now = os.fstat(file)
            os.close(file)
        ours = os.fstat(self._file)
        return now.st_size > 0 and (now.st_dev, now.st_ino) != (ours.st_dev, ours.st_ino)

    def _count(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1


def _fingerprint(head: bytes) -> str:
    return sha256(head).hexdigest()
