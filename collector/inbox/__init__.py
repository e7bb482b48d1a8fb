"""The durable queue between the gateway and the rest: one protocol, one module an implementation."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Literal, Protocol

from msgspec import Struct

from collector.exceptions import CollectorError
from collector.messages import InboxBlock
from wire.block import Gap, Lane
from wire.identity import Identity

Consumer = Literal["detector", "archiver"]
CONSUMERS: tuple[Consumer, ...] = ("detector", "archiver")

Verdict = Literal["stored", "duplicate", "conflict"]
"""`duplicate`: the inbox has or had exactly this block. `conflict`: it has this identity with other content."""


class InboxError(CollectorError):
    """The inbox cannot be used; nothing of the request was stored."""


class InboxFullError(InboxError):
    """Over its quota, or the disk is as full as it may get: the agents keep their spools for now."""


class Arrival(Struct, frozen=True, kw_only=True):
    """One checked block of a batch. `events` is how many it holds, `packed` its bytes as they came."""

    lane: Lane
    block: int
    sha256: str
    events: int
    packed: bytes


class Delivery(Struct, frozen=True, kw_only=True):
    """What one request of one agent brings, stored in one transaction. Times are µs UTC."""

    identity: Identity
    host: str
    stream: str
    received: int
    skew: int
    arrivals: Sequence[Arrival]
    gaps: Sequence[Gap] = ()


class Total(Struct, frozen=True, kw_only=True):
    """What came and what was lost of one stream, ever: it outlives restarts."""

    events: int
    gaps: int
    lost: int


class Outcome(Struct, frozen=True, kw_only=True):
    """Durable when it is known. `verdicts` are in the order of the arrivals; `through` is, for each lane, the
    highest block up to which nothing is missing; `lost` counts events in gaps that were new; `total` is the
    stream's sum after this delivery."""

    verdicts: list[Verdict]
    through: dict[Lane, int]
    lost: int
    total: Total


class Usage(Struct, frozen=True, kw_only=True):
    """How full the inbox is. `bytes` counts packed blocks kept; `head` is the newest sequence number."""

    bytes: int
    blocks: int
    head: int
    done: dict[str, int]


class Inbox(Protocol):
    """What the gateway needs of a queue. `append` may be called from any thread."""

    def append(self, delivery: Delivery) -> Future[Outcome]:
        """Store what is new; the future is done after the fsync.

        Raises (through the future):
            InboxFullError: nothing was stored, another try later may succeed.
            InboxError: the store failed; nothing was stored.
        """
        ...

    def fetch(self, after: int, limit: int) -> tuple[list[InboxBlock], int]:
        """Up to `limit` blocks after sequence number `after`, in order, and the newest sequence number. What a
        fetch begins with never depends on what was appended since."""
        ...

    def done(self, consumer: Consumer, seq: int) -> None:
        """A consumer has made everything through `seq` durable; what all consumers have passed is forgotten."""
        ...

    def usage(self) -> Usage:
        """How full it is."""
        ...

    def close(self) -> None:
        """Finish what was asked and let go of the files."""
        ...
