"""What the inbox has had of each (agent, stream, lane): watermark, blocks beyond it, and declared gaps.

It outlives the blocks themselves, so that a block replayed long after both consumers are done is still known.
"""

from __future__ import annotations

from collections import OrderedDict

import apsw

from collector.inbox import Total, Verdict
from wire.block import Gap, Lane

RECENT = 1_024
"""Hashes kept below the watermark, to tell a repeat from other content under the same identity. What is older is
a repeat by its number alone."""

CACHED_STREAMS = 20_000

TAKE_OVERLAPPING = """
DELETE FROM gap WHERE agent = ? AND stream = ? AND lane = ? AND first <= ? AND last >= ?
RETURNING first, last, events
"""

SCHEMA = """
CREATE TABLE IF NOT EXISTS mark (
    agent TEXT NOT NULL, stream TEXT NOT NULL, lane TEXT NOT NULL, through INTEGER NOT NULL,
    PRIMARY KEY (agent, stream, lane)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS total (
    agent TEXT NOT NULL, stream TEXT NOT NULL,
    events INTEGER NOT NULL, gaps INTEGER NOT NULL, lost INTEGER NOT NULL,
    PRIMARY KEY (agent, stream)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS held (
    agent TEXT NOT NULL, stream TEXT NOT NULL, lane TEXT NOT NULL, number INTEGER NOT NULL, sha256 TEXT NOT NULL,
    PRIMARY KEY (agent, stream, lane, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS gap (
    agent TEXT NOT NULL, stream TEXT NOT NULL, lane TEXT NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, events INTEGER NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (agent, stream, lane, first)
) WITHOUT ROWID;
"""


class Ledger:
    """All marks of one inbox, read from its file when first asked for. Used by the writer thread alone, inside its
    transaction; after a rollback `forget` makes it read the file again."""

    def __init__(self, connection: apsw.Connection) -> None:
        connection.execute(SCHEMA)
        self._connection = connection
        self._open: OrderedDict[tuple[str, str], Marks] = OrderedDict()

    def open(self, agent: str, stream: str) -> Marks:
        """The marks of one stream of one agent."""
        key = agent, stream
        marks = self._open.get(key)
        if marks is None:
            marks = self._open[key] = Marks(self._connection, agent, stream)
            if len(self._open) > CACHED_STREAMS:
                self._open.popitem(last=False)
        else:
            self._open.move_to_end(key)
        return marks

    def forget(self) -> None:
        """Drop what was read: the transaction that changed it did not happen."""
        self._open.clear()


class Marks:
    """The marks of one stream. A change is written at once, within the caller's transaction."""

    def __init__(self, connection: apsw.Connection, agent: str, stream: str) -> None:
        self._connection = connection
        self._key = agent, stream
        self._through: dict[Lane, int] = dict(
            connection.execute("SELECT lane, through FROM mark WHERE agent = ? AND stream = ?", self._key)
        )
        self._held: dict[Lane, dict[int, str]] = {}
        for lane, number, sha256 in connection.execute(
            "SELECT lane, number, sha256 FROM held WHERE agent = ? AND stream = ?", self._key
        ):
            self._held.setdefault(lane, {})[number] = sha256
        self._changed: set[Lane] = set()
        row = connection.execute("SELECT events, gaps, lost FROM total WHERE agent = ? AND stream = ?", self._key)
        sums: tuple[int, int, int] = row.fetchone() or (0, 0, 0)
        self._events, self._gaps, self._lost = sums

    def judge(self, lane: Lane, number: int, sha256: str) -> Verdict:
        """What this block is to what was had before; `stored` means that it is new."""
        known = self._held.get(lane, {}).get(number)
        if known is not None:
            return "duplicate" if known == sha256 else "conflict"
        return "duplicate" if number <= self._through.get(lane, 0) else "stored"

    def note(self, lane: Lane, number: int, sha256: str, events: int) -> None:
        """The block is being stored."""
        self._events += events
        self._held.setdefault(lane, {})[number] = sha256
        self._changed.add(lane)
        self._connection.execute("INSERT INTO held VALUES (?, ?, ?, ?, ?)", (*self._key, lane, number, sha256))

    def note_gap(self, gap: Gap) -> int:
        """Blocks that will not come; returns how many events that loses which were not counted before."""
        held = self._held.get(gap.lane, {})
        start = max(gap.first, self._through.get(gap.lane, 0) + 1)
        if gap.last - start < len(held) and all(number in held for number in range(start, gap.last + 1)):
            return 0
        first, last, events = gap.first, gap.last, 0
        bounds = (*self._key, gap.lane, gap.last, gap.first)
        for row in list(self._connection.execute(TAKE_OVERLAPPING, bounds)):
            first, last, events = min(first, row[0]), max(last, row[1]), events + row[2]
        total = max(events, gap.events)
        row = (*self._key, gap.lane, first, last, total, gap.reason)
        self._connection.execute("INSERT INTO gap VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        self._changed.add(gap.lane)
        self._gaps += 1
        self._lost += total - events
        return total - events

    @property
    def total(self) -> Total:
        """The sums of this stream."""
        return Total(events=self._events, gaps=self._gaps, lost=self._lost)

    def close(self) -> dict[Lane, int]:
        """Advance and write the watermarks and sums of what changed; returns all watermarks."""
        for lane in self._changed:
            self._advance(lane)
        if self._changed:
            row = (*self._key, self._events, self._gaps, self._lost)
            self._connection.execute("INSERT OR REPLACE INTO total VALUES (?, ?, ?, ?, ?)", row)
        self._changed.clear()
        return dict(self._through)

    def _advance(self, lane: Lane) -> None:
        held = self._held.setdefault(lane, {})
        before = through = self._through.get(lane, 0)
        while True:
            if through + 1 in held:
                through += 1
                continue
            jump = self._gap_over(lane, through + 1)
            if jump is None:
                break
            through = jump
        if through != before or lane not in self._through:
            self._through[lane] = through
            self._connection.execute(
                "INSERT OR REPLACE INTO mark VALUES (?, ?, ?, ?)", (*self._key, lane, through)
            )
        self._thin(lane, held, through - RECENT)

    def _gap_over(self, lane: Lane, number: int) -> int | None:
        row = self._connection.execute(
            "SELECT max(last) FROM gap WHERE agent = ? AND stream = ? AND lane = ? AND first <= ? AND last >= ?",
            (*self._key, lane, number, number),
        ).fetchone()
        return None if row is None else row[0]

    def _thin(self, lane: Lane, held: dict[int, str], below: int) -> None:
        """Forget old hashes in steps, so that a block costs less than a delete."""
        if len(held) < 2 * RECENT:
            return
        for number in [n for n in held if n <= below]:
            del held[number]
        self._connection.execute(
            "DELETE FROM held WHERE agent = ? AND stream = ? AND lane = ? AND number <= ?",
            (*self._key, lane, below),
        )
