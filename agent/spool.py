"""The durable outbox between sensors and uplink: nothing is lost silently, and never more than its bounds is held.

Sensors put events in memory (`Intake`); one thread cuts them into blocks and commits these with the bookmarks that
they cover (`Outbox`); the uplink takes parcels and acknowledges them. When the disk takes nothing, events wait in
memory up to its bound; what comes on top is counted, and the count becomes a loss record as soon as it can.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from agent import cut, own, spoolfile
from agent.config import SpoolConfig
from agent.exceptions import SpoolCorruptError, SpoolError, SpoolForeignError, SpoolFullError
from agent.intake import Harvest, Intake
from agent.outbox import Outbox, Parcel, Recut, Stored
from agent.reserve import Reserve, free_bytes
from agent.spoolfile import Owner
from agent.tally import Tally
from wire.batch import Receipt
from wire.block import LANES, Block, Lane
from wire.event import Event
from wire.health import HealthSample

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
"""Between two tries to write to a full disk."""

T = TypeVar("T")

FILE_NAME = "spool.sqlite"


class SpoolState(Struct, kw_only=True):
    """What waits to be delivered. `totals` are events since the spool file was made."""

    stream: str
    bytes: int
    max_bytes: int
    blocks: dict[Lane, int]
    events: dict[Lane, int]
    totals: dict[str, int]


class Spool:
    """See the module. Safe to use from any thread."""

    def __init__(self, directory: Path, owner: Owner, config: SpoolConfig, tally: Tally) -> None:
        """Open the spool in `directory`. A file that cannot be read, or is another machine's, is set aside for a
        new one, and an event says so.

        Raises:
            SpoolFullError: there is no room even to open it.
        """
        self._path = directory / FILE_NAME
        self._owner = owner
        self._config = config
        self._tally = tally
        self._lock = threading.Lock()
        self._reserve = Reserve(directory / "reserve")
        delays: dict[Lane, float] = {
            "urgent": 0.0,
            "security": config.delay_seconds,
            "routine": config.routine_delay_seconds,
        }
        self._intake = Intake(config.memory_bytes, delays)
        self._bookmarks: dict[str, bytes] = {}
        self._outbox = self._open()
        self._bookmarks = self._outbox.bookmarks()
        self._reserve.hold(config.min_free_bytes)
        self._stopping = threading.Event()
        self.ready = threading.Event()
        """Set whenever there may be something to send; the uplink clears it."""
        self.ready.set()
        self._thread = threading.Thread(target=self._work, name="spool", daemon=True)
        self._thread.start()

    def put(self, lane: Lane, events: Sequence[Event], bookmark: tuple[str, bytes] | None = None) -> int:
        """Take events in, as `Sink.emit_many` says. Returns how many were lost (and counted)."""
        encoded, invalid = cut.encode_events(events)
        if invalid:
            self._tally.add("lost_events", invalid, "invalid")
            self._intake.lose(lane, invalid)
        dropped = self._intake.put(lane, encoded, bookmark=bookmark)
        if dropped:
            self._tally.add("lost_events", dropped, "memory_full")
        return invalid + dropped

    def put_sample(self, sample: HealthSample) -> int:
        """Take a measurement in. Returns 1 when it was lost (and counted)."""
        encoded = cut.encode_sample(sample)
        if encoded is None:
            self._tally.add("lost_events", 1, "invalid")
            self._intake.lose("routine", 1)
            return 1
        dropped = self._intake.put("routine", (), (encoded,))
        if dropped:
            self._tally.add("lost_events", dropped, "memory_full")
        return dropped

    def lose(self, lane: Lane, events: int) -> None:
        """Count events that a sensor lost before it could hand them over."""
        self._tally.add("lost_events", events, "sensor")
        self._intake.lose(lane, events)

    def bookmark(self, name: str) -> bytes | None:
        """The last durable value of a bookmark."""
        return self._bookmarks.get(name)

    def flush(self, timeout: float) -> bool:
        """Wait until everything put so far is durable; False when that took longer than `timeout` seconds."""
        return self._intake.flush(timeout)

    def pending(self, max_bytes: int) -> Parcel | None:
        """What to send next; see `Outbox.pending`."""
        with self._lock:
            try:
                return self._with_reserve(lambda: self._outbox.pending(max_bytes))
            except SpoolCorruptError as error:
                self._replace(error)
                return None

    def acknowledge(self, parcel: Parcel, receipt: Receipt) -> None:
        """Forget what the collector has. Of a block that it found malformed, what it will take is cut anew.

        Raises:
            SpoolFullError: the disk is full, the parcel will be sent again.
        """
        with self._lock:
            try:
                recut = self._recut(parcel, receipt)
                lost = self._with_reserve(lambda: self._outbox.acknowledge(parcel, receipt, recut))
                self._tally.add("lost_events", lost, "refused")
            except SpoolCorruptError as error:
                self._replace(error)
            with suppress(SpoolError):
                self._outbox.give_back()
        self.ready.set()

    def state(self) -> SpoolState:
        """For status and metrics."""
        with self._lock:
            held = self._outbox.held()
            return SpoolState(
                stream=self._outbox.stream,
                bytes=self._outbox.bytes,
                max_bytes=self._config.max_bytes,
                blocks={lane: held.get(lane, (0, 0))[0] for lane in LANES},
                events={lane: held.get(lane, (0, 0))[1] for lane in LANES},
                totals=self._outbox.totals(),
            )

    def alive(self) -> bool:
        """False once its thread has ended, which it does only when closed or through a defect."""
        return self._thread.is_alive()

    def close(self, timeout: float) -> bool:
        """Take nothing more, make durable what is here, close the file. False when the disk did not take it all
        within `timeout` seconds."""
        self._intake.close()
        self._thread.join(timeout)
        self._stopping.set()
        self._thread.join()
        with self._lock:
            self._outbox.close()
        return self._intake.flush(0)

    def _work(self) -> None:
        while (harvest := self._intake.take()) is not None:
            while not self._commit(harvest):
                if self._stopping.wait(RETRY_SECONDS):
                    return

    def _commit(self, harvest: Harvest) -> bool:
        if harvest.empty():
            self._intake.settle(harvest)
            return True
        with self._lock:
            try:
                evicted = self._with_reserve(lambda: self._store(harvest))
            except SpoolFullError as error:
                self._tally.add("spool_full", 1)
                log.warning("%s", error)
                return False
            except SpoolCorruptError as error:
                self._replace(error)
                return False
        self._tally.add("lost_events", evicted, "evicted")
        self._bookmarks.update(harvest.bookmarks)
        self._intake.settle(harvest)
        self.ready.set()
        self._reserve.hold(self._config.min_free_bytes)
        return True

    def _store(self, harvest: Harvest) -> int:
        blocks: list[Stored] = []
        for lane in LANES:
            number = self._outbox.next_block(lane)
            samples = harvest.samples if lane == "routine" else ()
            for run in cut.runs(harvest.events[lane], samples):
                blocks.append(cut.pack(self._head(lane, number), run))
                number += 1
        return self._outbox.append(blocks, harvest.lost, harvest.bookmarks, self._limit())

    def _recut(self, parcel: Parcel, receipt: Receipt) -> Recut:
        malformed = {(r.lane, r.block) for r in receipt.refused if r.code == "malformed"}
        numbers = {lane: self._outbox.next_block(lane) for lane in LANES}
        recut: dict[tuple[Lane, int], list[Stored]] = {}
        for ref, packed in zip(parcel.refs, parcel.packed, strict=True):
            if (ref.lane, ref.block) not in malformed:
                continue
            good, bad = cut.salvage(packed)
            for run in cut.runs(good.events, good.samples) if bad else ():
                stored = cut.pack(self._head(ref.lane, numbers[ref.lane]), run)
                recut.setdefault((ref.lane, ref.block), []).append(stored)
                numbers[ref.lane] += 1
        return recut

    def _head(self, lane: Lane, number: int) -> Block:
        stream, boot = self._outbox.stream, self._owner.boot
        return Block(agent=self._owner.agent, stream=stream, lane=lane, block=number, boot=boot)

    def _limit(self) -> int:
        """Packed bytes allowed now: on a disk short of space the spool does not grow."""
        if free_bytes(self._path.parent) >= self._config.min_free_bytes:
            return self._config.max_bytes
        return min(self._config.max_bytes, self._outbox.bytes)

    def _with_reserve(self, step: Callable[[], T]) -> T:
        """Do it; on a full disk once more, with the reserve given back."""
        try:
            return step()
        except SpoolFullError:
            if not self._reserve.release():
                raise
            return step()

    def _open(self) -> Outbox:
        try:
            return self._with_reserve(lambda: Outbox(self._path, self._owner))
        except SpoolForeignError as error:
            reason = f"foreign: {error}"
        except SpoolCorruptError as error:
            reason = f"corrupt: {error}"
        return self._fresh(reason)

    def _replace(self, error: SpoolCorruptError) -> None:
        with suppress(SpoolError):
            self._outbox.close()
        self._outbox = self._fresh(f"corrupt: {error}")

    def _fresh(self, reason: str) -> Outbox:
        log.error("the spool begins anew (%s); the old file is kept beside it as %s.aside", reason, FILE_NAME)
        spoolfile.set_aside(self._path)
        self._tally.add("spool_replaced", 1)
        outbox = Outbox(self._path, self._owner)
        if self._bookmarks:
            outbox.append([], {}, self._bookmarks, self._config.max_bytes)
        self._intake.put(own.LANE, cut.encode_events([own.event("spool_replaced", reason=reason)])[0])
        return outbox
