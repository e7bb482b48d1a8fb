"""pySigma's processing pipelines: what a rule's generic log source means in Windows' own logs.

A rule may be satisfied by more than one log, `process_creation` by Sysmon event 1 and by Security event 4688:
each way is a variant of the rule, and the rule matches when one of them does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, cast

from sigma.exceptions import SigmaTransformationError
from sigma.pipelines.common import windows_logsource_mapping
from sigma.pipelines.sysmon.sysmon import sysmon_generic_logsource_eventid_mapping, sysmon_pipeline
from sigma.pipelines.windows.windows import (
    generic_logsource_to_windows_audit_event_mapping,
    windows_audit_pipeline,
    windows_generic_category_channel_mapping,
    windows_logsource_pipeline,
)
from sigma.rule import SigmaRule

from wire.event import Logsource

SYSMON_CHANNEL = "Microsoft-Windows-Sysmon/Operational"
SYSMON_EVENTS = cast("Mapping[str, int | list[int]]", sysmon_generic_logsource_eventid_mapping)
"""Sysmon's event numbers by Sigma category."""
AUDIT_CATEGORIES = frozenset(cast("Mapping[str, object]", generic_logsource_to_windows_audit_event_mapping))
"""Categories that Windows' audit policy can satisfy as well."""
_MAPPED_CATEGORIES = frozenset(SYSMON_EVENTS) | frozenset(windows_generic_category_channel_mapping)


class Variant(NamedTuple):
    """One way to satisfy a rule. `windows`: its conditions name channels; otherwise events state their
    `logsource`."""

    rule: Any
    windows: bool
    logsource: Logsource


class Pipelines:
    """The pipelines of one load; they keep state while they work, so each load has its own."""

    def __init__(self) -> None:
        self._sysmon = sysmon_pipeline() + windows_logsource_pipeline()
        self._audit = windows_audit_pipeline() + windows_logsource_pipeline()

    def variants(self, rule: Any, document: dict[str, Any]) -> Iterator[Variant]:
        """Every way to satisfy `rule`, which `document` was parsed into; `rule` itself may be changed by it.

        A category without a product (`category: process_creation`) is meant for Windows' logs too.
        """
        stated = logsource_of(rule)
        if stated.product == "" and stated.category in _MAPPED_CATEGORIES:
            yield Variant(rule, False, stated)
            logsource = {**document["logsource"], "product": "windows"}
            document = {**document, "logsource": logsource}
            rule = SigmaRule.from_dict(document)
        elif stated.product != "windows":
            yield Variant(rule, False, stated)
            return
        self._sysmon.apply(rule)
        mapped = bool(self._sysmon.applied_ids) or not (stated.category or stated.service)
        yield Variant(rule, mapped, stated)
        if stated.category in AUDIT_CATEGORIES and not stated.service:
            audited = SigmaRule.from_dict(document)
            try:
                self._audit.apply(audited)
            except SigmaTransformationError:
                return  # a field that the audit event does not have
            yield Variant(audited, True, stated)


def logsource_of(rule: Any) -> Logsource:
    """The log source that a rule is written for, in lower case."""
    stated = rule.logsource
    return Logsource(
        product=(stated.product or "").lower(),
        category=(stated.category or "").lower(),
        service=(stated.service or "").lower(),
    )


def channels_of(service: str) -> tuple[str, ...]:
    """The Windows channels that a Sigma service names."""
    channels = windows_logsource_mapping.get(service, ())
    return (channels,) if isinstance(channels, str) else tuple(channels)


def windows_events_of(category: str) -> tuple[str, tuple[int, ...]] | None:
    """The channel and event numbers that carry a Sigma category under its own field names."""
    if category in SYSMON_EVENTS:
        numbers = SYSMON_EVENTS[category]
        return SYSMON_CHANNEL, (numbers,) if isinstance(numbers, int) else tuple(numbers)
    generic = windows_generic_category_channel_mapping.get(category)
    if generic is None:
        return None
    return channels_of(str(generic["service"]))[0], (int(str(generic["EventID"])),)
