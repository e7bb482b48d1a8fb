"""One route: all branches of rules that an event of one kind can satisfy, matched together.

Every branch has up to three trigger groups: sets of atoms of which one must hold for the branch to hold. The
atoms that an event's values satisfy select, by bit masks, the branches with every group satisfied; only these
are evaluated. The verdict is remembered for the combination of answers, which few events have to themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from collector.detection.atoms import Atom, ReferenceAtom
from collector.detection.keywords import Keywords
from collector.detection.memo import NO_HITS, Hits, Memory
from collector.detection.rules import Rule
from collector.detection.scan import Column
from collector.detection.tree import And, Node, Not, Or, atoms_of, chance, triggers

GROUPS = 3
"""Trigger groups of one branch."""
MAX_SHAPES = 4_096
"""Distinct lists of field names that are remembered."""
_VERDICT_COST = 320
"""Bytes of a remembered verdict, beside 8 for each part of its key."""

Check = Callable[[Hits], bool]
Event = Mapping[str, object]


class RuleMatch(NamedTuple):
    """A rule that an event satisfies, and the route on which it was found."""

    rule: Rule
    route: str


class _Runner:
    """A branch made ready: its rule, its check over atom numbers, and atoms that only the whole event can
    answer."""

    __slots__ = ("check", "references", "rule")

    def __init__(self, rule: Rule, tree: Node, numbers: Mapping[Atom, int]) -> None:
        self.rule = rule
        self.check = _check(tree, numbers)
        distinct = {atom for atom in atoms_of(tree) if isinstance(atom, ReferenceAtom)}
        self.references = [(atom, numbers[atom]) for atom in distinct]


class _Shape(NamedTuple):
    """What a list of field names means to the route: the columns concerned, the null atoms of absent fields, and
    the names that no column is for."""

    columns: list[tuple[str, Callable[[Any], Hits | None], Column]]
    absent: Hits
    others: list[str]


class _Verdict(NamedTuple):
    """What follows from a combination of answers: matches, and branches that the event itself must still
    answer."""

    matches: tuple[RuleMatch, ...]
    open: tuple[tuple[_Runner, Hits], ...]


class Route:
    """Matches events of one kind. `name` is for people."""

    def __init__(self, name: str, branches: Sequence[tuple[Rule, Node]], memory: Memory) -> None:
        self.name = name
        self.size = len(branches)
        numbers: dict[Atom, int] = {}
        for _, tree in branches:
            for atom in atoms_of(tree):
                numbers.setdefault(atom, len(numbers))
        self._runners = [_Runner(rule, tree, numbers) for rule, tree in branches]
        self._low = (1 << self.size) - 1
        self._masks = self._assign_groups([tree for _, tree in branches], numbers)
        by_field: defaultdict[str | None, dict[Atom, int]] = defaultdict(dict)
        for atom, number in numbers.items():
            if not isinstance(atom, ReferenceAtom):
                by_field[atom.field][atom] = number
        keywords = by_field.pop(None, {})
        self._keywords = Keywords(keywords, memory) if keywords else None
        self._columns = {field: Column(atoms | keywords, memory) for field, atoms in by_field.items() if field}
        self._shapes: dict[tuple[str, ...], _Shape] = {}
        self._memory = memory
        self._verdicts: dict[tuple[Hits, ...], _Verdict] = memory.memo()

    def _assign_groups(self, trees: Sequence[Node], numbers: Mapping[Atom, int]) -> dict[int, int]:
        """The mask of groups that each atom satisfies; slots that a branch has no group for count as satisfied."""
        masks: defaultdict[int, int] = defaultdict(int)
        given = 0
        for index, tree in enumerate(trees):
            groups = _groups(tree)
            for slot in range(GROUPS):
                bit = 1 << (slot * self.size + index)
                if slot < len(groups):
                    for atom in groups[slot]:
                        masks[numbers[atom]] |= bit
                else:
                    given |= bit
        self._given = given
        return dict(masks)

    def match(self, event: Event) -> Sequence[RuleMatch]:
        """The rules that the event satisfies, each once."""
        shape = self._shapes.get(tuple(event))
        if shape is None:
            shape = self._shape(event)
        found = [shape.absent]
        try:
            for name, remembered, column in shape.columns:
                hits = remembered(event[name])
                if hits:
                    found.append(hits)
                elif hits is None:
                    hits = column.hits_of(event[name])
                    if hits:
                        found.append(hits)
        except TypeError:  # a list has no hash
            found = self._look_up(event, shape)
        if self._keywords is not None:
            found.extend(self._keywords.search(event, shape.others))
        key = tuple(found)
        verdict = self._verdicts.get(key)
        if verdict is None:
            verdict = self._judge(key)
        return self._answered(event, verdict) if verdict.open else verdict.matches

    def _look_up(self, event: Event, shape: _Shape) -> list[Hits]:
        found = [column.hits_of(event[name]) for name, _, column in shape.columns]
        return [shape.absent, *[hits for hits in found if hits]]

    def _judge(self, found: tuple[Hits, ...]) -> _Verdict:
        hits = NO_HITS.union(*found)
        mask = self._given
        for number in hits:
            mask |= self._masks.get(number, 0)
        alive = mask & self._low
        for slot in range(1, GROUPS):
            alive &= mask >> (slot * self.size)
        matched: dict[Rule, RuleMatch] = {}
        undecided: list[tuple[_Runner, Hits]] = []
        while alive:
            lowest = alive & -alive
            alive ^= lowest
            runner = self._runners[lowest.bit_length() - 1]
            if runner.references:
                undecided.append((runner, hits))
            elif runner.check(hits):
                matched[runner.rule] = RuleMatch(runner.rule, self.name)
        verdict = _Verdict(tuple(matched.values()), tuple(undecided))
        if self._memory.charge(_VERDICT_COST + 8 * len(found)):
            self._verdicts[found] = verdict
        return verdict

    def _answered(self, event: Event, verdict: _Verdict) -> Sequence[RuleMatch]:
        matched = {match.rule: match for match in verdict.matches}
        for runner, hits in verdict.open:
            if runner.rule not in matched and runner.check(self._with_references(event, runner, hits)):
                matched[runner.rule] = RuleMatch(runner.rule, self.name)
        return list(matched.values())

    def _with_references(self, event: Event, runner: _Runner, hits: Hits) -> Hits:
        held = [number for atom, number in runner.references if atom.holds_in(*_sides(event, atom))]
        return hits.union(held)

    def _shape(self, event: Event) -> _Shape:
        columns: list[tuple[str, Callable[[Any], Hits | None], Column]] = []
        others: list[str] = []
        absent = NO_HITS
        present = set()
        for name in event:
            field = name.replace(" ", "")
            column = self._columns.get(field)
            if column is not None and field not in present:
                columns.append((name, column.memo.get, column))
                present.add(field)
            else:
                others.append(name)
        for field, column in self._columns.items():
            if field not in present:
                absent |= column.absent
        if len(self._shapes) >= MAX_SHAPES:
            self._shapes.clear()
        shape = self._shapes[tuple(event)] = _Shape(columns, self._memory.share(absent), others)
        return shape


def _sides(event: Event, atom: ReferenceAtom) -> tuple[list[object], list[object]]:
    return _values(event, atom.field), _values(event, atom.other)


def _values(event: Event, field: str | None) -> list[object]:
    for name, value in event.items():
        if name.replace(" ", "") == field:
            return list(value) if isinstance(value, list | tuple) else [value]
    return []


def _groups(tree: Node) -> list[frozenset[Atom]]:
    """The rarest trigger groups of a branch, rarest first."""
    parts: Iterable[Node] = tree.children if isinstance(tree, And) else (tree,)
    found = [group for part in parts if (group := triggers(part)) is not None]
    return sorted(found, key=chance)[:GROUPS]


def _check(node: Node, numbers: Mapping[Atom, int]) -> Check:
    """The tree as a function of the numbers of the atoms that hold."""
    if isinstance(node, bool):
        return lambda hits: node
    if isinstance(node, Atom):
        number = numbers[node]
        return lambda hits: number in hits
    if isinstance(node, Not):
        inner = _check(node.child, numbers)
        return lambda hits: not inner(hits)
    atoms = frozenset([numbers[child] for child in node.children if isinstance(child, Atom)])
    checks = [_check(child, numbers) for child in node.children if not isinstance(child, Atom)]
    return _any(atoms, checks) if isinstance(node, Or) else _all(atoms, checks)


def _any(atoms: Hits, checks: list[Check]) -> Check:
    if not checks:
        return lambda hits: not atoms.isdisjoint(hits)
    return lambda hits: not atoms.isdisjoint(hits) or any(check(hits) for check in checks)


def _all(atoms: Hits, checks: list[Check]) -> Check:
    if not checks:
        return atoms.issubset
    return lambda hits: atoms <= hits and all(check(hits) for check in checks)
