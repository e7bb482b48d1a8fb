"""Tells a cloned agent from a reinstalled one by the order in which its streams speak.

A spool has one stream at a time and never returns to an earlier one: a new stream replaces the old. So an old
stream that begins to speak after its successor was heard, while that successor is still alive, is a second machine
under the same identity. (A clone that kept the same stream betrays itself by other content under a used number.)
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

LIVE_S = 120.0
"""An agent reports its health far more often than this: a stream silent for longer has ended, and its machine may
have been taken back to an older snapshot."""

REMEMBERED = 8
MAX_AGENTS = 65_536


class _Track:
    __slots__ = ("current", "first", "former", "last")

    def __init__(self, stream: str, now: float) -> None:
        self.current = stream
        self.first = self.last = now
        self.former: list[str] = []


class Streams:
    """Which stream each agent speaks in. Kept in memory: after a restart a clone is caught one turn later."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tracks: OrderedDict[str, _Track] = OrderedDict()

    def cloned(self, agent: str, stream: str, began: float) -> bool:
        """Note that `stream` speaks, in a request that began at `began` (monotonic seconds); True when it cannot
        be the machine that speaks in the agent's current stream."""
        now = self._clock()
        track = self._tracks.get(agent)
        if track is None:
            self._tracks[agent] = _Track(stream, now)
            if len(self._tracks) > MAX_AGENTS:
                self._tracks.popitem(last=False)
            return False
        self._tracks.move_to_end(agent)
        if stream == track.current:
            track.last = now
            return False
        if stream in track.former:
            if began < track.first:
                return False
            if now - track.last < LIVE_S:
                return True
            track.former.remove(stream)
        track.former = [*track.former[1 - REMEMBERED :], track.current]
        track.current, track.first, track.last = stream, now, now
        return False
