"""Keywords: questions that any value of an event may answer, asked of all values at once before each is asked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from ahocorasick_rs import AhoCorasick, MatchKind

from collector.detection.atoms import Atom
from collector.detection.fold import fold
from collector.detection.memo import Hits, Memory
from collector.detection.scan import Column

_SEPARATOR = "\n"
"""Stands between values in the joined text. A keyword may contain it: what the joined text shows is only a
hint."""
_NUMBER_LIKE = re.compile(r"[0-9a-fx.+\-]*|t?r?u?e?|f?a?l?s?e?", re.ASCII)
"""Texts that can be found in a number or a boolean."""


_TEXTS = frozenset([str])
_SCALARS = frozenset([str, int, float, bool, type(None)])


class Keywords:
    """The keywords of one route, for fields that have no column of their own: columns look for keywords
    themselves."""

    __slots__ = ("_automaton", "_column", "_each", "_numbers_too")

    def __init__(self, atoms: Mapping[Atom, int], memory: Memory) -> None:
        self._column = Column(atoms, memory)
        literals = sorted({literal for atom in atoms for literal in atom.hint.literals})
        self._each = any(atom.hint.find == "each" for atom in atoms)
        self._numbers_too = any(_NUMBER_LIKE.fullmatch(literal) for literal in literals)
        # Which literal it was does not matter here, and leftmost matching lets the scan skip ahead.
        self._automaton = AhoCorasick(literals, matchkind=MatchKind.LeftmostFirst) if literals else None

    def search(self, event: Mapping[str, object], names: Sequence[str]) -> Iterator[Hits]:
        """The atoms that the values under `names` satisfy, for values that satisfy some."""
        if self._each or self._suspected([event[name] for name in names]):
            for name in names:
                hits = self._column.hits_of(event[name])
                if hits:
                    yield hits

    def _suspected(self, values: list[object]) -> bool:
        kinds = set(map(type, values))
        if not kinds <= _SCALARS or (self._numbers_too and not kinds <= _TEXTS):
            return True
        texts = values if kinds == _TEXTS else [value for value in values if value.__class__ is str]
        joined = fold(_SEPARATOR.join(texts))  # type: ignore[arg-type]  # only texts are left
        return self._automaton is not None and bool(self._automaton.find_matches_as_indexes(joined))
