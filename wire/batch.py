"""What an agent posts, and what it is answered.

The body is one line of JSON (`BatchHeader`), a newline, and the packed blocks one after another, each as long as
its reference says. A person can read the first line and pipe the rest through `zstd -d`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from wire import codec, version
from wire.block import MAX_PACKED_BYTES, AgentId, BlockNumber, BlockRef, Gap, Lane, StreamId
from wire.errors import MalformedError, TooLargeError

CONTENT_TYPE = "application/vnd.lienphong.batch"
MAX_BLOCKS = 64
MAX_GAPS = 256
MAX_HEADER_BYTES = 64 << 10
MAX_BATCH_BYTES = 8 << 20


class BatchHeader(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`sent` is the agent's clock at sending (µs UTC), `mono` the same moment since boot: the collector
    estimates the skew from the first and keeps both."""

    v: int = field(default_factory=version.current)
    agent: AgentId
    stream: StreamId
    boot: Annotated[str, Meta(max_length=36)] = ""
    sent: Annotated[int, Meta(ge=0)]
    mono: Annotated[int, Meta(ge=0)] = 0
    blocks: Annotated[list[BlockRef], Meta(max_length=MAX_BLOCKS)] = []
    gaps: Annotated[list[Gap], Meta(max_length=MAX_GAPS)] = []


class Refusal(Struct, frozen=True, kw_only=True):
    """A block that will never be accepted; resending it is useless, so the agent turns it into a gap."""

    lane: Lane
    block: BlockNumber
    code: str
    reason: str


class Receipt(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Sent only after the durable append. `through` is the highest block of each lane up to which nothing
    is missing; `stored` and `refused` name the blocks of this batch. `time` is the collector's (µs UTC)."""

    v: int = field(default_factory=version.current)
    time: int
    stored: list[tuple[Lane, int]] = []
    refused: list[Refusal] = []
    through: dict[Lane, int] = {}


class Problem(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Why a whole request was refused (RFC 9457 problem details). `code` is stable; `retry_after` is in seconds,
    and 0 means that repeating the same request cannot succeed."""

    code: str
    title: str
    status: Literal[400, 401, 403, 404, 408, 409, 413, 415, 429, 500, 503]
    detail: str = ""
    retry_after: float = 0


def join(header: BatchHeader, packed: Sequence[bytes]) -> bytes:
    """The body of a batch. `packed` holds the bytes of `header.blocks`, in order."""
    return b"".join((codec.encode(header), b"\n", *packed))


def split(body: bytes) -> tuple[BatchHeader, list[bytes]]:
    """Take a batch apart without decompressing anything.

    Raises:
        TooLargeError: body, header or block over its limit.
        MalformedError: no header line, or lengths that do not add up.
        VersionError: a protocol version that is no neighbour of ours.
    """
    if len(body) > MAX_BATCH_BYTES:
        raise TooLargeError(f"batch of {len(body)} bytes; the limit is {MAX_BATCH_BYTES}")
    end = body.find(b"\n", 0, MAX_HEADER_BYTES + 1)
    if end < 0:
        raise MalformedError(f"batch: no header line within {MAX_HEADER_BYTES} bytes")
    header = codec.decode(body[:end], BatchHeader, "batch header")
    version.check(header.v, "batch")
    return header, _cut(body, end + 1, header.blocks)


def _cut(body: bytes, start: int, refs: Sequence[BlockRef]) -> list[bytes]:
    packed = []
    for ref in refs:
        if ref.size > MAX_PACKED_BYTES:
            raise TooLargeError(f"block {ref.lane}/{ref.block}: {ref.size} bytes; the limit is {MAX_PACKED_BYTES}")
        packed.append(body[start : start + ref.size])
        start += ref.size
    if start != len(body):
        raise MalformedError(f"batch: its references add up to {start} bytes, the body has {len(body)}")
    return packed
