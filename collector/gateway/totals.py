"""Events, gaps and losses of each stream, as told to the responder. Counted from what the inbox answers."""

from __future__ import annotations

from collections import OrderedDict

from msgspec import Struct

MAX_STREAMS = 65_536


class Total(Struct):
    """Of one stream."""

    events: int = 0
    gaps: int = 0
    lost_events: int = 0


class Totals:
    """Of all streams heard since this process began."""

    def __init__(self) -> None:
        self._streams: OrderedDict[tuple[str, str], Total] = OrderedDict()

    def add(self, agent: str, stream: str, events: int, gaps: int, lost: int) -> Total:
        """Add what a batch brought that was new; returns the sums."""
        key = agent, stream
        total = self._streams.pop(key, None) or Total()
        self._streams[key] = total
        if len(self._streams) > MAX_STREAMS:
            self._streams.popitem(last=False)
        total.events += events
        total.gaps += gaps
        total.lost_events += lost
        return total
