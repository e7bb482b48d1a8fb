"""The rules' words as they were when they matched, and what became of all rules when they were last loaded.

Words are kept by content hash, so that a later edit of a rule changes no alert.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import Connection, delete, insert, select

from collector.incidents.tables import reports, rules
from collector.messages import RuleCard, RuleReport

RULES = "rules"


def store_cards(connection: Connection, cards: Sequence[RuleCard]) -> None:
    """Keep the cards that are not there yet."""
    given = {card.hash: card for card in cards}
    known = set(connection.scalars(select(rules.c.hash).where(rules.c.hash.in_(list(given))))) if given else set()
    new = [
        {"hash": card.hash, "rule_id": card.id, "card": msgspec.json.encode(card)}
        for card in given.values()
        if card.hash not in known
    ]
    if new:
        connection.execute(insert(rules), new)


def cards_of(connection: Connection, hashes: Iterable[str]) -> dict[str, RuleCard]:
    """The cards of these content hashes, as far as they are known."""
    query = select(rules.c.hash, rules.c.card).where(rules.c.hash.in_(list(hashes)))
    return {row.hash: msgspec.json.decode(row.card, type=RuleCard) for row in connection.execute(query)}


def store_report(connection: Connection, report: RuleReport) -> None:
    """Keep the detector's latest account of its rules in place of the one before."""
    connection.execute(delete(reports).where(reports.c.name == RULES))
    body = msgspec.json.encode(report)
    connection.execute(insert(reports).values(name=RULES, time_us=time.time_ns() // 1000, body=body))


def rule_report(connection: Connection) -> RuleReport:
    """The detector's latest account of its rules; all zeros before the first."""
    body = connection.scalar(select(reports.c.body).where(reports.c.name == RULES))
    if body is None:
        return RuleReport(loaded=0, active=0, inactive=0, refused=0, inactive_rules=[], refused_rules=[])
    return msgspec.json.decode(body, type=RuleReport)
