"""The detector's outbox: matches that the responder has not confirmed yet, with the cards of their rules."""

from __future__ import annotations

from collections.abc import Iterable

import apsw
import msgspec

from collector.messages import Match, Matches, RuleCard

SEND = 500
"""Matches in one message: a few hundred kilobytes."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT, card TEXT NOT NULL, match BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS card (hash TEXT PRIMARY KEY, card BLOB NOT NULL) WITHOUT ROWID;
"""

_match = msgspec.msgpack.Decoder(Match)
_card = msgspec.msgpack.Decoder(RuleCard)


class Outbox:
    """Lives in the detector's own file, so that matches and cursor are one transaction."""

    def __init__(self, connection: apsw.Connection) -> None:
        connection.execute(SCHEMA)
        self._connection = connection
        row = connection.execute("SELECT count(*) FROM outbox").fetchone()
        assert row is not None
        self.waiting = int(row[0])

    def add(self, matches: Iterable[Match], cards: Iterable[RuleCard]) -> int:
        """Part of the caller's transaction; returns how many were added. The caller adds that to `waiting` after
        its commit."""
        encode = msgspec.msgpack.encode
        self._connection.executemany(
            "INSERT OR IGNORE INTO card VALUES (?, ?)", ((card.hash, encode(card)) for card in cards)
        )
        rows = [(match.rule_hash, encode(match)) for match in matches]
        self._connection.executemany("INSERT INTO outbox (card, match) VALUES (?, ?)", rows)
        return len(rows)

    def next(self) -> tuple[Matches, int] | None:
        """The oldest matches as one message, and the number to `confirm` once the responder has them."""
        rows = list(
            self._connection.execute("SELECT number, card, match FROM outbox ORDER BY number LIMIT ?", (SEND,))
        )
        if not rows:
            return None
        hashes = {row[1] for row in rows}
        cards = [
            _card.decode(row[0])
            for wanted in hashes
            for row in self._connection.execute("SELECT card FROM card WHERE hash = ?", (wanted,))
        ]
        return Matches(matches=[_match.decode(row[2]) for row in rows], rules=cards), int(rows[-1][0])

    def confirm(self, number: int) -> None:
        """The responder has everything through this."""
        with self._connection:
            self._connection.execute("DELETE FROM outbox WHERE number <= ?", (number,))
            self.waiting -= self._connection.changes()
            self._connection.execute("DELETE FROM card WHERE hash NOT IN (SELECT card FROM outbox)")
