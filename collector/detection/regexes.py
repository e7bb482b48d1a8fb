"""Regular expressions: RE2 in linear time, and `regex` under a time limit for what RE2 refuses.

Meaning: found anywhere; case-sensitive unless `i`; `\\d`, `\\w`, `\\s`, `\\b` are ASCII; `$` is the end, or
before a final line feed, unless `m`. What `regex` cannot decide in time is no match, is counted, and after a
few times switched off.
"""

from __future__ import annotations

from typing import Protocol

import re2
import regex

from collector.detection.exceptions import RuleError

TIME_LIMIT = 0.25
"""Seconds that one search by `regex` may take."""
BREACHES_ALLOWED = 3
LENGTH_LIMIT = 8_192
"""Characters of one pattern."""


class Searcher(Protocol):
    """A compiled regular expression."""

    breaches: int

    def found_in(self, text: str) -> bool:
        """Whether the expression occurs in the text."""
        ...


class _Linear:
    __slots__ = ("_compiled", "breaches")

    def __init__(self, pattern: str, flags: str) -> None:
        options = re2.Options()
        options.log_errors = False
        prefix = f"(?{flags})" if flags else ""
        self._compiled = re2.compile(prefix + _python_dollar(pattern, flags), options)
        self.breaches = 0

    def found_in(self, text: str) -> bool:
        # Bytes spare the wrapper its translation of offsets; lone surrogates have no UTF-8.
        return self._compiled.search(text.encode("utf-8", "replace")) is not None


class _Limited:
    __slots__ = ("_compiled", "breaches")

    def __init__(self, pattern: str, flags: str) -> None:
        bits = regex.ASCII
        for flag in flags:
            bits |= {"i": regex.IGNORECASE, "m": regex.MULTILINE, "s": regex.DOTALL}[flag]
        self._compiled = regex.compile(pattern, bits)
        self.breaches = 0

    def found_in(self, text: str) -> bool:
        if self.breaches >= BREACHES_ALLOWED:
            return False
        try:
            return self._compiled.search(text, timeout=TIME_LIMIT) is not None
        except TimeoutError:
            self.breaches += 1
            return False


def searcher(pattern: str, flags: str) -> Searcher:
    """Compile `pattern` with `flags` (a subset of `ims`).

    Raises:
        RuleError: neither engine accepts the pattern, or it is too long.
    """
    if len(pattern) > LENGTH_LIMIT:
        raise RuleError(f"regular expression of {len(pattern)} characters; at most {LENGTH_LIMIT} are allowed")
    try:
        return _Linear(pattern, flags)
    except (re2.error, _DollarError):
        pass  # look-around, back-references, large repetitions
    try:
        return _Limited(pattern, flags)
    except (regex.error, OverflowError, RecursionError) as error:
        raise RuleError(f"regular expression {pattern[:200]!r} is invalid: {error}") from error


class _DollarError(Exception):
    """A `$` in a place where it cannot be spelled for RE2."""


def _python_dollar(pattern: str, flags: str) -> str:
    """RE2's `$` is the very end of the text; Python's and PCRE's is also before a final line feed."""
    if "$" not in pattern or "m" in flags or "(?m" in pattern:
        return pattern
    spelled: list[str] = []
    at, in_class = 0, False
    while at < len(pattern):
        character = pattern[at]
        if character == "\\":
            spelled.append(pattern[at : at + 2])
            at += 2
            continue
        if character == "$" and not in_class:
            if pattern[at + 1 : at + 2] not in ("", ")", "|"):
                raise _DollarError
            character = r"\n?\z"
        elif character == "[" and not in_class:
            in_class = True
            opening = 2 if pattern.startswith("^", at + 1) else 1
            if pattern.startswith("]", at + opening):
                spelled.append(pattern[at : at + opening])
                at += opening
                character = "]"
        elif character == "]":
            in_class = False
        spelled.append(character)
        at += 1
    return "".join(spelled)
