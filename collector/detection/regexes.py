"""Regular expressions: RE2 in linear time, and `regex` under a time limit for what RE2 refuses.

Meaning: found anywhere; case-sensitive unless `i`; `\\d`, `\\w`, `\\s`, `\\b` are ASCII; `$` is the end, or
before a final line feed, unless `m`. What `regex` cannot decide in time is no match, is counted, and after a
few times switched off.
"""

from __future__ import annotations

import re
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any, Protocol

import re2
import regex

from collector.detection.exceptions import RuleError

TIME_LIMIT = 0.25
"""Seconds that one search by `regex` may take."""
BREACHES_ALLOWED = 3
LENGTH_LIMIT = 8_192
"""Characters of one pattern."""
EXPANSION_LIMIT = 10_000
"""Elements of one pattern, each as often as `regex` copies it for the counters around it (`(a{9}){9}`: 81)."""
_RE2_MEMORY = 8 * 1024 * 1024
"""Bytes that RE2 may use for one expression."""
_COUNTER = re.compile(r"\{(\d+)")
_VERBOSE = re.compile(r"\(\?[a-zA-Z0-9]*x")

_REPEATS = (_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT)


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
        options.max_mem = _RE2_MEMORY
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
        RuleError: neither engine accepts the pattern, or it is too long, or its counters multiply too far.
    """
    if len(pattern) > LENGTH_LIMIT:
        raise RuleError(f"regular expression of {len(pattern)} characters; at most {LENGTH_LIMIT} are allowed")
    try:
        return _Linear(pattern, flags)
    except (re2.error, _DollarError):
        pass  # look-around, back-references, large repetitions
    if _expanded(pattern) > EXPANSION_LIMIT:
        raise RuleError(
            f"regular expression {pattern[:200]!r} repeats more than {EXPANSION_LIMIT} elements once its counters "
            "are multiplied; use smaller ones"
        )
    try:
        return _Limited(pattern, flags)
    except MemoryError as error:
        raise RuleError(f"regular expression {pattern[:200]!r} needs more memory than there is") from error
    except (regex.error, OverflowError, RecursionError) as error:
        raise RuleError(f"regular expression {pattern[:200]!r} is invalid: {error}") from error


def _expanded(pattern: str) -> int:
    """Elements of the pattern once its counters are multiplied: `regex` copies what must be repeated.

    What Python's own parser reads otherwise than `regex` is taken as if each counter stood inside the next.
    """
    if not _VERBOSE.search(pattern):
        try:
            return _size(_parser.parse(pattern))
        except (re.error, OverflowError, RecursionError):
            pass  # properties, named groups of other dialects, `x{2}{3}`
    size = 1
    for count in _COUNTER.findall(re.sub(r"#.*|\s", "", pattern)):
        size *= max(1, int(count[:9]))
    return size


def _size(node: Any) -> int:
    """Elements of a node of `re`'s parse: sequences, and tuples of an operation and what it is about."""
    if isinstance(node, _parser.SubPattern):
        return sum([_size(operation) for operation in node])
    if not isinstance(node, tuple | list):
        return 0
    if len(node) == 2 and node[0] in _REPEATS:
        least, _, body = node[1]
        return max(1, int(least)) * max(1, _size(body))
    return isinstance(node, tuple) + sum([_size(part) for part in node])


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
