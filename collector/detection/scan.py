"""One field under one route: which atoms a value satisfies, by one dictionary and one literal scan."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from ahocorasick_rs import AhoCorasick, Implementation

from collector.detection.atoms import Atom, NullAtom
from collector.detection.fold import fold
from collector.detection.memo import NO_HITS, Hits, Memory
from collector.detection.values import text_of

_SHORT = 2
"""ASCII literals up to this length are searched one by one: a scan would report each of their many places."""
_FEW = 6
"""Up to so many literals a search for each costs less than one scan."""


class _Place:
    """What a literal means where it is found: atoms it settles by its position, and atoms still to be
    confirmed."""

    __slots__ = ("contains", "prefix", "suffix", "unsure")

    def __init__(self) -> None:
        self.contains: list[int] = []
        self.prefix: list[int] = []
        self.suffix: list[int] = []
        self.unsure: list[int] = []


class Column:
    """Scans values of one field. `atoms` maps each atom to its number in the route."""

    __slots__ = (
        "_atoms",
        "_automaton",
        "_each",
        "_equal",
        "_held",
        "_memory",
        "_places",
        "_searched",
        "absent",
        "memo",
    )

    def __init__(self, atoms: Mapping[Atom, int], memory: Memory) -> None:
        self._memory = memory
        self.memo: dict[str | int, Hits] = memory.memo()
        self.absent = frozenset([number for atom, number in atoms.items() if isinstance(atom, NullAtom)])
        self._atoms = {number: atom for atom, number in atoms.items()}
        self._held: list[int] = []
        self._each: list[int] = []
        self._equal: dict[str, tuple[list[int], list[int]]] = {}
        places: defaultdict[str, _Place] = defaultdict(_Place)
        for atom, number in atoms.items():
            self._file(atom, number, places)
        scanned = sorted([literal for literal in places if len(literal) > _SHORT or not literal.isascii()])
        if len(scanned) <= _FEW:
            scanned = []
        others = places.keys() - set(scanned)
        self._searched = [(literal, places[literal]) for literal in others]
        self._places = [places[literal] for literal in scanned]
        self._automaton = AhoCorasick(scanned, implementation=Implementation.ContiguousNFA) if scanned else None

    def _file(self, atom: Atom, number: int, places: defaultdict[str, _Place]) -> None:
        find, literals, exact = atom.hint
        if find == "each":
            (self._held if exact else self._each).append(number)
        elif find == "equals":
            settled, unsure = self._equal.setdefault(literals[0], ([], []))
            (settled if exact else unsure).append(number)
        else:
            for literal in literals:
                place = places[literal]
                getattr(place, find if exact else "unsure").append(number)

    def hits_of(self, value: object) -> Hits:
        """The atoms that a value of any type satisfies; a list satisfies what one of its elements does."""
        if isinstance(value, list | tuple):
            return self._hits_of_list(value)
        text = text_of(value)
        if text is None:
            return self.absent
        hits = self.memo.get(text)
        if hits is None:
            hits = self._memory.share(self.scan(text))
            self._memory.remember(self.memo, text, hits)
        # 0 and 1 stay out: they equal False and True, whose texts differ.
        if type(value) is int and not 0 <= value <= 1:
            self._memory.remember(self.memo, value, hits)
        return hits

    def _hits_of_list(self, values: list[object] | tuple[object, ...]) -> Hits:
        hits, empty = set[int](), True
        for value in values:
            hits |= self.hits_of(value)
            empty = empty and value in (None, "", [], ())
        return frozenset(hits | self.absent if empty else hits - self.absent)

    def scan(self, text: str) -> Hits:
        """The atoms that a text satisfies, from scratch."""
        folded = fold(text)
        hits = set(self._held)
        unsure = set(self._each)
        equal = self._equal.get(folded)
        if equal is not None:
            hits.update(equal[0])
            unsure.update(equal[1])
        if self._searched:
            self._search(folded, hits, unsure)
        if self._automaton is not None:
            self._scan(self._automaton, folded, hits, unsure)
        atoms = self._atoms
        for number in unsure:
            if atoms[number].holds(text, folded):
                hits.add(number)
        return frozenset(hits) if hits else NO_HITS

    def _search(self, folded: str, hits: set[int], unsure: set[int]) -> None:
        for literal, place in self._searched:
            if literal in folded:
                hits.update(place.contains)
                unsure.update(place.unsure)
                if place.prefix and folded.startswith(literal):
                    hits.update(place.prefix)
                if place.suffix and folded.endswith(literal):
                    hits.update(place.suffix)

    def _scan(self, automaton: AhoCorasick, folded: str, hits: set[int], unsure: set[int]) -> None:
        found = automaton.find_matches_as_indexes(folded, overlapping=True)
        if not found:
            return
        places, length = self._places, len(folded)
        for index in {index for index, _, _ in found}:
            place = places[index]
            hits.update(place.contains)
            unsure.update(place.unsure)
        for index, start, end in found:
            if start == 0:
                hits.update(places[index].prefix)
            if end == length:
                hits.update(places[index].suffix)
