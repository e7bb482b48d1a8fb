"""Files of events: found, opened through any compression, and cut into bounded lines."""

from __future__ import annotations

import os
import sys
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

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
_EVTX_HEADER, _EVTX_CHUNK = 4_096, 65_536
_WINDOW = 128 * 1024 * 1024
_PACKED_CHUNK = 1024
"""Compressed bytes unpacked at a time: zstd makes at most 32 MiB of them."""
_GZIP_WRAPPED = 31
_GZIP, _ZSTD, _EVTX = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"ElfFile\x00"
_SUFFIXES = (".evtx", ".json", ".jsonl", ".ndjson")
_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_BROKEN = (zlib.error, EOFError, zstandard.ZstdError)


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int = ..., /) -> bytes:
        """Up to `size` bytes; none at the end."""
        ...


class Lines(NamedTuple):
    """Consecutive events of a file. `first` is the position of the first, `line` its 1-based line, 0 in an
    array."""

    first: int
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
def opened(name: str) -> Iterator[Readable]:
    """The file's content, decompressed while it is read.

    Raises:
        EventFileError: the file cannot be read, or its compression is broken.
    """
    if name == STDIN and sys.stdin is None:
        raise EventFileError(f"{name}: standard input is closed")
    try:
        with nullcontext(sys.stdin.buffer) if name == STDIN else Path(name).open("rb") as raw:
            yield _decompressed(raw)
    except EventFileError as error:
        raise EventFileError(f"{name}: {error}") from error
    except _BROKEN as error:
        raise EventFileError(f"{name}: broken compression: {error}") from error
    except OSError as error:
        raise EventFileError(f"{name}: cannot be read: {error.strerror or error}") from error


class _Rejoined:
    """A stream of which the first bytes were already taken, whole again."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int = _CHUNK) -> bytes:
        chunk = self._head[:size]
        self._head = self._head[len(chunk) :]
        return chunk or self._rest.read(size)


class _Unpacker(Protocol):
    """What zlib's and zstd's decompression objects have in common: one member or frame."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


class _Unpacked:
    """A compressed stream of one or more `unit`s. An error is raised once all before it has been read."""

    def __init__(self, packed: Readable, new: Callable[[], _Unpacker], unit: str, padding: bytes = b"") -> None:
        self._packed = packed
        self._new = new
        self._unit = unit
        self._padding = padding
        self._unpacker: _Unpacker | None = None
        self._input = self._output = b""
        self._at = 0
        self._error: Exception | None = None

    def read(self, size: int = _CHUNK) -> bytes:
        parts: list[bytes] = []
        while size and (self._at < len(self._output) or self._more()):
            part = self._output[self._at : self._at + size]
            parts.append(part)
            self._at += len(part)
            size -= len(part)
        if self._error and not parts:
            raise self._error
        return b"".join(parts)

    def _more(self) -> bool:
        """Unpack until there is output; false at the end or an error."""
        self._output, self._at = b"", 0
        try:
            while not self._output and not self._error and self._fill():
                self._step()
        except (*_BROKEN, OSError) as error:
            self._error = error
        return bool(self._output)

    def _fill(self) -> bool:
        self._input = self._input or self._packed.read(_PACKED_CHUNK)
        if not self._input and self._unpacker is not None:
            raise EOFError(f"it ends in the middle of a {self._unit}")
        return bool(self._input)

    def _step(self) -> None:
        if self._unpacker is None:
            self._input = self._input.lstrip(self._padding) if self._padding else self._input
            if not self._input:
                return
            self._unpacker = self._new()
        self._output = self._unpacker.decompress(self._input)
        self._input = self._unpacker.unused_data
        if self._unpacker.eof:
            self._unpacker = None


def _decompressed(raw: BinaryIO) -> Readable:
    head = head_of(raw, len(_EVTX))
    stream = _Rejoined(head, raw)
    if head.startswith(_GZIP):
        return _Unpacked(stream, lambda: zlib.decompressobj(_GZIP_WRAPPED), "gzip member", padding=b"\0")
    if head.startswith(_ZSTD):
        decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
        return _Unpacked(stream, decompressor.decompressobj, "zstd frame")
    return stream


def head_of(stream: Readable, size: int = _HEAD) -> bytes:
    """The first bytes of a stream, enough to tell what it holds; fewer than `size` only at its end."""
    head = b""
    try:
        while len(head) < size and (more := stream.read(size - len(head))):
            head += more
    except (*_BROKEN, OSError):
        if not head:
            raise  # else the next read raises it again, behind what was read
    return head


def is_evtx(head: bytes) -> bool:
    """Whether a file that begins with `head` is a Windows event log."""
    return head.startswith(_EVTX)


def is_cut_off(path: Path) -> bool:
    """Whether an event log lacks its end: readers pass over that in silence.

    The file header is 4,096 bytes and counts, at offset 42, the 65,536-byte chunks behind it (MS-EVEN6, EVTX).
    """
    with path.open("rb") as stream:
        header = stream.read(_EVTX_HEADER)
    chunks = int.from_bytes(header[42:44], "little")
    body = path.stat().st_size - _EVTX_HEADER
    return body % _EVTX_CHUNK != 0 or body < chunks * _EVTX_CHUNK


def blocks(stream: Readable, head: bytes) -> Iterator[Lines | TooLong]:
    """The events of a JSON stream whose first bytes `head` were already taken from it.

    Raises:
        EventFileError: one line never ends, an array is too large or broken, or the text is UTF-16.
    """
    if head.startswith(_UTF16_BOMS):
        raise EventFileError("UTF-16: convert to UTF-8 (iconv -f UTF-16 -t UTF-8)")
    head = head.removeprefix(_BOM)
    if head.lstrip().startswith(b"["):
        yield Lines(0, 0, _array(head, stream))
        return
    yield from _Cutter(head, stream).blocks()


def _array(head: bytes, stream: Readable) -> list[bytes]:
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
    except RecursionError as error:
        raise EventFileError("a JSON array nested too deeply") from error


class _Cutter:
    """Cuts a stream into lines, a chunk at a time; blank lines are no events."""

    def __init__(self, head: bytes, stream: Readable) -> None:
        self._rest = head
        self._stream = stream
        self._index = 0
        self._line = 1

    def blocks(self) -> Iterator[Lines | TooLong]:
        while chunk := (yield from self._read()):
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

    def _read(self) -> Generator[Lines | TooLong, None, bytes]:
        """The next chunk. Behind an error nothing follows: a last line that is whole without its end counts."""
        try:
            return self._stream.read(_CHUNK)
        except (*_BROKEN, OSError):
            complete, end, last = self._rest.rpartition(b"\n")
            yield from self._cut(complete + end + last if _is_whole(last) else complete)
            raise

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


def _is_whole(text: bytes) -> bool:
    try:
        msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
