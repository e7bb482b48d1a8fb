"""The inbox in one SQLite file: a writer thread that commits many deliveries with one fsync."""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import apsw
import msgspec

from collector.inbox import CONSUMERS, Consumer, Delivery, InboxError, InboxFullError, Outcome, Usage, Verdict
from collector.inbox.ledger import Ledger
from collector.messages import InboxBlock
from wire.block import Lane
from wire.identity import Identity

SQLITE_MIN = 3_051_003
"""Older ones can corrupt a WAL in a race between a checkpoint and another connection's write."""

GROUP = 256
"""Deliveries in one transaction at most: bounds what a failed commit sends back."""

CACHE_KIB = 8_192
PRUNE_EVERY = 64
"""Blocks that consumers pass before the writer forgets them: pruning is a delete for each."""

FETCH_BYTES = 32 << 20
"""A fetch ends early over this, always at the same block: it has to fit into one frame of the door."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS block (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    identity BLOB NOT NULL,
    host TEXT NOT NULL,
    stream TEXT NOT NULL,
    lane TEXT NOT NULL,
    number INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    received INTEGER NOT NULL,
    skew INTEGER NOT NULL,
    packed BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS consumer (name TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
"""

Job = tuple[Delivery, "Future[Outcome]"]

log = logging.getLogger(__name__)


class SqliteInbox:
    """The inbox of a collector on one machine. `limit` bounds the packed bytes kept, `min_free` the disk left."""

    def __init__(self, path: Path, limit: int = 8 << 30, min_free: int = 1 << 30) -> None:
        if apsw.SQLITE_VERSION_NUMBER < SQLITE_MIN:
            raise InboxError(f"SQLite {apsw.sqlite_lib_version()} can corrupt a WAL; apsw 3.54 or newer is needed")
        self._path, self._limit, self._min_free = path, limit, min_free
        self._writer = _open(path)
        self._writer.execute(SCHEMA)
        self._ledger = Ledger(self._writer)
        self._reader = _open(path)
        self._reading = threading.Lock()
        self._jobs: queue.Queue[Job | Callable[[], None] | None] = queue.Queue(maxsize=4 * GROUP)
        self._head = self._newest()
        self._bytes, self._blocks = self._measure(self._head)
        self._counted = self._bytes, self._blocks, self._head
        self._done: dict[str, int] = dict.fromkeys(CONSUMERS, 0) | dict(
            self._writer.execute("SELECT name, seq FROM consumer")
        )
        self._pruned = min(self._done.values())
        self._thread = threading.Thread(target=self._write, name="inbox-writer", daemon=True)
        self._thread.start()

    def append(self, delivery: Delivery) -> Future[Outcome]:
        """See `Inbox.append`."""
        future: Future[Outcome] = Future()
        try:
            self._jobs.put_nowait((delivery, future))
        except queue.Full:
            future.set_exception(InboxFullError("more deliveries wait for the disk than it can take"))
        return future

    def fetch(self, after: int, limit: int) -> tuple[list[InboxBlock], int]:
        """See `Inbox.fetch`."""
        sql = (
            "SELECT seq, identity, host, stream, lane, number, sha256, received, skew, packed"
            " FROM block WHERE seq > ? ORDER BY seq LIMIT ?"
        )
        blocks: list[InboxBlock] = []
        size = 0
        with self._reading:
            for row in self._reader.execute(sql, (after, limit)):
                size += len(row[-1])
                if blocks and size > FETCH_BYTES:
                    break
                blocks.append(_block(row))
        return blocks, self._head

    def done(self, consumer: Consumer, seq: int) -> None:
        """See `Inbox.done`."""
        if seq > self._done[consumer]:
            self._done[consumer] = seq
            self._jobs.put(lambda: self._note_done(consumer, seq))

    def usage(self) -> Usage:
        """See `Inbox.usage`."""
        return Usage(bytes=self._bytes, blocks=self._blocks, head=self._head, done=dict(self._done))

    def close(self) -> None:
        """See `Inbox.close`."""
        if self._thread.is_alive():
            self._jobs.put(None)
            self._thread.join()
        self._reader.close()
        self._writer.close()

    def _write(self) -> None:
        """Take whatever waits, commit it together, answer; until `close`."""
        while True:
            jobs, tasks, last = self._gather()
            if jobs:
                self._commit(jobs)
            for task in tasks:
                self._run(task)
            if last:
                return

    def _gather(self) -> tuple[list[Job], list[Callable[[], None]], bool]:
        jobs: list[Job] = []
        tasks: list[Callable[[], None]] = []
        item = self._jobs.get()
        while item is not None:
            if callable(item):
                tasks.append(item)
            else:
                jobs.append(item)
            if len(jobs) >= GROUP:
                return jobs, tasks, False
            try:
                item = self._jobs.get_nowait()
            except queue.Empty:
                return jobs, tasks, False
        return jobs, tasks, True

    def _commit(self, jobs: list[Job]) -> None:
        jobs = [job for job in jobs if job[1].set_running_or_notify_cancel()]
        refusal = self._full()
        if refusal is not None:
            for _, future in jobs:
                future.set_exception(InboxFullError(refusal))
            return
        try:
            with self._writer:
                outcomes = [self._store(delivery) for delivery, _ in jobs]
        except Exception as error:  # noqa: BLE001 - whatever it is, all who wait must hear of it
            self._fail(jobs, error)
            return
        self._bytes, self._blocks, self._head = self._counted
        for (_, future), outcome in zip(jobs, outcomes, strict=True):
            future.set_result(outcome)

    def _store(self, delivery: Delivery) -> Outcome:
        """One delivery inside the transaction: new blocks, the watermark and the gaps together."""
        verdicts: list[Verdict] = []
        marks = self._ledger.open(delivery.identity.agent, delivery.stream)
        identity = msgspec.json.encode(delivery.identity)
        for arrival in delivery.arrivals:
            verdict = marks.judge(arrival.lane, arrival.block, arrival.sha256)
            if verdict == "stored":
                self._writer.execute(
                    "INSERT INTO block (identity, host, stream, lane, number, sha256, received, skew, packed)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        identity, delivery.host, delivery.stream, arrival.lane, arrival.block, arrival.sha256,
                        delivery.received, delivery.skew, arrival.packed,
                    ),
                )  # fmt: skip
                marks.note(arrival.lane, arrival.block, arrival.sha256, arrival.events)
                size, blocks, _ = self._counted
                self._counted = size + len(arrival.packed), blocks + 1, self._writer.last_insert_rowid()
            verdicts.append(verdict)
        lost = sum(marks.note_gap(gap) for gap in delivery.gaps)
        through: dict[Lane, int] = marks.close()
        return Outcome(verdicts=verdicts, through=through, lost=lost, total=marks.total)

    def _fail(self, jobs: list[Job], error: Exception) -> None:
        """The transaction was rolled back: nothing of it is stored, and every agent will send again."""
        self._counted = self._bytes, self._blocks, self._head
        self._ledger.forget()
        full = isinstance(error, apsw.FullError | apsw.IOError)
        log.error("inbox: %d deliveries not stored: %s", len(jobs), error)
        for _, future in jobs:
            future.set_exception(InboxFullError(str(error)) if full else InboxError(str(error)))

    def _full(self) -> str | None:
        self._counted = self._bytes, self._blocks, self._head
        if self._bytes >= self._limit:
            return f"the inbox holds {self._bytes} bytes; its limit is {self._limit}"
        disk = os.statvfs(self._path.parent)
        free = disk.f_bavail * disk.f_frsize
        return f"{free} bytes free on the disk; {self._min_free} are reserved" if free < self._min_free else None

    def _note_done(self, consumer: Consumer, seq: int) -> None:
        with self._writer:
            self._writer.execute("INSERT OR REPLACE INTO consumer VALUES (?, ?)", (consumer, seq))
            passed = min(self._done.values())
            if passed - self._pruned < PRUNE_EVERY and passed != self._head:
                return
            size, blocks = self._measure(passed)
            self._writer.execute("DELETE FROM block WHERE seq <= ?", (passed,))
        self._pruned = passed
        self._bytes, self._blocks = self._bytes - size, self._blocks - blocks

    def _run(self, task: Callable[[], None]) -> None:
        try:
            task()
        except apsw.Error as error:
            log.error("inbox: housekeeping failed and will be repeated: %s", error)

    def _measure(self, through: int) -> tuple[int, int]:
        """Packed bytes and number of the blocks up to a sequence number."""
        row = self._writer.execute(
            "SELECT coalesce(sum(length(packed)), 0), count(*) FROM block WHERE seq <= ?", (through,)
        ).fetchone()
        assert row is not None
        return int(row[0]), int(row[1])

    def _newest(self) -> int:
        row = self._writer.execute("SELECT seq FROM sqlite_sequence WHERE name = 'block'").fetchone()
        return int(row[0]) if row else 0


def _open(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(10_000)
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        f"cache_size = -{CACHE_KIB}",
        "temp_store = MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _block(row: tuple[Any, ...]) -> InboxBlock:
    return InboxBlock(
        seq=row[0],
        identity=msgspec.json.decode(row[1], type=Identity),
        host=row[2],
        stream=row[3],
        lane=row[4],
        block=row[5],
        sha256=row[6],
        received=row[7],
        skew=row[8],
        packed=row[9],
    )
