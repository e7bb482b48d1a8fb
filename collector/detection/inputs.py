"""Files of events: found, opened through any compression, and cut into bounded lines."""

from __future__ import annotations

import gzip
import os
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import msgspec
import zstandard

from collector.detection.exceptions import EventFileError

STDIN = "-"
MAX_LINE = 16 * 1024 * 1024
"""Bytes of one event."""
MAX_SKIPPED = 64 * MAX_LINE
"""Bytes of one line that are passed over before its file is given up."""
MAX_ARRAY = 256 * 1024 * 1024
"""Bytes of a file that is one JSON array."""
_CHUNK = 1024 * 1024
_HEAD = 4_096
_WINDOW = 128 * 1024 * 1024
_GZIP, _ZSTD, _EVTX = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"ElfFile\x00"
_SUFFIXES = (".evtx", ".json", ".jsonl", ".ndjson")
_BOM = b"\xef\xbb\xbf"


class Lines(NamedTuple):
    """Consecutive events of a file. `index` is the first one's position, `line` its 1-based line, 0 in an array."""

    index: int
    line: int
    texts: list[bytes]


class TooLong(NamedTuple):
    """An event that was passed over because it is longer than `MAX_LINE`."""

    line: int


def event_files(arguments: Iterable[str]) -> Iterator[str]:
    """The files meant by command-line arguments; directories are searched for event files."""
    for argument in arguments:
        path = Path(argument)
        if argument == STDIN or not path.is_dir():
            yield argument
            continue
        for directory, below, names in os.walk(path):
            below.sort()
            for name in sorted(names):
                if name.removesuffix(".gz").removesuffix(".zst").lower().endswith(_SUFFIXES):
                    yield str(Path(directory, name))


@contextmanager
def opened(name: str) -> Iterator[IO[bytes]]:
    """The file's content, decompressed while it is read.

    Raises:
        EventFileError: the file cannot be read, or its compression is broken.
    """
    try:
        raw = sys.stdin.buffer if name == STDIN else Path(name).open("rb")
        with raw:
            yield _decompressed(_Peeking(raw))
    except (zlib.error, EOFError, gzip.BadGzipFile, zstandard.ZstdError) as error:
        raise EventFileError(f"{name}: broken compression: {error}") from error
    except OSError as error:
        raise EventFileError(f"{name}: cannot be read: {error.strerror or error}") from error


class _Peeking:
    """A stream whose first bytes can be looked at and are read again."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._ahead = b""

    def peek(self, size: int) -> bytes:
        while len(self._ahead) < size and (more := self._stream.read(size - len(self._ahead))):
            self._ahead += more
        return self._ahead[:size]

    def read(self, size: int = -1) -> bytes:
        if not self._ahead:
            return self._stream.read(size)
        if size < 0:
            ahead, self._ahead = self._ahead, b""
            return ahead + self._stream.read()
        ahead, self._ahead = self._ahead[:size], self._ahead[size:]
        return ahead + self._stream.read(size - len(ahead)) if len(ahead) < size else ahead


def _decompressed(stream: _Peeking) -> IO[bytes]:
    magic = stream.peek(4)
    if magic.startswith(_GZIP):
        return gzip.GzipFile(fileobj=stream)  # type: ignore[arg-type, return-value]
    if magic == _ZSTD:
        decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
        return decompressor.stream_reader(stream, read_across_frames=True)  # type: ignore[arg-type, return-value]
    return stream  # type: ignore[return-value]


def head_of(stream: IO[bytes]) -> bytes:
    """The first bytes of a stream, enough to tell what it holds."""
    head = b""
    while len(head) < _HEAD and (more := stream.read(_HEAD - len(head))):
        head += more
    return head


def is_evtx(head: bytes) -> bool:
    """Whether a file that begins with `head` is a Windows event log."""
    return head.startswith(_EVTX)


def blocks(stream: IO[bytes], head: bytes) -> Iterator[Lines | TooLong]:
    """The events of a JSON stream whose first bytes `head` were already taken from it.

    Raises:
        EventFileError: one line never ends, or an array is too large or broken.
    """
    head = head.removeprefix(_BOM)
    if head.lstrip().startswith(b"["):
        yield Lines(0, 0, _array(head, stream))
        return
    yield from _Cutter(head, stream).blocks()


def _array(head: bytes, stream: IO[bytes]) -> list[bytes]:
    content = bytearray(head)
    while chunk := stream.read(_CHUNK):
        content += chunk
        if len(content) > MAX_ARRAY:
            raise EventFileError(
                f"an array of more than {MAX_ARRAY // 1024 // 1024} MiB; write one event a line instead"
            )
    try:
        return [bytes(raw) for raw in msgspec.json.decode(content, type=list[msgspec.Raw])]
    except msgspec.DecodeError as error:
        raise EventFileError(f"a broken JSON array: {error}") from error


class _Cutter:
    """Cuts a stream into lines, a chunk at a time; blank lines are no events."""

    def __init__(self, head: bytes, stream: IO[bytes]) -> None:
        self._rest = head
        self._stream = stream
        self._index = 0
        self._line = 1

    def blocks(self) -> Iterator[Lines | TooLong]:
        while chunk := self._stream.read(_CHUNK):
            self._rest += chunk
            if b"\n" not in chunk and len(self._rest) > MAX_LINE:
                self._skip_line()
                yield TooLong(self._line)
                self._line += 1
                self._index += 1
            end = self._rest.rfind(b"\n")
            if end >= 0:
                complete, self._rest = self._rest[:end], self._rest[end + 1 :]
                yield from self._cut(complete)
        if self._rest:
            yield from self._cut(self._rest)

    def _cut(self, text: bytes) -> Iterator[Lines | TooLong]:
        texts: list[bytes] = []
        for line in text.split(b"\n"):
            if line and len(line) <= MAX_LINE and not line.isspace():
                texts.append(line)
                continue
            yield from self._taken(texts)
            texts = []
            if len(line) > MAX_LINE:
                yield TooLong(self._line)
                self._index += 1
            self._line += 1
        yield from self._taken(texts)

    def _taken(self, texts: list[bytes]) -> Iterator[Lines]:
        if texts:
            yield Lines(self._index, self._line, texts)
            self._index += len(texts)
            self._line += len(texts)

    def _skip_line(self) -> None:
        skipped = len(self._rest)
        self._rest = b""
        while chunk := self._stream.read(_CHUNK):
            end = chunk.find(b"\n")
            if end >= 0:
                self._rest = chunk[end + 1 :]
                return
            skipped += len(chunk)
            if skipped > MAX_SKIPPED:
                raise EventFileError(
                    f"line {self._line} does not end within {MAX_SKIPPED // 1024 // 1024} MiB; given up"
                )
