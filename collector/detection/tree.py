"""Condition trees over atoms: and, or, not, true, false, kept flat and folded as they are built."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Union

from collector.detection.atoms import Atom, NullAtom, ReferenceAtom, TextAtom

Node = Union["And", "Or", "Not", Atom, bool]


class And:
    """Every child holds. Build with `conjunction`."""

    __slots__ = ("children",)

    def __init__(self, children: tuple[Node, ...]) -> None:
        self.children = children


class Or:
    """Some child holds. Build with `disjunction`."""

    __slots__ = ("children",)

    def __init__(self, children: tuple[Node, ...]) -> None:
        self.children = children


class Not:
    """The child does not hold. Build with `negation`."""

    __slots__ = ("child",)

    def __init__(self, child: Node) -> None:
        self.child = child


def conjunction(nodes: Iterable[Node]) -> Node:
    """All of `nodes`, without trues, repetitions and nested ands; false if any is false."""
    kept: dict[int, Node] = {}
    for node in nodes:
        if node is False:
            return False
        for part in node.children if isinstance(node, And) else (node,):
            if part is not True:
                kept[id(part)] = part
    if len(kept) == 1:
        return next(iter(kept.values()))
    return And(tuple(kept.values())) if kept else True


def disjunction(nodes: Iterable[Node]) -> Node:
    """Any of `nodes`, without falses, repetitions and nested ors; true if any is true."""
    kept: dict[int, Node] = {}
    for node in nodes:
        if node is True:
            return True
        for part in node.children if isinstance(node, Or) else (node,):
            if part is not False:
                kept[id(part)] = part
    if len(kept) == 1:
        return next(iter(kept.values()))
    return Or(tuple(kept.values())) if kept else False


def negation(node: Node) -> Node:
    """The opposite of `node`."""
    if isinstance(node, bool):
        return not node
    return node.child if isinstance(node, Not) else Not(node)


def substitute(node: Node, decide: Callable[[Atom], bool | None]) -> Node:
    """The tree with every atom replaced that `decide` knows the answer of (`None`: it does not)."""
    if isinstance(node, Atom):
        known = decide(node)
        return node if known is None else known
    if isinstance(node, And):
        return conjunction([substitute(child, decide) for child in node.children])
    if isinstance(node, Or):
        return disjunction([substitute(child, decide) for child in node.children])
    if isinstance(node, Not):
        return negation(substitute(node.child, decide))
    return node


def atoms_of(node: Node) -> Iterator[Atom]:
    """Every atom of the tree, repetitions included."""
    if isinstance(node, Atom):
        yield node
    elif isinstance(node, And | Or):
        for child in node.children:
            yield from atoms_of(child)
    elif isinstance(node, Not):
        yield from atoms_of(node.child)


def values_needed(node: Node, field: str) -> frozenset[str] | None:
    """The folded texts of which `field` must have one for the tree to hold; `None` where any may do."""
    if isinstance(node, TextAtom):
        return frozenset([node.literal]) if node.field == field and node.literal is not None else None
    if isinstance(node, And):
        needs = [need for child in node.children if (need := values_needed(child, field)) is not None]
        return frozenset.intersection(*needs) if needs else None
    if isinstance(node, Or):
        union: frozenset[str] = frozenset()
        for child in node.children:
            need = values_needed(child, field)
            if need is None:
                return None
            union |= need
        return union
    return frozenset() if node is False else None


def triggers(node: Node) -> frozenset[Atom] | None:
    """Atoms of which one must hold, on a field that is there, for the tree to hold; `None` if there is no such
    set."""
    if isinstance(node, Atom):
        return None if isinstance(node, NullAtom | ReferenceAtom) else frozenset([node])
    if isinstance(node, And):
        found = [trigger for child in node.children if (trigger := triggers(child)) is not None]
        return min(found, key=chance, default=None)
    if isinstance(node, Or):
        union: set[Atom] = set()
        for child in node.children:
            trigger = triggers(child)
            if trigger is None:
                return None
            union |= trigger
        return frozenset(union)
    return None


_CHANCES = {"equals": 0.02, "prefix": 0.05, "suffix": 0.03, "contains": 0.08, "each": 1.0}


def chance(atoms: frozenset[Atom]) -> float:
    """A rough likelihood that one of `atoms` holds, to choose the rarest trigger: long literals are rare."""
    return sum([_chance_of(atom) for atom in atoms])


def _chance_of(atom: Atom) -> float:
    shortest = min([len(literal) for literal in atom.hint.literals], default=1)
    return float(_CHANCES[atom.hint.find] * (0.25 + 3.0 / (shortest + 1)))
