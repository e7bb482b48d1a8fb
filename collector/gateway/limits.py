"""How much of the gateway one agent, one address and all together may use at a time."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from collector.gateway.exceptions import Refused
from collector.gateway.refusals import pause

MAX_KEYS = 65_536


class Buckets:
    """A token bucket for each key (an agent, an address): `rate` a second, `burst` at once. Of more than
    `MAX_KEYS` the least recently used is forgotten, which gives it a full bucket again."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, amount: float = 1.0) -> None:
        """Use `amount`. More than a whole burst is taken from a full bucket, and the debt is waited for.

        Raises:
            Refused: `rate_limited`, with the time until there will be enough.
        """
        now = self._clock()
        level, since = self._levels.pop(key, (self._burst, now))
        level = min(self._burst, level + (now - since) * self._rate)
        needed = min(amount, self._burst)
        if level < needed:
            self._levels[key] = level, now
            raise Refused("rate_limited", "", round((needed - level) / self._rate, 2) + 0.01)
        self._levels[key] = level - amount, now
        if len(self._levels) > MAX_KEYS:
            self._levels.popitem(last=False)


class Room:
    """Memory for bodies under way: `total` bytes, of which one caller may hold `each`."""

    def __init__(self, total: int, each: int) -> None:
        self._free, self._each = total, each
        self._held: Counter[str] = Counter()

    @contextmanager
    def body(self, caller: str, size: int) -> Iterator[None]:
        """Room for a body of `size` bytes.

        Raises:
            Refused: `rate_limited` when this caller has too much under way, `busy` when all together have.
        """
        if self._held[caller] + size > self._each:
            raise Refused("rate_limited", "more bodies of yours are under way than may be", pause())
        if size > self._free:
            raise Refused("busy", "", pause())
        self._free -= size
        with _holding(self._held, caller, size):
            try:
                yield
            finally:
                self._free += size


class Turns:
    """How many requests one caller may have open."""

    def __init__(self, each: int) -> None:
        self._each = each
        self._open: Counter[str] = Counter()

    @contextmanager
    def request(self, caller: str) -> Iterator[None]:
        """One request.

        Raises:
            Refused: `rate_limited`; it has too many open.
        """
        if self._open[caller] >= self._each:
            raise Refused("rate_limited", f"{self._each} requests of yours are open", pause())
        with _holding(self._open, caller, 1):
            yield


@contextmanager
def _holding(held: Counter[str], caller: str, amount: int) -> Iterator[None]:
    held[caller] += amount
    try:
        yield
    finally:
        held[caller] -= amount
        if not held[caller]:
            del held[caller]
