"""Events into blocks: encoded once, checked against what the wire allows, packed once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from wire import block as wire_block
from wire import codec
from wire.block import Block, BlockRef
from wire.errors import MalformedError, WireError
from wire.event import Event
from wire.health import HealthSample

TARGET_BYTES = 512 << 10
"""JSON in one block: about 1,300 process starts. Larger blocks compress no better."""

MAX_ITEM_BYTES = 960 << 10
"""The longest single event: with zstd's worst-case growth its block still keeps under `MAX_PACKED_BYTES`."""

TRUSTED_BYTES = 32 << 10
"""An event whose JSON is shorter than this cannot hold a text over the wire's limits, so it needs no check."""

_UNENCODABLE = (UnicodeEncodeError, OverflowError, TypeError, ValueError, RecursionError)
_encode = msgspec.json.Encoder().encode


class Run(msgspec.Struct, frozen=True):
    """Encoded events and samples that go into one block."""

    events: list[bytes]
    samples: list[bytes]

    def __len__(self) -> int:
        return len(self.events) + len(self.samples)


class _Loose(msgspec.Struct):
    """A block whose items are looked at one by one."""

    events: list[msgspec.Raw] = msgspec.field(default_factory=list)
    health: list[msgspec.Raw] = msgspec.field(default_factory=list)


def encode_events(events: Sequence[Event]) -> tuple[list[bytes], int]:
    """The events as JSON, and how many were left out because the collector would refuse them."""
    try:
        encoded = [_encode(event) for event in events]
    except _UNENCODABLE:
        encoded = [data for event in events if (data := _encode_one(event)) is not None]
    if any(len(data) > TRUSTED_BYTES for data in encoded):
        encoded = [data for data in encoded if len(data) <= TRUSTED_BYTES or _acceptable(data, Event)]
    return encoded, len(events) - len(encoded)


def encode_sample(sample: HealthSample) -> bytes | None:
    """The sample as JSON; None when the collector would refuse it. Samples are rare: each is checked."""
    data = _encode_one(sample)
    return data if data is not None and _acceptable(data, HealthSample) else None


def runs(events: Sequence[bytes], samples: Sequence[bytes]) -> Iterator[Run]:
    """Split into runs that fit a block each, in order; samples come last."""
    yield from (Run(part, []) for part in _parts(events))
    yield from (Run([], part) for part in _parts(samples))


def pack(head: Block, run: Run) -> tuple[BlockRef, bytes]:
    """The block of `head` (empty, but with its identity) around this run: its reference and its bytes."""
    packed = wire_block.pack_encoded(head, run.events, run.samples)
    return wire_block.announce(head.lane, head.block, len(run), packed), packed


def salvage(packed: bytes) -> tuple[Run, int]:
    """From a block that the collector found malformed, what it will take; and how many items it will not."""
    try:
        whole = codec.decode(codec.decompress(packed, wire_block.MAX_PLAIN_BYTES), _Loose, "block")
    except WireError:
        return Run([], []), 0
    events = [bytes(raw) for raw in whole.events]
    samples = [bytes(raw) for raw in whole.health]
    good = Run([e for e in events if _acceptable(e, Event)], [s for s in samples if _acceptable(s, HealthSample)])
    return good, len(events) + len(samples) - len(good)


def _parts(items: Sequence[bytes]) -> Iterator[list[bytes]]:
    part: list[bytes] = []
    size = 0
    for item in items:
        if part and (size + len(item) > TARGET_BYTES or len(part) >= wire_block.MAX_EVENTS):
            yield part
            part, size = [], 0
        part.append(item)
        size += len(item)
    if part:
        yield part


def _encode_one(item: Event | HealthSample) -> bytes | None:
    try:
        return _encode(item)
    except _UNENCODABLE:
        return None


def _acceptable(data: bytes, kind: type[Event] | type[HealthSample]) -> bool:
    try:
        codec.decode(data, kind, "event")
    except MalformedError:
        return False
    return len(data) <= MAX_ITEM_BYTES
