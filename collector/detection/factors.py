"""Literals that a regular expression cannot match without: what the literal scan looks for in its stead.

Conservative: whatever is not understood contributes nothing, so a factor set is always truly required.
"""

from __future__ import annotations

import re

from collector.detection.fold import fold

_DEPTH = 40
_ALTERNATIVES = 64
_FLAGS = re.compile(r"\?[aimsu-]*(:|\))", re.ASCII)
_NAMED = re.compile(r"\?P<\w+>|\?<\w+>|\?:", re.ASCII)
_REPEAT = re.compile(r"\{(\d+)?(,(\d*))?\}", re.ASCII)
_ONE_LETTER = re.compile(r"([^\]\[\\^-])([^\]\[\\^-])?\]")
"""The rest of a class such as `[Aa]`: one letter in both cases is a literal of the folded text."""
_ESCAPED_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}

Factors = frozenset[str]


class _GiveUpError(Exception):
    """The pattern has something this parser does not know."""


def factors_of(pattern: str) -> Factors | None:
    """Case-folded literals of which every text that the pattern is found in contains at least one, or `None`."""
    reader = _Reader(pattern)
    try:
        found = reader.alternation(0)
    except (_GiveUpError, IndexError):
        return None
    if reader.at != len(pattern):
        return None
    return found


class _Run:
    """Factors of one alternative, gathered from left to right."""

    def __init__(self) -> None:
        self.text = ""
        self.candidates: list[Factors] = []

    def close(self) -> None:
        if self.text:
            self.candidates.append(frozenset([fold(self.text)]))
        self.text = ""

    def best(self) -> Factors | None:
        self.close()
        return max(self.candidates, key=_worth, default=None)


def _worth(factors: Factors) -> tuple[int, int]:
    return min([len(factor) for factor in factors]), -len(factors)


class _Reader:
    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0

    def alternation(self, depth: int) -> Factors | None:
        """Factors of `a|b|c` up to the closing parenthesis or the end."""
        if depth > _DEPTH:
            raise _GiveUpError
        branches = [self._branch(depth)]
        while self._peek() == "|":
            self.at += 1
            branches.append(self._branch(depth))
        known = [branch for branch in branches if branch is not None]
        if len(known) < len(branches):
            return None
        union = frozenset().union(*known)
        return union if len(union) <= _ALTERNATIVES else None

    def _branch(self, depth: int) -> Factors | None:
        run = _Run()
        while (character := self._peek()) not in ("", "|", ")"):
            if character == "(":
                self._group(run, depth)
            else:
                self._single(run)
        return run.best()

    def _peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def _group(self, run: _Run, depth: int) -> None:
        run.close()
        self.at += 1
        zero_width = False
        if self._peek() == "?":
            flags = _FLAGS.match(self.pattern, self.at)
            named = _NAMED.match(self.pattern, self.at)
            if flags is not None:
                self.at = flags.end()
                if flags[1] == ")":
                    return
            elif named is not None:
                self.at = named.end()
            else:
                zero_width = self._lookaround()
        inner = self.alternation(depth + 1)
        if self._peek() != ")":
            raise _GiveUpError
        self.at += 1
        least, _ = self._quantifier()
        if inner is not None and least > 0 and not zero_width:
            run.candidates.append(inner)

    def _lookaround(self) -> bool:
        for opening in ("?=", "?!", "?<=", "?<!"):
            if self.pattern.startswith(opening, self.at):
                self.at += len(opening)
                return True
        raise _GiveUpError

    def _single(self, run: _Run) -> None:
        literal = self._item()
        least, most_one = self._quantifier()
        if literal is None or least == 0:
            run.close()
            return
        run.text += literal
        if not (least == 1 and most_one):
            run.close()

    def _item(self) -> str | None:
        """The next item: its character, or `None` for a class, a dot or an assertion."""
        character = self._peek()
        self.at += 1
        if character == "\\":
            return self._escape()
        if character == "[":
            one = _ONE_LETTER.match(self.pattern, self.at)
            if one is not None and fold(one[1]) == fold(one[2] or one[1]):
                self.at = one.end()
                return one[1]
            self._skip_class()
            return None
        if character in ".^$":
            return None
        if character in "*+?{":
            raise _GiveUpError
        return character

    def _escape(self) -> str | None:
        character = self.pattern[self.at]
        self.at += 1
        if character in _ESCAPED_CONTROLS:
            return _ESCAPED_CONTROLS[character]
        if character in "wWdDsSbBAzZ":
            return None
        if character.isalnum():  # \x41, \p{…}, back-references: none is needed as a factor
            raise _GiveUpError
        return character

    def _skip_class(self) -> None:
        if self._peek() == "^":
            self.at += 1
        if self._peek() == "]":
            self.at += 1
        while self._peek() != "]":
            if self.pattern[self.at] == "\\":
                self.at += 1
            elif self.pattern.startswith("[:", self.at):
                raise _GiveUpError
            self.at += 1
        self.at += 1

    def _quantifier(self) -> tuple[int, bool]:
        """How often at least the item before occurs, and whether at most once."""
        character = self._peek()
        least, most_one = 1, True
        if character in ("*", "?"):
            self.at += 1
            least, most_one = 0, False
        elif character == "+":
            self.at += 1
            most_one = False
        elif character == "{":
            least = self._counted()
            most_one = False
        else:
            return least, most_one
        if self._peek() in ("?", "+"):
            self.at += 1
        if self._peek() in ("*", "+", "?", "{") and self._peek():
            raise _GiveUpError
        return least, most_one

    def _counted(self) -> int:
        counted = _REPEAT.match(self.pattern, self.at)
        if counted is None or counted[1] is None:
            raise _GiveUpError
        self.at = counted.end()
        return int(counted[1])
