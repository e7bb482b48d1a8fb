"""One field under one route: which atoms a value satisfies, by one dictionary and one literal scan."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from ahocorasick_rs import AhoCorasick

from collector.detection.atoms import Atom, NullAtom
from collector.detection.fold import fold
from collector.detection.memo import Entry, Memory
from collector.detection.values import text_of

_SHORT = 2
"""Literals up to this length are searched one by one: the scan would report each of their many places."""
_FEW = 6
"""Up to so many literals a search for each costs less than one scan."""


class _Place:
    """What a literal means where it is found: atoms it settles by its position, and atoms still to be confirmed."""

    __slots__ = ("contains", "prefix", "suffix", "unsure")

    def __init__(self) -> None:
        self.contains: list[int] = []
        self.prefix: list[int] = []
        self.suffix: list[int] = []
        self.unsure: list[int] = []


class Column:
    """Scans values of one field. `atoms` maps each atom to its number in the route, `groups` a number to its mask."""

    __slots__ = ("_all", "_automaton", "_by_number", "_each", "_equal", "_groups", "_memory", "_places", "_searched",
                 "absent", "memo")  # fmt: skip

    def __init__(self, atoms: Mapping[Atom, int], groups: Mapping[int, int], memory: Memory) -> None:
        self._groups = groups
        self._memory = memory
        self.memo = memory.memo()
        self.absent = frozenset([number for atom, number in atoms.items() if isinstance(atom, NullAtom)])
        self._by_number = {number: atom for atom, number in atoms.items()}
        self._all: list[int] = []
        self._each: list[int] = []
        self._equal: dict[str, tuple[list[int], list[int]]] = {}
        places: defaultdict[str, _Place] = defaultdict(_Place)
        for atom, number in atoms.items():
            self._file(atom, number, places)
        long = sorted([literal for literal in places if len(literal) > _SHORT])
        if len(long) <= _FEW:
            long = []
        scanned = set(long)
        self._searched = [(literal, place) for literal, place in places.items() if literal not in scanned]
        self._places = [places[literal] for literal in long]
        self._automaton = AhoCorasick(long) if long else None

    def _file(self, atom: Atom, number: int, places: defaultdict[str, _Place]) -> None:
        find, literals, exact = atom.hint
        if find == "each":
            (self._all if exact else self._each).append(number)
        elif find == "equals":
            settled, unsure = self._equal.setdefault(literals[0], ([], []))
            (settled if exact else unsure).append(number)
        else:
            for literal in literals:
                place = places[literal]
                getattr(place, find if exact else "unsure").append(number)

    def entry_of(self, value: object) -> Entry:
        """The entry of a value of any type; a list satisfies what one of its elements does."""
        if isinstance(value, list | tuple):
            return self._entry_of_list(value)
        text = text_of(value)
        if text is None:
            return (0, self.absent) if self.absent else ()
        entry = self.memo.get(text)
        if entry is None:
            entry = self.scan(text)
        # 0 and 1 stay out: they equal False and True, whose texts differ.
        if type(value) is int and not 0 <= value <= 1:
            self._memory.remember(self.memo, value, entry)
        return entry

    def _entry_of_list(self, values: list[object] | tuple[object, ...]) -> Entry:
        mask, hits, empty = 0, set[int](), True
        for value in values:
            entry = self.entry_of(value)
            if entry:
                mask |= entry[0]
                hits |= entry[1]
            empty = empty and value in (None, "", [], ())
        hits = hits | self.absent if empty else hits - self.absent
        return (mask, frozenset(hits)) if hits else ()

    def scan(self, text: str) -> Entry:
        """The entry of a text, remembered from now on."""
        folded = fold(text)
        hits: set[int] = set(self._all)
        unsure: set[int] = set(self._each)
        equal = self._equal.get(folded)
        if equal is not None:
            hits.update(equal[0])
            unsure.update(equal[1])
        self._search(folded, hits, unsure)
        for number in unsure:
            if self._by_number[number].holds(text, folded):
                hits.add(number)
        entry = self._entry(hits)
        self._memory.remember(self.memo, text, entry)
        return entry

    def _search(self, folded: str, hits: set[int], unsure: set[int]) -> None:
        for literal, place in self._searched:
            if literal in folded:
                hits.update(place.contains)
                unsure.update(place.unsure)
                if place.prefix and folded.startswith(literal):
                    hits.update(place.prefix)
                if place.suffix and folded.endswith(literal):
                    hits.update(place.suffix)
        if self._automaton is None:
            return
        places, length = self._places, len(folded)
        for index, start, end in self._automaton.find_matches_as_indexes(folded, overlapping=True):
            place = places[index]
            hits.update(place.contains)
            unsure.update(place.unsure)
            if start == 0:
                hits.update(place.prefix)
            if end == length:
                hits.update(place.suffix)

    def _entry(self, hits: Iterable[int]) -> Entry:
        found = frozenset(hits)
        if not found:
            return ()
        mask = 0
        for number in found:
            mask |= self._groups.get(number, 0)
        return (mask, found)
