"""Matches and rule cards made for tests."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, text

from collector.incidents import take
from collector.messages import Match, Matches, RuleCard
from collector.state import Database
from wire.event import Event, Logsource
from wire.identity import Identity

HOUR = 3_600 * 1_000_000
NOON = 1_790_000_000_000_000 - 1_790_000_000_000_000 % HOUR
"""The start of some hour."""


def agent(number: int = 0) -> str:
    """An agent's id for a number."""
    return f"{number:06d}".translate(str.maketrans("0189", "abcd")).rjust(16, "a")


def made(number: int, **given: Any) -> Match:
    """The match with this number: equal numbers are the same match. Overridable: rule, agent, node, user, level,
    at (µs after noon), fields, service, event_time."""
    rule = given.get("rule", "rule-1")
    fields = {"CommandLine": f"command {number}", "User": given.get("user", "root"), **given.get("fields", {})}
    detected = NOON + given.get("at", number)
    service = given.get("service", "")
    return Match(
        id=sha256(f"{rule}/{given.get('agent', 0)}/{number}".encode()).hexdigest()[:32],
        rule_id=rule,
        rule_hash=card(rule).hash,
        level=given.get("level", "high"),
        identity=Identity(
            agent=agent(given.get("agent", 0)), node=given.get("node", "tinh/so"), label="noi-bo", role="host"
        ),
        host=given.get("host", f"host-{given.get('agent', 0)}"),
        event_id=f"{agent(given.get('agent', 0))}/{'s' * 26}/security/1/{number}",
        event=Event(
            time=given.get("event_time", detected - 1_000),
            source=Logsource(product="linux", category="" if service else "process_creation", service=service),
            origin="kernel",
            fields={name: value for name, value in fields.items() if value is not None},
            raw=given.get("raw"),
        ),
        received=detected - 500,
        detected=detected,
        fields={"CommandLine": "command"},
    )


def card(rule: str = "rule-1") -> RuleCard:
    """The rule's words."""
    return RuleCard(
        id=rule,
        hash=sha256(rule.encode()).hexdigest(),
        level="high",
        titles={"vi": f"Quy tắc Đặc biệt {rule}", "en": f"Special rule {rule}"},
        descriptions={"vi": "Mô tả", "en": "Description"},
        tags=["attack.execution"],
        falsepositives=[{"vi": "quản trị viên", "en": "administrators"}],
        source=f"title: {rule}\nlevel: high\n",
    )


def batch(*matches: Match) -> Matches:
    """The matches with the cards of their rules, as the detector hands them over."""
    return Matches(matches=list(matches), rules=[card(rule) for rule in {m.rule_id for m in matches}])


def taken(database: Database, *matches: Match) -> int:
    """Hand the matches over; how many were new."""
    with database.write() as connection:
        return take(connection, batch(*matches))


def true_totals(connection: Connection) -> dict[tuple[str, str, str], int]:
    """The totals counted row by row."""
    counted = text("SELECT node, status, level, count(*) FROM incident_alerts GROUP BY node, status, level")
    return {(row[0], row[1], row[2]): row[3] for row in connection.execute(counted)}


def kept_totals(connection: Connection) -> dict[tuple[str, str, str], int]:
    """The totals as they are kept."""
    kept = text("SELECT node, status, level, count FROM incident_totals WHERE count <> 0")
    return {(row[0], row[1], row[2]): row[3] for row in connection.execute(kept)}
