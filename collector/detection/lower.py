"""From pySigma's parsed conditions to trees of atoms."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import Any

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.types import (
    CompareOperators,
    Placeholder,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaRegularExpressionFlag,
    SigmaString,
    SigmaTimestampPart,
    SpecialChars,
)

from collector.detection.atoms import (
    Atom,
    CidrAtom,
    CompareAtom,
    ExistsAtom,
    NullAtom,
    ReferenceAtom,
    RegexAtom,
    TextAtom,
    TimeAtom,
)
from collector.detection.exceptions import RuleError, UnsupportedRuleError
from collector.detection.regexes import searcher
from collector.detection.tree import Node, conjunction, disjunction, negation
from collector.detection.values import text_of
from collector.detection.wildcards import MANY, ONE, Part, Parts, containing, normalise

MAX_ATOMS = 100_000
"""Questions in one rule, repetitions included."""
_SIGNS = {
    CompareOperators.LT: "<",
    CompareOperators.LTE: "<=",
    CompareOperators.GT: ">",
    CompareOperators.GTE: ">=",
}
_FLAGS = {
    SigmaRegularExpressionFlag.IGNORECASE: "i",
    SigmaRegularExpressionFlag.MULTILINE: "m",
    SigmaRegularExpressionFlag.DOTALL: "s",
}
Placeholders = Mapping[str, Sequence[str]]


class AtomTable:
    """Makes each distinct atom once, for all rules of an engine."""

    def __init__(self) -> None:
        self._atoms: dict[Hashable, Atom] = {}

    def __len__(self) -> int:
        return len(self._atoms)

    def intern(self, key: Hashable, make: Callable[[], Atom]) -> Atom:
        """The atom known by `key`, made at first."""
        atom = self._atoms.get(key)
        if atom is None:
            atom = self._atoms[key] = make()
        return atom


class Lowering:
    """Lowers conditions into one table of atoms. `placeholders` gives the values of `%name%` under `expand`."""

    def __init__(self, table: AtomTable, placeholders: Placeholders) -> None:
        self._table = table
        self._placeholders = placeholders
        self._made = 0

    def condition(self, parsed: object) -> Node:
        """The tree of one condition of one rule.

        Raises:
            RuleError: the condition says nothing, or more than `MAX_ATOMS` things, or has a broken value.
            UnsupportedRuleError: it needs a value type or placeholder that is not available.
        """
        self._made = 0
        if parsed is None:
            raise RuleError("the condition selects nothing")
        return self._node(parsed)

    def _node(self, parsed: object) -> Node:
        if isinstance(parsed, ConditionFieldEqualsValueExpression):
            return self._value(_field_name(parsed.field), parsed.value)
        if isinstance(parsed, ConditionValueExpression):
            return self._value(None, parsed.value)
        children = [self._node(child) for child in getattr(parsed, "args", ()) if child is not None]
        if isinstance(parsed, ConditionOR):
            return disjunction(children)
        if isinstance(parsed, ConditionAND):
            return conjunction(children)
        if isinstance(parsed, ConditionNOT):
            return negation(conjunction(children))
        raise UnsupportedRuleError(f"condition element {type(parsed).__name__} is not supported")

    def _value(self, field: str | None, value: Any) -> Node:
        self._made += 1
        if self._made > MAX_ATOMS:
            raise RuleError(f"the rule expands to more than {MAX_ATOMS} comparisons")
        if isinstance(value, SigmaString):
            return self._string(field, value)
        if isinstance(value, SigmaExpansion):
            return disjunction([self._value(field, part) for part in value.values])
        if isinstance(value, SigmaRegularExpression):
            return self._regex(field, value)
        if isinstance(value, SigmaTimestampPart):
            return self._time(field, value, "=", value.number)
        if isinstance(value, SigmaBool):
            return self._text(field, (_written(value.boolean),), cased=False)
        if isinstance(value, SigmaNumber):
            return self._text(field, (_written(value.number),), cased=False)
        if isinstance(value, SigmaCIDRExpression):
            network = value.network
            return self._table.intern(("cidr", field, network), lambda: CidrAtom(field, network))
        return self._field_only(_needs_field(field), value)

    def _field_only(self, field: str, value: Any) -> Node:
        if isinstance(value, SigmaNull):
            return self._table.intern(("null", field), lambda: NullAtom(field))
        if isinstance(value, SigmaExists):
            exists = self._table.intern(("exists", field), lambda: ExistsAtom(field))
            return exists if value.exists else negation(exists)
        if isinstance(value, SigmaCompareExpression):
            return self._comparison(field, value)
        if isinstance(value, SigmaFieldReference):
            other, starts, ends = _field_name(value.field), value.starts_with, value.ends_with
            key = ("reference", field, other, starts, ends)
            return self._table.intern(key, lambda: ReferenceAtom(field, other, starts, ends))
        raise UnsupportedRuleError(f"values of type {type(value).__name__} are not supported")

    def _comparison(self, field: str, value: Any) -> Node:
        sign, number = _SIGNS[value.op], value.number
        if isinstance(number, SigmaTimestampPart):
            return self._time(field, number, sign, number.number)
        key = ("compare", field, sign, number.number)
        return self._table.intern(key, lambda: CompareAtom(field, sign, number.number))

    def _time(self, field: str | None, value: Any, sign: str, number: int | float) -> Node:
        name, part = _needs_field(field), value.timestamp_part.name.lower()
        key = ("time", name, part, sign, number)
        return self._table.intern(key, lambda: TimeAtom(name, part, sign, number))

    def _string(self, field: str | None, value: Any) -> Node:
        cased = isinstance(value, SigmaCasedString)
        texts = [value]
        if any(isinstance(part, Placeholder) for part in value.s):
            texts = self._expand(value)
        return disjunction([self._text(field, _parts(text), cased) for text in texts])

    def _text(self, field: str | None, parts: Parts, cased: bool) -> Node:
        if field is None:
            parts = containing(parts)
            if not any(isinstance(part, str) for part in parts):
                raise RuleError("a keyword must contain some text")
        return self._table.intern(("text", field, cased, parts), lambda: TextAtom(field, parts, cased))

    def _regex(self, field: str | None, value: Any) -> Node:
        flags = "".join(sorted([_FLAGS[flag] for flag in value.flags]))
        nodes: list[Node] = []
        for text in self._expand(value.regexp):
            pattern = str(text)
            make = partial(_regex_atom, field, pattern, flags)
            nodes.append(self._table.intern(("regex", field, pattern, flags), make))
        return disjunction(nodes)

    def _expand(self, value: Any) -> list[Any]:
        """The string for every combination of its placeholders' values."""
        missing = [part.name for part in value.s if isinstance(part, Placeholder) and not self._known(part)]
        if missing:
            raise UnsupportedRuleError(f"placeholder %{missing[0]}% has no values")
        combinations = 1
        for part in value.s:
            combinations *= len(self._placeholders[part.name]) if isinstance(part, Placeholder) else 1
        if combinations > MAX_ATOMS:
            raise RuleError(f"placeholders expand to {combinations} values; at most {MAX_ATOMS} are allowed")
        return list(value.replace_placeholders(self._replacements))

    def _known(self, placeholder: Any) -> bool:
        return bool(self._placeholders.get(placeholder.name))

    def _replacements(self, placeholder: Any) -> list[Any]:
        return [SigmaString(text) for text in self._placeholders[placeholder.name]]


def _regex_atom(field: str | None, pattern: str, flags: str) -> Atom:
    return RegexAtom(field, pattern, flags, searcher(pattern, flags))


def _written(value: bool | int | float) -> str:
    text = text_of(value)
    assert text is not None  # a number or a boolean always has a text
    return text


def _parts(value: Any) -> Parts:
    parts: list[Part] = []
    for part in value.s:
        if isinstance(part, str):
            parts.append(part)
        else:
            parts.append(MANY if part is SpecialChars.WILDCARD_MULTI else ONE)
    return normalise(parts)


def _field_name(name: str) -> str:
    """Field names are compared without their spaces: Windows writes `Threat Name`, rules `ThreatName`."""
    return name.replace(" ", "")


def _needs_field(field: str | None) -> str:
    if field is None:
        raise RuleError("a value of this type needs a field; it cannot be a keyword")
    return field
