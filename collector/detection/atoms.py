"""Atoms: the questions about one field that rules are made of, each asked once however many rules ask it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Literal, NamedTuple

from collector.detection.factors import factors_of
from collector.detection.fold import fold
from collector.detection.regexes import Searcher
from collector.detection.values import moment_of, number_of, text_of
from collector.detection.wildcards import MANY, Glob, Parts, fold_parts, spelled

_LONGEST_ADDRESS = 64
Find = Literal["equals", "contains", "prefix", "suffix", "each"]


class Hint(NamedTuple):
    """How the scan finds candidates: by literals of which a fitting text has one in that position, or `each` text.

    `exact` says that the literal's presence already is the answer.
    """

    find: Find
    literals: tuple[str, ...] = ()
    exact: bool = False


class Atom:
    """A question about a field's text. `field` is `None` for a keyword: any value of the event may answer it."""

    __slots__ = ("field", "hint")

    def __init__(self, field: str | None, hint: Hint) -> None:
        self.field = field
        self.hint = hint

    def holds(self, text: str, folded: str) -> bool:
        """Whether the value `text`, case-folded `folded`, answers yes."""
        raise NotImplementedError

    def describe(self) -> str:
        """The question as a rule's author would write it."""
        raise NotImplementedError


class TextAtom(Atom):
    """A Sigma string, with or without wildcards."""

    __slots__ = ("_compiled", "_parts", "cased")

    def __init__(self, field: str | None, parts: Parts, cased: bool) -> None:
        self._parts = parts
        self.cased = cased
        self._compiled: Glob | None = None
        super().__init__(field, self._find_by(fold_parts(parts)))

    def _find_by(self, parts: Parts) -> Hint:
        texts = [part for part in parts if isinstance(part, str)]
        exact = not self.cased
        match parts:
            case () | (str(),):
                return Hint("equals", ("".join(texts),), exact)
            case (str() as text, last) if last is MANY:
                return Hint("prefix", (text,), exact)
            case (first, str() as text) if first is MANY:
                return Hint("suffix", (text,), exact)
            case (first, str() as text, last) if first is MANY and last is MANY:
                return Hint("contains", (text,), exact)
        longest = max(texts, key=len, default="")
        return Hint("contains", (longest,)) if longest else Hint("each")

    def holds(self, text: str, folded: str) -> bool:
        if self._compiled is None:  # most patterns are settled by their literal and never need it
            self._compiled = Glob(self._parts if self.cased else fold_parts(self._parts))
        return self._compiled.fits(text if self.cased else folded)

    def describe(self) -> str:
        return spelled(self._parts)

    @property
    def literal(self) -> str | None:
        """The folded text of a plain equality, `None` for any other pattern."""
        return self.hint.literals[0] if self.hint.find == "equals" and self.hint.exact else None


class RegexAtom(Atom):
    """A regular expression."""

    __slots__ = ("_spelled", "searcher")

    def __init__(self, field: str | None, pattern: str, flags: str, searcher: Searcher) -> None:
        self._spelled = f"(?{flags}){pattern}" if flags else pattern
        self.searcher = searcher
        factors = factors_of(pattern)
        super().__init__(field, Hint("contains", tuple(sorted(factors))) if factors else Hint("each"))

    def holds(self, text: str, folded: str) -> bool:
        return self.searcher.found_in(text)

    def describe(self) -> str:
        return f"re: {self._spelled}"


_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
}


class CompareAtom(Atom):
    """A numeric comparison; a text that is no decimal number answers no."""

    __slots__ = ("_compare", "_number", "_sign")

    def __init__(self, field: str, sign: str, number: int | float) -> None:
        super().__init__(field, Hint("each"))
        self._sign = sign
        self._compare = _COMPARISONS[sign]
        self._number = number

    def holds(self, text: str, folded: str) -> bool:
        number = number_of(text)
        return number is not None and self._compare(number, self._number)

    def describe(self) -> str:
        return f"{self._sign} {self._number}"


class TimeAtom(Atom):
    """A comparison with a part of the moment (UTC) that the field names."""

    __slots__ = ("_compare", "_number", "_part", "_sign")

    def __init__(self, field: str, part: str, sign: str, number: int | float) -> None:
        super().__init__(field, Hint("each"))
        self._part = part
        self._sign = sign
        self._compare = _COMPARISONS[sign]
        self._number = number

    def holds(self, text: str, folded: str) -> bool:
        moment = moment_of(text)
        if moment is None:
            return False
        part = moment.isocalendar().week if self._part == "week" else getattr(moment, self._part)
        return self._compare(part, self._number)

    def describe(self) -> str:
        return f"{self._part} {self._sign} {self._number}"


class CidrAtom(Atom):
    """Membership in an address range; IPv4 addresses mapped into IPv6 (`::ffff:10.0.0.1`) count as IPv4."""

    __slots__ = ("_first", "_last", "_network")

    def __init__(self, field: str | None, network: IPv4Network | IPv6Network) -> None:
        super().__init__(field, Hint("each"))
        self._network = network
        self._first = (network.version, int(network.network_address))
        self._last = (network.version, int(network.broadcast_address))

    def holds(self, text: str, folded: str) -> bool:
        return any(self._first <= address <= self._last for address in _addresses(text))

    def describe(self) -> str:
        return f"in {self._network}"


@lru_cache(maxsize=1_024)
def _addresses(text: str) -> tuple[tuple[int, int], ...]:
    """The address that a text is, as (version, number), and the IPv4 address mapped into it; a zone is ignored."""
    if len(text) > _LONGEST_ADDRESS or not text:
        return ()
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return ()
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    own = (address.version, int(address))
    return (own,) if mapped is None else (own, (4, int(mapped)))


class ExistsAtom(Atom):
    """The field is there and not null."""

    __slots__ = ()

    def __init__(self, field: str) -> None:
        super().__init__(field, Hint("each", exact=True))

    def holds(self, text: str, folded: str) -> bool:
        return True

    def describe(self) -> str:
        return "present"


class NullAtom(Atom):
    """The field is missing, null or empty: Windows writes an empty text where others write nothing."""

    __slots__ = ()

    def __init__(self, field: str) -> None:
        super().__init__(field, Hint("equals", ("",), exact=True))

    def holds(self, text: str, folded: str) -> bool:
        return not text

    def describe(self) -> str:
        return "null"


class ReferenceAtom(Atom):
    """The field compared, without regard to case, with another field of the same event."""

    __slots__ = ("_ends", "_starts", "other")

    def __init__(self, field: str, other: str, starts: bool, ends: bool) -> None:
        super().__init__(field, Hint("each"))
        self.other = other
        self._starts = starts
        self._ends = ends

    def holds_in(self, values: list[object], others: list[object]) -> bool:
        """Whether any value of the field fits any value of the other field."""
        return any(self._fits(fold(a), fold(b)) for a in _texts(values) for b in _texts(others))

    def _fits(self, text: str, other: str) -> bool:
        if self._starts and self._ends:
            return other in text
        if self._starts:
            return text.startswith(other)
        return text.endswith(other) if self._ends else text == other

    def describe(self) -> str:
        return f"field {self.other}"


def _texts(values: list[object]) -> list[str]:
    return [text for value in values if (text := text_of(value)) is not None]
