"""A naive evaluator of Sigma rules, one rule and one event at a time: the engine must agree with it on every pair.

It shares no code with the engine: pySigma parses and runs its pipelines, this file walks what comes out.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.exceptions import SigmaTransformationError
from sigma.pipelines.sysmon import sysmon_pipeline
from sigma.pipelines.windows import windows_audit_pipeline, windows_logsource_pipeline
from sigma.rule import SigmaRule
from sigma.types import (
    CompareOperators,
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

SYSMON = sysmon_pipeline() + windows_logsource_pipeline()
AUDIT = windows_audit_pipeline() + windows_logsource_pipeline()
AUDITED = ("process_creation", "registry_event", "registry_set", "registry_add")


class OracleRule:
    """A rule with one parsed condition for each variant and condition."""

    def __init__(self, document: dict[str, Any]) -> None:
        rule = SigmaRule.from_dict(document)
        self.id = str(rule.id)
        self.logsource = (rule.logsource.product, rule.logsource.category, rule.logsource.service)
        self.mapped = False
        self.conditions: list[Any] = []
        if rule.logsource.product == "windows":
            SYSMON.apply(rule)
            self.mapped = bool(SYSMON.applied_ids) or self.logsource == ("windows", None, None)
        self.conditions += [condition.parsed for condition in rule.detection.parsed_condition]
        if self.logsource[0] == "windows" and self.logsource[1] in AUDITED and self.logsource[2] is None:
            audited = SigmaRule.from_dict(document)
            try:
                AUDIT.apply(audited)
            except SigmaTransformationError:
                return
            self.conditions += [condition.parsed for condition in audited.detection.parsed_condition]

    def matches(self, event: Mapping[str, Any], logsource: tuple[str, str, str] | None = None) -> bool:
        """Whether the event satisfies the rule; `logsource` is product, category, service, empty if not said."""
        if self.mapped:
            if "Channel" not in event:
                return False
        elif logsource is None or any(
            wanted is not None and wanted != given for wanted, given in zip(self.logsource, logsource, strict=True)
        ):
            return False
        fields = {name.replace(" ", ""): value for name, value in reversed(event.items())}
        return any(holds(condition, fields, event.values()) for condition in self.conditions)


def holds(node: Any, fields: Mapping[str, Any], values: Collection[Any]) -> bool:
    """Whether a parsed condition holds."""
    if isinstance(node, ConditionAND):
        return all(holds(child, fields, values) for child in node.args if child is not None)
    if isinstance(node, ConditionOR):
        return any(holds(child, fields, values) for child in node.args if child is not None)
    if isinstance(node, ConditionNOT):
        return not holds(node.args[0], fields, values)
    if isinstance(node, ConditionFieldEqualsValueExpression):
        return field_fits(node.field.replace(" ", ""), node.value, fields)
    assert isinstance(node, ConditionValueExpression)
    return any(fits(value, node.value, anywhere=True) for value in scalars(values))


def scalars(values: Iterable[Any]) -> list[Any]:
    flat: list[Any] = []
    for value in values:
        flat.extend(value if isinstance(value, list) else [value])
    return [value for value in flat if value is not None]


def field_fits(field: str, wanted: Any, fields: Mapping[str, Any]) -> bool:
    if isinstance(wanted, SigmaExpansion):
        return any(field_fits(field, each, fields) for each in wanted.values)
    values = scalars([fields.get(field)])
    if isinstance(wanted, SigmaNull):
        return all(value == "" for value in values)
    if isinstance(wanted, SigmaExists):
        return bool(values) == wanted.exists
    if isinstance(wanted, SigmaFieldReference):
        others = scalars([fields.get(wanted.field.replace(" ", ""))])
        return any(refers(folded(a), folded(b), wanted) for a in values for b in others)
    return any(fits(value, wanted) for value in values)


def refers(text: str, other: str, reference: Any) -> bool:
    pattern = re.escape(other)
    if reference.ends_with:
        pattern = ".*" + pattern
    if reference.starts_with:
        pattern += ".*"
    return re.fullmatch(pattern, text, re.DOTALL) is not None


def fits(value: Any, wanted: Any, anywhere: bool = False) -> bool:
    """Whether one scalar value answers one Sigma value."""
    if isinstance(wanted, SigmaExpansion):
        return any(fits(value, each, anywhere) for each in wanted.values)
    if isinstance(wanted, SigmaString):
        return string_fits(value, wanted, anywhere)
    if isinstance(wanted, SigmaTimestampPart):
        return part_of(value, wanted.timestamp_part.name) == wanted.number
    if isinstance(wanted, SigmaBool):
        return string_fits(value, SigmaString(str(wanted.boolean)), anywhere)
    if isinstance(wanted, SigmaNumber):
        return string_fits(value, SigmaString(written(wanted.number)), anywhere)
    if isinstance(wanted, SigmaRegularExpression):
        flags = re.ASCII
        for flag in wanted.flags:
            flags |= {
                SigmaRegularExpressionFlag.IGNORECASE: re.IGNORECASE,
                SigmaRegularExpressionFlag.MULTILINE: re.MULTILINE,
                SigmaRegularExpressionFlag.DOTALL: re.DOTALL,
            }[flag]
        return re.search(str(wanted.regexp), written(value), flags) is not None
    if isinstance(wanted, SigmaCIDRExpression):
        return in_network(written(value), ipaddress.ip_network(wanted.cidr))
    assert isinstance(wanted, SigmaCompareExpression)
    return compares(value, wanted)


def string_fits(value: Any, wanted: Any, anywhere: bool) -> bool:
    cased = isinstance(wanted, SigmaCasedString)
    pattern = compiled(tuple(wanted.s), cased)
    text = written(value) if cased else folded(value)
    return (pattern.search if anywhere else pattern.fullmatch)(text) is not None


@lru_cache(maxsize=200_000)
def compiled(parts: tuple[Any, ...], cased: bool) -> re.Pattern[str]:
    pattern = ""
    for part in parts:
        if isinstance(part, str):
            pattern += re.escape(part if cased else folded(part))
        else:
            pattern += ".*" if part == SpecialChars.WILDCARD_MULTI else "."
    return re.compile(pattern, re.DOTALL)


def written(value: Any) -> str:
    if value is True or value is False:
        return str(value).lower()
    if isinstance(value, float):
        whole = math.isfinite(value) and value == int(value) and abs(value) < 1e16
        return str(int(value)) if whole else repr(value)
    return str(value)


def folded(value: Any) -> str:
    return folded_text(written(value))


@lru_cache(maxsize=100_000)
def folded_text(text: str) -> str:
    """Unicode simple case folding, a character for a character."""
    result = ""
    for character in text:
        candidates = [character.casefold(), character.lower(), character]
        result += next(candidate for candidate in candidates if len(candidate) == 1)
    return result


def in_network(text: str, network: Any) -> bool:
    try:
        address: Any = ipaddress.ip_address(text.split("%")[0])
    except ValueError:
        return False
    versions = [address]
    if address.version == 6 and address.ipv4_mapped:
        versions.append(address.ipv4_mapped)
    return any(version in network for version in versions)


def decimal(value: Any) -> float | int | None:
    text = written(value)
    if not re.fullmatch(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
        return None
    number = float(text)
    if not math.isfinite(number):
        return None
    return int(text) if re.fullmatch(r"[+-]?[0-9]+", text) else number


def compares(value: Any, wanted: Any) -> bool:
    limit = wanted.number.number
    if isinstance(wanted.number, SigmaTimestampPart):
        number = part_of(value, wanted.number.timestamp_part.name)
    else:
        number = decimal(value)
    if number is None:
        return False
    return {
        CompareOperators.LT: number < limit,
        CompareOperators.LTE: number <= limit,
        CompareOperators.GT: number > limit,
        CompareOperators.GTE: number >= limit,
    }[wanted.op]


def part_of(value: Any, part: str) -> int | None:
    number = decimal(value)
    try:
        if number is None:
            moment = datetime.fromisoformat(written(value))
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        else:
            scale = 1 if number >= 1e14 else 1_000 if number >= 1e11 else 1_000_000
            moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(number * scale))
            if number < 0:
                return None
    except (ValueError, OverflowError):
        return None
    if part == "WEEK":
        return moment.isocalendar()[1]
    return int(getattr(moment, part.lower()))
