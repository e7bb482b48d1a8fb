"""What one sensor is handed to put its events into: the spool, with the sensor's name on every count."""

from __future__ import annotations

from collections.abc import Sequence

from agent.spool import Spool
from agent.tally import Tally
from wire.block import Lane
from wire.event import Event
from wire.health import HealthSample

LOST = "lost_"
"""How the names of counters begin whose events the collector must be told are missing."""


class SpoolSink:
    """The `Sink` of the sensor `name`."""

    def __init__(self, name: str, spool: Spool, tally: Tally) -> None:
        self._name = name
        self._spool = spool
        self._tally = tally

    def emit(self, lane: Lane, event: Event) -> None:
        """See `Sink.emit`."""
        self.emit_many(lane, (event,))

    def emit_many(self, lane: Lane, events: Sequence[Event], bookmark: tuple[str, bytes] | None = None) -> None:
        """See `Sink.emit_many`."""
        lost = self._spool.put(lane, events, bookmark)
        self._tally.add("events", len(events) - lost, self._name, lane)

    def sample(self, sample: HealthSample) -> None:
        """See `Sink.sample`."""
        self._tally.add("events", 1 - self._spool.put_sample(sample), self._name, "routine")

    def bookmark(self, name: str) -> bytes | None:
        """See `Sink.bookmark`."""
        return self._spool.bookmark(name)

    def count(self, name: str, n: int = 1) -> None:
        """See `Sink.count`."""
        self._tally.add("sensor_counts", n, self._name, name)
        if name.startswith(LOST) and n:
            self._spool.lose("security", n)
