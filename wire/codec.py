"""JSON by struct and bounded zstd: the only encoding on the wire."""

from __future__ import annotations

from typing import TypeVar, cast

import msgspec
import zstandard

from wire.errors import MalformedError, TooLargeError

T = TypeVar("T")

LEVEL = 3
"""zstd level: 82–86 bytes an event; higher levels cost the agent's CPU for a few per cent."""

WINDOW_BYTES = 8 << 20
"""A frame that asks for a larger window is refused before memory is taken for it."""


_decoders: dict[object, msgspec.json.Decoder[object]] = {}
"""One per struct: building a decoder costs more than most messages."""

_encoder = msgspec.json.Encoder()


def encode(message: object) -> bytes:
    """The message as compact JSON."""
    return _encoder.encode(message)


def decode(data: bytes, kind: type[T], what: str) -> T:
    """Decode JSON into `kind`; `what` names the message in the error.

    Raises:
        MalformedError: not JSON, not of this kind, or a field outside its limits (the text names it).
    """
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    try:
        return cast("T", decoder.decode(data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(f"{what}: {error}") from error


def compress(data: bytes) -> bytes:
    """One zstd frame with its content size and checksum."""
    return zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compress(data)


def decompress(data: bytes, limit: int) -> bytes:
    """The content of exactly one zstd frame of at most `limit` bytes.

    Raises:
        TooLargeError: it would decompress to more than `limit`.
        MalformedError: not one whole zstd frame.
    """
    reader = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES).decompressobj()
    try:
        size = zstandard.frame_content_size(data)
        if size > limit:
            raise TooLargeError(f"decompresses to {size} bytes; the limit is {limit}")
        if size < 0:
            raise MalformedError("zstd frame without a content size")
        plain = reader.decompress(data)
    except zstandard.ZstdError as error:
        raise MalformedError(f"not a zstd frame: {error}") from error
    if not reader.eof or reader.unused_data:
        raise MalformedError("not exactly one zstd frame")
    return plain
