"""A run of events cut once by the agent and resent byte-identical until the collector has it."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from wire import codec, version
from wire.errors import HashMismatchError, MalformedError
from wire.event import Event
from wire.health import HealthSample

Lane = Literal["urgent", "security", "routine"]
"""Severity class. A full spool evicts `routine` first and `urgent` last; each lane is its own sequence."""

LANES: tuple[Lane, ...] = ("urgent", "security", "routine")

AgentId = Annotated[str, Meta(pattern=r"^[a-z2-7]{16}\Z")]
StreamId = Annotated[str, Meta(pattern=r"^[a-z2-7]{26}\Z")]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
BlockNumber = Annotated[int, Meta(ge=1, le=2**53)]

MAX_EVENTS = 4_096
MAX_PACKED_BYTES = 1 << 20
MAX_PLAIN_BYTES = 8 << 20


class Block(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The content of one block. An event's identity is (agent, stream, lane, block, index in `events`)."""

    v: int = field(default_factory=version.current)
    agent: AgentId
    stream: StreamId
    lane: Lane
    block: BlockNumber
    boot: Annotated[str, Meta(max_length=36)] = ""
    events: Annotated[list[Event], Meta(max_length=MAX_EVENTS)] = []
    health: Annotated[list[HealthSample], Meta(max_length=MAX_EVENTS)] = []

    def all_events(self) -> list[Event]:
        """Events and health samples in one list; the index within it is the event's identity."""
        return [*self.events, *(sample.as_event() for sample in self.health)]


class BlockRef(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How a batch announces one block: which it is, how long its packed bytes are, and their hash."""

    lane: Lane
    block: BlockNumber
    events: Annotated[int, Meta(ge=0, le=2 * MAX_EVENTS)]
    size: Annotated[int, Meta(ge=1, le=MAX_PACKED_BYTES)]
    sha256: Sha256


class Gap(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Blocks that will never come, and why: a loss that is counted is not silent."""

    lane: Lane
    first: BlockNumber
    last: BlockNumber
    events: Annotated[int, Meta(ge=0)]
    reason: Literal["evicted", "refused", "corrupt"]


def pack(block: Block) -> bytes:
    """The block as zstd-compressed JSON: the bytes that are stored, hashed and sent."""
    return codec.compress(codec.encode(block))


def pack_encoded(head: Block, events: Sequence[bytes], health: Sequence[bytes]) -> bytes:
    """As `pack`, for events and samples that are JSON already; `head` is the block without any of its own."""
    plain = b"".join(
        (codec.encode(head)[:-1], b',"events":[', b",".join(events), b'],"health":[', b",".join(health), b"]}")
    )
    return codec.compress(plain)


def announce(lane: Lane, block: int, events: int, packed: bytes) -> BlockRef:
    """The reference under which a batch carries `packed`."""
    return BlockRef(lane=lane, block=block, events=events, size=len(packed), sha256=sha256(packed).hexdigest())


def reference(block: Block, packed: bytes) -> BlockRef:
    """The announcement of `packed`, as made by `pack(block)`."""
    return announce(block.lane, block.block, len(block.events) + len(block.health), packed)


def verify(ref: BlockRef, packed: bytes) -> None:
    """Raise `HashMismatchError` unless `packed` is what `ref` announces."""
    if len(packed) != ref.size or sha256(packed).hexdigest() != ref.sha256:
        raise HashMismatchError(f"block {ref.lane}/{ref.block}: the bytes are not those of its announced hash")


def unpack(packed: bytes) -> Block:
    """Decode one block.

    Raises:
        TooLargeError: over the limits, compressed or not (a zip bomb stops at the limit).
        MalformedError: not zstd, not JSON, or a field out of bounds.
        VersionError: a protocol version that is no neighbour of ours.
    """
    plain = codec.decompress(packed, MAX_PLAIN_BYTES)
    block = codec.decode(plain, Block, "block")
    version.check(block.v, "block")
    if not block.events and not block.health:
        raise MalformedError(f"block {block.lane}/{block.block} holds nothing")
    return block
