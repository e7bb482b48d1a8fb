"""Bounds on what a rule may ask of its parser: expansions that grow exponentially are refused before they grow."""

from __future__ import annotations

import re
from typing import Any

from collector.detection.exceptions import RuleError

MAX_CONDITION = 8_192
"""Characters of one condition."""
MAX_CONDITION_DEPTH = 24
"""Parentheses of a condition, one inside the other."""
MAX_CONDITIONS = 64
MAX_MODIFIERS = 6
"""Modifiers on one field."""
MAX_WINDASHES = 4
"""Dashes of one value under `windash`: each makes five values."""
MAX_VALUES = 50_000
"""Values in one detection section."""
_DASH = re.compile(r"\B[-/]\b")


def check_detection(detection: object) -> None:
    """Refuse a detection section that would cost its parser too much; its meaning is not checked here.

    Raises:
        RuleError: a bound is passed; the text names it.
    """
    if not isinstance(detection, dict):
        return
    conditions = detection.get("condition")
    for condition in _listed(conditions, MAX_CONDITIONS):
        if isinstance(condition, str):
            _check_condition(condition)
    count = sum([_check_values(section, "") for name, section in detection.items() if name != "condition"])
    if count > MAX_VALUES:
        raise RuleError(f"detection has {count} values; at most {MAX_VALUES} are allowed")


def _listed(conditions: object, limit: int) -> list[Any]:
    listed = conditions if isinstance(conditions, list) else [conditions]
    if len(listed) > limit:
        raise RuleError(f"{len(listed)} conditions; at most {limit} are allowed")
    return listed


def _check_condition(condition: str) -> None:
    if len(condition) > MAX_CONDITION:
        raise RuleError(f"condition of {len(condition)} characters; at most {MAX_CONDITION} are allowed")
    depth = deepest = 0
    for character in condition:
        depth += (character == "(") - (character == ")")
        deepest = max(deepest, depth)
    if deepest > MAX_CONDITION_DEPTH:
        raise RuleError(f"condition nests {deepest} parentheses; at most {MAX_CONDITION_DEPTH} are allowed")
    for word in condition.split():
        if word.count("*") > 3:
            raise RuleError(f"condition selects by {word[:60]!r}; at most three stars are allowed")


def _check_values(value: object, modifiers: str) -> int:
    if isinstance(value, dict):
        return sum([_check_values(below, _modifiers_of(key)) for key, below in value.items()])
    if isinstance(value, list):
        return sum([_check_values(below, modifiers) for below in value])
    if "windash" in modifiers and isinstance(value, str):
        dashes = len(_DASH.findall(value)) * modifiers.split("|").count("windash")
        if dashes > MAX_WINDASHES:
            shown = f"detection value {value[:60]!r}"
            raise RuleError(f"{shown} has {dashes} dashes under windash; at most {MAX_WINDASHES} are allowed")
    return 1


def _modifiers_of(key: object) -> str:
    _, _, modifiers = str(key).partition("|")
    if modifiers.count("|") >= MAX_MODIFIERS:
        raise RuleError(f"detection field {str(key)[:60]!r} has more than {MAX_MODIFIERS} modifiers")
    return modifiers
