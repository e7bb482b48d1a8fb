"""The engine on live events: blocks from the inbox in, matches for the responder out."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Self

from collector.detection.card import card, level
from collector.detection.engine import Engine
from collector.detection.rules import Rule
from collector.messages import MAX_TROUBLES, InboxBlock, Match, RuleCard, RuleReport, RuleTrouble
from wire import block as wire_block
from wire.errors import WireError
from wire.event import Event

ID_LENGTH = 32
"""Hex digits of a match's id: 128 bits of SHA-256."""

MAX_SHOWN = 1_024
"""Characters of a matched value that travel with the match; the whole event goes along anyway."""

log = logging.getLogger(__name__)


class LiveDetector:
    """A rule set at work on live events. A plain object: another can be loaded beside it and take its place."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._cards = {rule.hash: card(rule) for rule in engine.ruleset.rules}
        self._loaded = time.time_ns() // 1_000
        self.unreadable = 0

    @classmethod
    def load(cls, paths: Iterable[Path]) -> Self:
        """Read and compile the rules under `paths`; a broken rule is left out and reported.

        Raises:
            SourceError: a path cannot be read at all.
        """
        from collector.detection.load import load

        return cls(Engine(load(paths)))

    def matches(self, block: InboxBlock) -> list[Match]:
        """Every match in a block. A block that cannot be read was checked at the gateway, so it was damaged since:
        it is counted and logged, and does not stop those behind it."""
        try:
            content = wire_block.unpack(block.packed)
        except WireError as error:
            self.unreadable += 1
            log.error("block %d of agent %s cannot be read: %s", block.seq, block.identity.agent, error)
            return []
        prefix = f"{block.identity.agent}/{block.stream}/{block.lane}/{block.block}"
        found: list[Match] = []
        for index, event in enumerate(content.all_events()):
            rules = self._engine.match(_searchable(event), event.source)
            if rules:
                found += [self._match(rule.rule, event, f"{prefix}/{index}", block) for rule in rules]
        return found

    def card(self, rule_hash: str) -> RuleCard:
        """What people see of a rule of this set.

        Raises:
            KeyError: no rule here has this hash.
        """
        return self._cards[rule_hash]

    def report(self) -> RuleReport:
        """What became of every rule that was found."""
        report = self._engine.report()
        return RuleReport(
            loaded=self._loaded,
            active=len(report.active),
            inactive=len(report.inactive),
            refused=len(report.refused),
            inactive_rules=[
                RuleTrouble(rule_id=rule.rule_id, file=rule.file, line=0, reason=rule.reason)
                for rule in report.inactive[:MAX_TROUBLES]
            ],
            refused_rules=[
                RuleTrouble(rule_id=rule.rule_id, file=rule.file, line=rule.line, reason=rule.reason)
                for rule in report.refused[:MAX_TROUBLES]
            ],
        )

    def describe(self) -> str:
        """One line for the log, and one more for each refused rule up to a few."""
        report = self._engine.report()
        lines = [
            f"rules: {len(report.active)} active, {len(report.inactive)} inactive, {len(report.refused)} refused",
            *(f"refused {rule.file}, line {rule.line}: {rule.reason}" for rule in report.refused[:10]),
        ]
        return "; ".join(lines)

    def _match(self, rule: Rule, event: Event, event_id: str, block: InboxBlock) -> Match:
        return Match(
            id=match_id(rule.hash, event_id),
            rule_id=rule.id,
            rule_hash=rule.hash,
            level=level(rule),
            identity=block.identity,
            host=block.host,
            event_id=event_id,
            event=event,
            received=block.received,
            detected=time.time_ns() // 1_000,
            fields=self._found(rule, event),
        )

    def _found(self, rule: Rule, event: Event) -> dict[str, str]:
        return {
            evidence.field: str(evidence.value)[:MAX_SHOWN]
            for evidence in self._engine.explain(rule.id, _searchable(event))
            if evidence.field
        }


def _searchable(event: Event) -> Mapping[str, object]:
    """The event's fields, and its original line where there is one: keywords may stand anywhere in it."""
    if event.raw is None or "raw" in event.fields:
        return event.fields
    return {**event.fields, "raw": event.raw}


def match_id(rule_hash: str, event_id: str) -> str:
    """The same rule on the same event is the same match, however often it is detected."""
    return sha256(f"{rule_hash}\0{event_id}".encode()).hexdigest()[:ID_LENGTH]
