"""A sink that keeps everything, for looking at."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence

from wire.block import Lane
from wire.event import Event
from wire.health import HealthSample


class Collected:
    """What a sensor emitted. Bookmarks are kept as the spool keeps them: with the events they cover."""

    def __init__(self, bookmarks: dict[str, bytes] | None = None) -> None:
        self.events: list[Event] = []
        self.lanes: set[str] = set()
        self.samples: list[HealthSample] = []
        self.counts: Counter[str] = Counter()
        self.bookmarks = {} if bookmarks is None else bookmarks
        self._lock = threading.Lock()

    def emit(self, lane: Lane, event: Event) -> None:
        self.emit_many(lane, [event])

    def emit_many(self, lane: Lane, events: Sequence[Event], bookmark: tuple[str, bytes] | None = None) -> None:
        with self._lock:
            self.lanes.add(lane)
            self.events.extend(events)
            if bookmark:
                self.bookmarks[bookmark[0]] = bookmark[1]

    def sample(self, sample: HealthSample) -> None:
        self.samples.append(sample)

    def bookmark(self, name: str) -> bytes | None:
        return self.bookmarks.get(name)

    def count(self, name: str, n: int = 1) -> None:
        self.counts[name] += n

    def all(self, name: str) -> list[object]:
        """One field of every event that has it."""
        with self._lock:
            return [event.fields[name] for event in self.events if name in event.fields]
