"""When to try again: full jitter over a doubling ceiling, so that a thousand agents never come back as one."""

from __future__ import annotations

import random

MAX_RETRY_AFTER = 3_600.0
"""Seconds; what a collector asks beyond this is not obeyed."""


class Backoff:
    """Delays in seconds. `base` is the first ceiling, `limit` the highest."""

    def __init__(self, base: float, limit: float) -> None:
        self._base = base
        self._limit = limit
        self._failures = 0
        self._random = random.Random()  # noqa: S311 -- spreads load, guards nothing

    @property
    def failures(self) -> int:
        """In a row, until now."""
        return self._failures

    def reset(self) -> None:
        """It worked."""
        self._failures = 0

    def next(self, retry_after: float = 0.0) -> float:
        """It failed: how long to wait. Never less than the other side asked, and spread over as much again."""
        ceiling = min(self._limit, self._base * 2.0 ** min(self._failures, 32))
        self._failures += 1
        if retry_after > 0:
            asked = min(retry_after, MAX_RETRY_AFTER)
            return asked + self._random.uniform(0, max(asked / 2, self._base))
        return self._random.uniform(0, ceiling)
