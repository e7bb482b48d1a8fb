"""Sigma strings with wildcards: what literal they need, and whether a text fits them, in linear time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from collector.detection.fold import fold


@dataclass(frozen=True)
class Wildcard:
    """One wildcard of a Sigma string: any run of characters, or any one character."""

    kind: Literal["*", "?"]


MANY = Wildcard("*")
ONE = Wildcard("?")
Part = str | Wildcard
Parts = tuple[Part, ...]


def normalise(parts: list[Part]) -> Parts:
    """Adjacent texts joined, empty ones dropped, runs of `*` made one."""
    joined: list[Part] = []
    for part in parts:
        last = joined[-1] if joined else None
        if isinstance(part, str):
            if isinstance(last, str):
                joined[-1] = last + part
            elif part:
                joined.append(part)
        elif not (part is MANY and last is MANY):
            joined.append(part)
    return tuple(joined)


def fold_parts(parts: Parts) -> Parts:
    """The same pattern with its texts case-folded."""
    return tuple([fold(part) if isinstance(part, str) else part for part in parts])


def containing(parts: Parts) -> Parts:
    """The pattern found anywhere in a text."""
    return normalise([MANY, *parts, MANY])


def spelled(parts: Parts) -> str:
    """The pattern as a rule spells it."""
    escape = re.compile(r"[*?]|\\(?=[*?\\]|$)")
    return "".join([escape.sub(r"\\\g<0>", part) if isinstance(part, str) else part.kind for part in parts])


class _Segment:
    """What stands between two stars: texts and single wildcards, so it has one length."""

    __slots__ = ("_pattern", "_text", "length")

    def __init__(self, parts: Parts) -> None:
        self.length = sum([len(part) if isinstance(part, str) else 1 for part in parts])
        self._text = "".join([part for part in parts if isinstance(part, str)])
        self._pattern = None
        if len(self._text) != self.length:
            # Without a repetition in it the expression cannot backtrack.
            spelled_out = "".join([re.escape(part) if isinstance(part, str) else "." for part in parts])
            self._pattern = re.compile(spelled_out, re.DOTALL)

    def find(self, text: str, start: int) -> int:
        """The end of the first occurrence at or after `start`, or -1."""
        if self._pattern is None:
            at = text.find(self._text, start)
            return at + self.length if at >= 0 else -1
        found = self._pattern.search(text, start)
        return found.end() if found else -1

    def at(self, text: str, start: int) -> bool:
        """Whether the text has the segment exactly at `start`."""
        if self._pattern is None:
            return text.startswith(self._text, start)
        return self._pattern.match(text, start) is not None


class Glob:
    """A compiled pattern. Segments are found left to right, each as early as possible, which decides a glob."""

    __slots__ = ("_end", "_middle", "_open_end", "_start", "longest")

    def __init__(self, parts: Parts) -> None:
        segments, open_start, open_end = _segments(parts)
        self.longest = max([part for part in parts if isinstance(part, str)], key=len, default="")
        self._start = None if open_start else segments.pop(0)
        self._open_end = open_end
        self._end = segments.pop() if segments and not open_end else None
        self._middle = segments

    def fits(self, text: str) -> bool:
        """Whether the whole text fits the pattern."""
        position, limit = 0, len(text)
        if self._start is not None:
            if not self._start.at(text, 0):
                return False
            position = self._start.length
        if self._end is not None:
            limit -= self._end.length
        for segment in self._middle:
            position = segment.find(text, position)
            if position < 0:
                return False
        if position > limit:
            return False
        if self._end is not None:
            return self._end.at(text, limit)
        return self._open_end or position == limit


def _segments(parts: Parts) -> tuple[list[_Segment], bool, bool]:
    groups: list[list[Part]] = [[]]
    for part in parts:
        if part is MANY:
            groups.append([])
        else:
            groups[-1].append(part)
    open_start = len(groups) > 1 and not groups[0]
    open_end = len(groups) > 1 and not groups[-1]
    segments = [_Segment(tuple(group)) for group in groups if group]
    if not segments and not open_start:
        segments = [_Segment(())]
    return segments, open_start, open_end
