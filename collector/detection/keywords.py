"""Keywords: questions that any value of an event may answer, asked of all values at once before each is asked alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ahocorasick_rs import AhoCorasick

from collector.detection.atoms import Atom
from collector.detection.fold import fold
from collector.detection.memo import Entry, Memory
from collector.detection.scan import Column

_SEPARATOR = "\n"
"""Stands between the values of the joined text. It may be part of a keyword: what the joined text shows is only a hint."""
_NUMBER_LIKE = re.compile(r"[0-9a-fx.+\-]*|tru?e?|r?ue|fals?e?|als?e?|lse?|s|u", re.ASCII)
"""Texts that can be found in a number or a boolean."""


class Keywords:
    """The keywords of one route."""

    __slots__ = ("_any_scalar", "_automaton", "_column", "_each")

    def __init__(self, atoms: Mapping[Atom, int], groups: Mapping[int, int], memory: Memory) -> None:
        self._column = Column(atoms, groups, memory)
        literals = sorted({literal for atom in atoms for literal in atom.hint.literals})
        self._each = any([atom.hint.find == "each" for atom in atoms])
        self._any_scalar = self._each or any([_NUMBER_LIKE.fullmatch(literal) for literal in literals])
        self._automaton = AhoCorasick(literals) if literals else None

    def search(self, event: Mapping[str, object]) -> Iterator[tuple[int, frozenset[int]]]:
        """The entries of the values that satisfy some keyword."""
        if not (self._each or self._suspected(event)):
            return
        for value in event.values():
            entry: Entry = self._column.entry_of(value)
            if entry:
                yield entry

    def _suspected(self, event: Mapping[str, object]) -> bool:
        texts: list[str] = []
        for value in event.values():
            if type(value) is str:
                texts.append(value)
            elif self._any_scalar or isinstance(value, list | tuple):
                return True
        joined = fold(_SEPARATOR.join(texts))
        return self._automaton is not None and bool(self._automaton.find_matches_as_indexes(joined))
