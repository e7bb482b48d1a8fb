"""The memory between sensors and the disk: bounded by bytes, and it says what it had no room for."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import msgspec

from agent.cut import TARGET_BYTES
from agent.exceptions import SpoolClosedError
from wire.block import LANES, Lane

SHARES: dict[Lane, float] = {"urgent": 1.0, "security": 0.9, "routine": 0.5}
"""How full memory may be for a lane still to be let in: a flood of one class leaves room for the more urgent."""


class Harvest(msgspec.Struct):
    """What came in since the last one: made durable as a whole, or kept and tried again."""

    events: dict[Lane, list[bytes]] = msgspec.field(default_factory=lambda: {lane: [] for lane in LANES})
    samples: list[bytes] = []
    lost: dict[Lane, int] = {}
    bookmarks: dict[str, bytes] = {}
    size: int = 0
    last: int = 0
    """How many calls of `put` and `lose` there had been."""

    def empty(self) -> bool:
        """Nothing in it."""
        return not (self.size or self.lost or self.bookmarks)


class Intake:
    """Many sensors put, one thread takes. What is taken still counts as held until `settle`."""

    def __init__(self, limit: int, delays: dict[Lane, float]) -> None:
        """`limit` is in bytes of JSON; `delays` is how many seconds a lane's events may wait to be taken."""
        self._limit = limit
        self._delays = delays
        self._changed = threading.Condition()
        self._harvest = Harvest()
        self._held = 0
        self._calls = 0
        self._settled = 0
        self._due = float("inf")
        self._closed = False

    def put(
        self,
        lane: Lane,
        events: Sequence[bytes],
        samples: Sequence[bytes] = (),
        bookmark: tuple[str, bytes] | None = None,
    ) -> int:
        """Take events in; returns how many there was no room for (they are counted for a loss record). With a
        bookmark none is refused: the call waits for room.

        Raises:
            SpoolClosedError: closed before there was room.
        """
        size = sum(map(len, events)) + sum(map(len, samples))
        with self._changed:
            if bookmark:
                self._changed.wait_for(lambda: self._closed or not self._held or self._fits(lane, size))
            if self._closed:
                raise SpoolClosedError("the agent is stopping")
            if not bookmark and not self._fits(lane, size):
                self._lose(lane, len(events) + len(samples))
                return len(events) + len(samples)
            self._take_in(lane, events, samples, size)
            if bookmark:
                self._harvest.bookmarks[bookmark[0]] = bookmark[1]
            self._schedule(lane)
        return 0

    def lose(self, lane: Lane, events: int) -> None:
        """Count events as lost that never got here."""
        with self._changed:
            self._lose(lane, events)

    def take(self) -> Harvest | None:
        """Wait until something is due and take everything; None once closed and empty."""
        with self._changed:
            while (wait := self._due - time.monotonic()) > 0 and not self._closed:
                self._changed.wait(None if wait == float("inf") else wait)
            harvest, self._harvest, self._due = self._harvest, Harvest(), float("inf")
            harvest.last = self._calls
            return None if self._closed and self._settled == self._calls else harvest

    def settle(self, harvest: Harvest) -> None:
        """The harvest is durable: its memory is free, and who waited for it goes on."""
        with self._changed:
            self._held -= harvest.size
            self._settled = harvest.last
            self._changed.notify_all()

    def flush(self, timeout: float) -> bool:
        """Have everything that came in until now taken at once; True when it was settled within `timeout` s."""
        with self._changed:
            target = self._calls
            if self._settled < target:
                self._due = 0
                self._changed.notify_all()
            return self._changed.wait_for(lambda: self._settled >= target, timeout)

    def close(self) -> None:
        """Take nothing more; what is here can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _fits(self, lane: Lane, size: int) -> bool:
        return self._held + size <= self._limit * SHARES[lane]

    def _take_in(self, lane: Lane, events: Sequence[bytes], samples: Sequence[bytes], size: int) -> None:
        self._harvest.events[lane] += events
        self._harvest.samples += samples
        self._harvest.size += size
        self._held += size

    def _lose(self, lane: Lane, events: int) -> None:
        self._harvest.lost[lane] = self._harvest.lost.get(lane, 0) + events
        self._schedule(lane)

    def _schedule(self, lane: Lane) -> None:
        self._calls += 1
        delay = 0.0 if self._harvest.size >= TARGET_BYTES else self._delays[lane]
        due = time.monotonic() + delay
        if due < self._due:
            self._due = due
            self._changed.notify_all()
