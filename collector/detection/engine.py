"""The door of detection: events in, matched rules out; a plain object, so a new one can be built beside the
old."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from collector.detection.atoms import RegexAtom
from collector.detection.explain import Evidence, evidence
from collector.detection.memo import Memory
from collector.detection.route import RuleMatch
from collector.detection.routing import Router, containing, describe
from collector.detection.rules import Branch, Inactive, Refused, Rule, RuleSet
from collector.detection.tree import atoms_of
from wire.event import Logsource

MEMO_BYTES = 64 * 1024 * 1024
"""Default bound of what the engine remembers."""
MAX_SOURCES = 10_000
"""Distinct log sources that are kept for the report."""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of every rule found: the three lists add up to all of them."""

    active: tuple[Rule, ...]
    inactive: tuple[Inactive, ...]
    refused: tuple[Refused, ...]


class Engine:
    """Matches events against a rule set.

    `memo_bytes` bounds what is remembered of values seen; 0 switches remembering off.
    """

    def __init__(self, ruleset: RuleSet, memo_bytes: int = MEMO_BYTES) -> None:
        self.ruleset = ruleset
        self.memory = Memory(memo_bytes)
        self.seen: set[Logsource] = set()
        self.unrouted = 0
        self._router = Router(ruleset.branches, self.memory)
        self._branches: dict[str, list[Branch]] = {}
        for branch in ruleset.branches:
            self._branches.setdefault(branch.rule.id, []).append(branch)

    def match(self, fields: Mapping[str, object], logsource: Logsource | None = None) -> list[RuleMatch]:
        """The rules that one event satisfies.

        `fields` are flat, named as Sigma names them; `logsource` is what the event states of its source, `None`
        for Windows events that carry `Channel` and `EventID`. An event with neither is counted in `unrouted`.
        """
        routes = self._router.find(fields, logsource)
        if logsource is not None and len(self.seen) < MAX_SOURCES:
            self.seen.add(logsource)
        if not routes:
            if logsource is None and "Channel" not in fields:
                self.unrouted += 1
            return []
        if len(routes) == 1:
            return list(routes[0].match(fields))
        return _each_once([match for route in routes for match in route.match(fields)])

    def match_many(
        self, events: Iterable[tuple[Mapping[str, object], Logsource | None]]
    ) -> Iterator[tuple[int, list[RuleMatch]]]:
        """The events that satisfy some rule, by their position, with their matches."""
        for position, (fields, logsource) in enumerate(events):
            matches = self.match(fields, logsource)
            if matches:
                yield position, matches

    def explain(self, rule_id: str, fields: Mapping[str, object]) -> list[Evidence]:
        """The fields and values that satisfied the rule; empty if the event does not satisfy it.

        Raises:
            KeyError: no active rule has this id.
        """
        return evidence([branch.tree for branch in self._branches[rule_id]], fields)

    def regex_timeouts(self) -> dict[str, int]:
        """Regular expressions that ran out of time, by their text, and how often."""
        atoms = {
            atom
            for branch in self.ruleset.branches
            for atom in atoms_of(branch.tree)
            if isinstance(atom, RegexAtom)
        }
        return {atom.describe(): atom.searcher.breaches for atom in atoms if atom.searcher.breaches}

    def report(self, sources: Iterable[Logsource] | None = None) -> Report:
        """Which rules run. With `sources`, what the events at hand state of theirs, rules for others are
        inactive."""
        active, inactive = list(self.ruleset.rules), list(self.ruleset.inactive)
        if sources is not None:
            reachable = {wider for source in sources for wider in containing(source)}
            idle = [rule for rule in active if not self._reached(rule, reachable)]
            inactive += [Inactive(rule.id, rule.title, rule.file, _idle_reason(rule)) for rule in idle]
            gone = set(idle)
            active = [rule for rule in active if rule not in gone]
        return Report(tuple(active), tuple(inactive), self.ruleset.refused)

    def _reached(self, rule: Rule, reachable: set[Logsource]) -> bool:
        return any(branch.windows or branch.logsource in reachable for branch in self._branches[rule.id])


def _idle_reason(rule: Rule) -> str:
    return f"no event here states the log source {describe(rule.logsource)}"


def _each_once(matches: list[RuleMatch]) -> list[RuleMatch]:
    once: dict[Rule, RuleMatch] = {}
    for match in matches:
        once.setdefault(match.rule, match)
    return list(once.values())
