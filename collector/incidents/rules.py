"""The rules' words as they were when they matched: kept by content hash, so that a later edit changes no alert."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import Connection, insert, select

from collector.incidents.tables import rules
from collector.messages import RuleCard


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
