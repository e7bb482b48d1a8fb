"""What was lost, kept until the collector knows it: ranges of blocks that will never come.

Neighbouring ranges of one reason are joined, so that a long outage is one row a lane. A range that has been sent
once is left as it is: the collector may have it, and must not count it again as part of a longer one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Literal

from wire.block import LANES, Gap, Lane

Reason = Literal["evicted", "refused", "corrupt"]


def add(db: sqlite3.Connection, stream: int, gap: Gap) -> None:
    """Remember a loss; part of the caller's transaction."""
    lane = LANES.index(gap.lane)
    first, last, events = gap.first, gap.last, gap.events
    neighbours = db.execute(
        "SELECT first, last, events FROM gaps WHERE stream = ? AND lane = ? AND reason = ? AND sent = 0"
        " AND (last = ? OR first = ?)",
        (stream, lane, gap.reason, first - 1, last + 1),
    ).fetchall()
    for row in neighbours:
        db.execute("DELETE FROM gaps WHERE stream = ? AND lane = ? AND first = ?", (stream, lane, row[0]))
        first, last, events = min(first, row[0]), max(last, row[1]), events + row[2]
    db.execute(
        "INSERT INTO gaps (stream, lane, first, last, events, reason) VALUES (?, ?, ?, ?, ?, ?)",
        (stream, lane, first, last, events, gap.reason),
    )


def pending(db: sqlite3.Connection, stream: int, limit: int) -> list[Gap]:
    """The oldest unreported losses, not marked as sent yet."""
    rows = db.execute(
        "SELECT lane, first, last, events, reason FROM gaps WHERE stream = ? ORDER BY lane, first LIMIT ?",
        (stream, limit),
    )
    return [
        Gap(lane=LANES[lane], first=first, last=last, events=events, reason=reason)
        for lane, first, last, events, reason in rows
    ]


def mark_sent(db: sqlite3.Connection, stream: int, gaps: Iterable[Gap]) -> None:
    """These go to the collector now: from here on they are joined with nothing."""
    db.executemany(
        "UPDATE gaps SET sent = 1 WHERE stream = ? AND lane = ? AND first = ? AND sent = 0", _keys(stream, gaps)
    )


def forget(db: sqlite3.Connection, stream: int, gaps: Iterable[Gap]) -> None:
    """The collector has recorded these."""
    db.executemany("DELETE FROM gaps WHERE stream = ? AND lane = ? AND first = ?", _keys(stream, gaps))


def unreported(db: sqlite3.Connection) -> dict[Lane, int]:
    """Events in gaps that the collector does not know of yet, by lane."""
    rows = db.execute("SELECT lane, sum(events) FROM gaps GROUP BY lane")
    return {LANES[lane]: events for lane, events in rows}


def _keys(stream: int, gaps: Iterable[Gap]) -> list[tuple[int, int, int]]:
    return [(stream, LANES.index(gap.lane), gap.first) for gap in gaps]
