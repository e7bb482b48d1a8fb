"""What an engine remembers of values and of combinations of answers, within one bound in bytes."""

from __future__ import annotations

from sys import getsizeof
from typing import Any

MAX_REMEMBERED = 16_384
"""Characters of the longest value worth remembering."""
_SLOT = 110
"""Bytes of a dictionary slot and its share of empty ones."""

Hits = frozenset[int]
"""The atoms that hold, by their number in a route."""
NO_HITS: Hits = frozenset()


class Memory:
    """The budget that all memos of an engine share; when it is spent they all start afresh."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self.resets = 0
        self._memos: list[dict[Any, Any]] = []
        self._shared: dict[Hits, Hits] = {}

    def memo(self) -> dict[Any, Any]:
        """A new memo under this budget."""
        memo: dict[Any, Any] = {}
        self._memos.append(memo)
        return memo

    def remember(self, memo: dict[Any, Any], key: object, answer: object) -> None:
        """Keep the answer if it fits; a value that is too long is not worth its room."""
        if isinstance(key, str) and len(key) > MAX_REMEMBERED:
            return
        if self.charge(getsizeof(key) + _SLOT):
            memo[key] = answer

    def share(self, hits: Hits) -> Hits:
        """The one set with these members: most values answer alike, and equal sets compare fastest when they
        are one."""
        known = self._shared.get(hits)
        if known is None:
            known = hits
            if self.charge(getsizeof(hits) + _SLOT):
                self._shared[hits] = hits
        return known

    def charge(self, cost: int) -> bool:
        """Take `cost` bytes from the budget, starting afresh if it is spent; false if it never fits."""
        if cost > self.limit:
            return False
        if self.used + cost > self.limit:
            self.forget()
        self.used += cost
        return True

    def forget(self) -> None:
        """Empty every memo."""
        for memo in self._memos:
            memo.clear()
        self._shared.clear()
        self.used = 0
        self.resets += 1
