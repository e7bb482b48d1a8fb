"""What is known of a rule once it is loaded, and what became of those that do not run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from collector.detection.tree import Node
from wire.event import Logsource


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A rule that was read.

    `hash` is the SHA-256 of its content (and of the filters applied to it), whatever its layout; `file` and `line`
    (1-based) say where it stands, `source` is its text. `level` is empty where the rule gives none.
    """

    id: str
    title: str
    level: str
    hash: str
    file: str
    line: int
    logsource: Logsource
    document: dict[str, Any] = field(repr=False)
    source: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Branch:
    """One way for a rule to match: a condition under one variant of its log source."""

    rule: Rule
    tree: Node
    windows: bool
    logsource: Logsource


@dataclass(frozen=True, slots=True)
class Inactive:
    """A sound rule that does not run here, and why."""

    rule_id: str
    title: str
    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A rule that cannot be used: where (`line` 1-based, 0 for the whole file) and why. `rule_id` is empty if
    unknown."""

    rule_id: str
    file: str
    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Everything found in the input: `rules`, `inactive` and `refused` together are all of it."""

    rules: tuple[Rule, ...]
    branches: tuple[Branch, ...]
    inactive: tuple[Inactive, ...]
    refused: tuple[Refused, ...]

    @property
    def found(self) -> int:
        """How many rules the input held."""
        return len(self.rules) + len(self.inactive) + len(self.refused)
