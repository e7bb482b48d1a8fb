"""Why a rule matched: the fields and values that answered its questions, for people who must judge an alert."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from collector.detection.atoms import Atom, ExistsAtom, NullAtom, ReferenceAtom
from collector.detection.fold import fold
from collector.detection.tree import And, Node, Not, Or
from collector.detection.values import text_of

MAX_EVIDENCE = 64
"""Answers shown for one rule on one event."""


class Evidence(NamedTuple):
    """One question of the rule's and the value that answered it; `value` is empty where a field is absent."""

    field: str
    value: str
    pattern: str


def evidence(trees: Sequence[Node], fields: Mapping[str, object]) -> list[Evidence]:
    """What satisfied the first of `trees` that holds; empty if none does. Negated questions are not shown."""
    stripped: dict[str, object] = {}
    for name, value in fields.items():
        field = name.replace(" ", "")
        # Of two names that differ in spaces the first counts; the other can still hold a keyword.
        stripped[f"{name} (2)" if field in stripped else field] = value
    for tree in trees:
        if _holds(tree, stripped):
            return list(dict.fromkeys(_answers(tree, stripped)))[:MAX_EVIDENCE]
    return []


def _holds(node: Node, fields: Mapping[str, object]) -> bool:
    if isinstance(node, bool):
        return node
    if isinstance(node, And):
        return all(_holds(child, fields) for child in node.children)
    if isinstance(node, Or):
        return any(_holds(child, fields) for child in node.children)
    if isinstance(node, Not):
        return not _holds(node.child, fields)
    return _answer(node, fields) is not None


def _answers(node: Node, fields: Mapping[str, object]) -> Iterator[Evidence]:
    if isinstance(node, And | Or):
        for child in node.children:
            if _holds(child, fields):
                yield from _answers(child, fields)
    elif isinstance(node, Atom):
        answer = _answer(node, fields)
        if answer is not None:
            yield answer


def _answer(atom: Atom, fields: Mapping[str, object]) -> Evidence | None:
    """The first value that satisfies the atom."""
    if atom.field is None:
        return _keyword(atom, fields)
    values = _listed(fields.get(atom.field))
    if isinstance(atom, NullAtom):
        empty = all(value in (None, "") for value in values)
        return Evidence(atom.field, "", atom.describe()) if empty else None
    for value in values:
        text = text_of(value)
        if text is None:
            continue
        if isinstance(atom, ReferenceAtom):
            held = atom.holds_in([value], _listed(fields.get(atom.other)))
        else:
            held = isinstance(atom, ExistsAtom) or atom.holds(text, fold(text))
        if held:
            return Evidence(atom.field, text, atom.describe())
    return None


def _keyword(atom: Atom, fields: Mapping[str, object]) -> Evidence | None:
    for name, value in fields.items():
        for text in [text_of(each) for each in _listed(value)]:
            if text is not None and atom.holds(text, fold(text)):
                return Evidence(name, text, atom.describe())
    return None


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else [value]
