"""Answers remembered by value, within one bound in bytes for the whole engine."""

from __future__ import annotations

from sys import getsizeof

MAX_REMEMBERED = 16_384
"""Characters of the longest value worth remembering."""
_SLOT = 110
"""Bytes of a dictionary slot and its share of empty ones."""

Entry = tuple[()] | tuple[int, frozenset[int]]
"""What a value answers: the mask of trigger groups and the atoms it satisfies; empty where it satisfies none."""
Memo = dict[str | int, Entry]


class Memory:
    """The budget that all memos of an engine share; when it is spent they all start afresh."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self.resets = 0
        self._memos: list[Memo] = []

    def memo(self) -> Memo:
        """A new memo under this budget."""
        memo: Memo = {}
        self._memos.append(memo)
        return memo

    def remember(self, memo: Memo, value: str | int, entry: Entry) -> None:
        """Keep the entry if it fits; a value that is too long is not worth its room."""
        if isinstance(value, str) and len(value) > MAX_REMEMBERED:
            return
        cost = getsizeof(value) + _SLOT
        if entry:
            cost += getsizeof(entry) + getsizeof(entry[0]) + getsizeof(entry[1])
        if self.used + cost > self.limit:
            if cost > self.limit:
                return
            self.forget()
        self.used += cost
        memo[value] = entry

    def forget(self) -> None:
        """Empty every memo."""
        for memo in self._memos:
            memo.clear()
        self.used = 0
        self.resets += 1
