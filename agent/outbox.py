"""The durable half of the spool: blocks, losses and bookmarks, each change in one transaction."""

from __future__ import annotations

import logging
import secrets
from base64 import b32encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import structs

from agent import blocks, gaps, spoolfile
from agent.blocks import Key
from agent.gaps import Reason
from agent.spoolfile import Owner
from wire.batch import MAX_BLOCKS, MAX_GAPS, Receipt
from wire.block import LANES, BlockRef, Gap, Lane

log = logging.getLogger(__name__)

VACUUM_PAGES = 512
"""Free pages given back to the disk at a time: 2 MB, a few milliseconds."""

Stored = tuple[BlockRef, bytes]

Recut = Mapping[tuple[Lane, int], Sequence[Stored]]
"""New blocks by the refused block that they save something of."""


class Parcel(NamedTuple):
    """What is to be sent next: blocks of one stream, most urgent lane first, and losses."""

    stream: str
    refs: list[BlockRef]
    packed: list[bytes]
    gaps: list[Gap]


class Outbox:
    """One open spool file. Not thread-safe: `Spool` serialises.

    Every method that changes something raises `SpoolFullError` when the disk takes nothing and
    `SpoolCorruptError` when the file is not what we wrote; then it has changed nothing.
    """

    def __init__(self, path: Path, owner: Owner) -> None:
        """Open or make the file. A new stream begins with every boot, so that a restored snapshot of the machine
        never gives new events an identity that other ones had."""
        self.path = path
        self.owner = owner
        self.bytes = 0
        """Packed bytes held."""
        self.stream = ""
        self._stream_id = 0
        self._next: dict[Lane, int] = {}
        self._in_flight: set[Key] = set()
        self._db = spoolfile.connect(path, owner)
        try:
            self._load()
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Fold the log into the file and close it."""
        self._db.close()

    def next_block(self, lane: Lane) -> int:
        """The number of the next block of this lane in the current stream."""
        return self._next[lane]

    def append(
        self, stored: Sequence[Stored], lost: Mapping[Lane, int], bookmarks: Mapping[str, bytes], limit: int
    ) -> int:
        """Store blocks (numbered from `next_block`), losses and bookmarks together, then evict what is over
        `limit` bytes, the least urgent lane's oldest first. Returns how many events that evicted."""
        with spoolfile.transaction(self._db, self.path):
            numbers = self._take_in(stored, lost)
            self._db.executemany("INSERT OR REPLACE INTO bookmarks VALUES (?, ?)", bookmarks.items())
            self._add("events", sum(ref.events for ref, _ in stored))
            added = sum(ref.size for ref, _ in stored)
            freed, evicted = self._evict(self.bytes + added - limit)
        self._next = numbers
        self.bytes += added - freed
        return evicted

    def pending(self, max_bytes: int) -> Parcel | None:
        """What to send next, at most `max_bytes` of blocks but at least one; None when all is delivered. A stream
        is finished before the next one begins."""
        (stream,) = self._one(
            "SELECT min(s) FROM (SELECT min(stream) s FROM blocks UNION ALL SELECT min(stream) FROM gaps)"
        )
        if stream is None:
            return None
        found = self._read(stream, max_bytes)
        losses = gaps.pending(self._db, stream, MAX_GAPS)
        if losses:
            with spoolfile.transaction(self._db, self.path):
                gaps.mark_sent(self._db, stream, losses)
        (name,) = self._one("SELECT stream FROM streams WHERE id = ?", stream)
        return Parcel(name, [ref for ref, _ in found], [packed for _, packed in found], losses)

    def acknowledge(self, parcel: Parcel, receipt: Receipt, recut: Recut | None = None) -> int:
        """Forget what the collector has stored, turn what it refused into losses; `recut` are new blocks (numbered
        from `next_block`) with what can be saved of the refused ones. Returns the events lost."""
        recut = recut or {}
        if not (stream := self._stream_number(parcel.stream)):
            return 0
        sent = {(ref.lane, ref.block): ref for ref in parcel.refs}
        refused = [ref for r in receipt.refused if (ref := sent.pop((r.lane, r.block), None))]
        stored = [ref for lane, block in receipt.stored if (ref := sent.pop((lane, block), None))]
        anew = [part for ref in refused for part in recut.get((ref.lane, ref.block), ())]
        lost = [_without(ref, recut.get((ref.lane, ref.block), ())) for ref in refused]
        with spoolfile.transaction(self._db, self.path):
            gaps.forget(self._db, stream, parcel.gaps)
            blocks.delete(self._db, stream, stored)
            self._add("delivered", sum(ref.events for ref in stored))
            self._drop(stream, lost, "refused")
            numbers = self._take_in(anew, {})
        self._next = numbers
        self.bytes += sum(ref.size for ref, _ in anew) - sum(ref.size for ref in (*stored, *refused))
        self._in_flight.clear()
        if parcel.stream == self.stream and any(n >= self._next[lane] for lane, n in receipt.through.items()):
            log.warning(
                "the collector has blocks of stream %s that we have yet to make: a restored copy?", self.stream
            )
            self._begin_stream()
        return sum(ref.events for ref in lost)

    def give_back(self) -> None:
        """Return some free pages to the disk, once there are many."""
        (free,) = self._one("PRAGMA freelist_count")
        if free > 2 * VACUUM_PAGES:
            with spoolfile.transaction(self._db, self.path):
                self._db.execute(f"PRAGMA incremental_vacuum({VACUUM_PAGES})").fetchall()

    def bookmarks(self) -> dict[str, bytes]:
        """All bookmarks."""
        return dict(self._all("SELECT name, value FROM bookmarks"))

    def totals(self) -> dict[str, int]:
        """Events since the file was made: `events`, `delivered`, `evicted`, `refused`, `corrupt`."""
        return dict(self._all("SELECT name, value FROM totals"))

    def held(self) -> dict[Lane, tuple[int, int]]:
        """Blocks and events waiting, by lane."""
        with spoolfile.translated(self.path):
            return blocks.held(self._db)

    def _load(self) -> None:
        with spoolfile.translated(self.path):
            row = self._db.execute("SELECT id, stream, boot FROM streams ORDER BY id DESC LIMIT 1").fetchone()
        if row is None or row[2] != self.owner.boot:
            self._begin_stream()
        else:
            self._stream_id, self.stream = row[0], row[1]
            lanes = self._all("SELECT lane, next FROM lanes WHERE stream = ?", self._stream_id)
            self._next = {LANES[lane]: number for lane, number in lanes}
        (self.bytes,) = self._one("SELECT coalesce(sum(size), 0) FROM blocks")

    def _begin_stream(self) -> None:
        name = b32encode(secrets.token_bytes(17)).decode().lower()[:26]
        with spoolfile.transaction(self._db, self.path):
            self._db.execute(
                "DELETE FROM lanes WHERE stream NOT IN (SELECT stream FROM blocks UNION SELECT stream FROM gaps)"
            )
            self._db.execute("DELETE FROM streams WHERE id NOT IN (SELECT stream FROM lanes)")
            cursor = self._db.execute("INSERT INTO streams (stream, boot) VALUES (?, ?)", (name, self.owner.boot))
            number = cursor.lastrowid or 0
            self._db.executemany("INSERT INTO lanes VALUES (?, ?, 1)", [(number, i) for i in range(len(LANES))])
        self.stream, self._stream_id, self._next = name, number, dict.fromkeys(LANES, 1)

    def _take_in(self, stored: Sequence[Stored], lost: Mapping[Lane, int]) -> dict[Lane, int]:
        """Store blocks and losses; the next numbers, true once the transaction is."""
        numbers = dict(self._next)
        for ref, packed in stored:
            blocks.insert(self._db, self._stream_id, ref, packed)
            numbers[ref.lane] = ref.block + 1
        for lane, events in lost.items():
            self._lose(self._stream_id, lane, numbers[lane], events, "evicted")
            numbers[lane] += 1
        rows = [(number, self._stream_id, LANES.index(lane)) for lane, number in numbers.items()]
        self._db.executemany("UPDATE lanes SET next = ?1 WHERE stream = ?2 AND lane = ?3 AND next <> ?1", rows)
        return numbers

    def _read(self, stream: int, max_bytes: int) -> list[Stored]:
        with spoolfile.translated(self.path):
            keys = blocks.first(self._db, stream, MAX_BLOCKS, max_bytes)
            self._in_flight = set(keys)
            found = [blocks.read(self._db, at) for at in keys]
        for ref, _, sound in found:
            if not sound:
                self._discard_corrupt(stream, ref)
        return [(ref, packed) for ref, packed, sound in found if sound]

    def _discard_corrupt(self, stream: int, ref: BlockRef) -> None:
        log.error("%s: block %s/%d is not what was stored; counted as lost", self.path, ref.lane, ref.block)
        with spoolfile.transaction(self._db, self.path):
            self._drop(stream, [ref], "corrupt")
        self.bytes -= ref.size

    def _evict(self, excess: int) -> tuple[int, int]:
        """Free at least `excess` bytes as far as there are any; bytes and events that went."""
        freed = evicted = 0
        for stream, ref in blocks.least_urgent(self._db, self._in_flight) if excess > 0 else ():
            self._drop(stream, [ref], "evicted")
            freed, evicted = freed + ref.size, evicted + ref.events
            if freed >= excess:
                break
        return freed, evicted

    def _drop(self, stream: int, refs: Sequence[BlockRef], reason: Reason) -> None:
        blocks.delete(self._db, stream, refs)
        for ref in refs:
            self._lose(stream, ref.lane, ref.block, ref.events, reason)

    def _lose(self, stream: int, lane: Lane, block: int, events: int, reason: Reason) -> None:
        gaps.add(self._db, stream, Gap(lane=lane, first=block, last=block, events=events, reason=reason))
        self._add(reason, events)

    def _add(self, name: str, n: int) -> None:
        if n:
            self._db.execute(
                "INSERT INTO totals VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
                (name, n),
            )

    def _stream_number(self, name: str) -> int:
        """0, which no row has, when the file was replaced since."""
        row = self._one("SELECT id FROM streams WHERE stream = ?", name)
        return int(row[0]) if row else 0

    def _all(self, sql: str, *values: object) -> list[Any]:
        with spoolfile.translated(self.path):
            return self._db.execute(sql, values).fetchall()

    def _one(self, sql: str, *values: object) -> Any:
        with spoolfile.translated(self.path):
            return self._db.execute(sql, values).fetchone()


def _without(ref: BlockRef, saved: Sequence[Stored]) -> BlockRef:
    return structs.replace(ref, events=ref.events - sum(part.events for part, _ in saved))
