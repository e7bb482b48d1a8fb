"""What the detector and the archiver share: a durable cursor over the inbox, and the loop that moves it."""

from __future__ import annotations

import logging
import random
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import apsw

from collector.door import Door, DoorError
from collector.inbox import Consumer
from collector.messages import Accepted, Done, Fault, Fetch, Fetched, InboxBlock

FETCH_WAIT_S = 2.0
"""How long a fetch waits for news: bounds how long SIGTERM takes."""

LONGEST_PAUSE_S = 2.0

SCHEMA = "CREATE TABLE IF NOT EXISTS cursor (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL)"

log = logging.getLogger(__name__)


class Work(Protocol):
    """What a consumer does with blocks. `take` makes its effects and the cursor durable in one transaction."""

    def take(self, blocks: Sequence[InboxBlock]) -> None:
        """Everything through the last block's `seq` has taken effect when this returns."""
        ...

    def idle(self) -> None:
        """Called between fetches, also when there is nothing new."""
        ...


class Cursor:
    """How far a consumer is, in its own SQLite file (WAL, synchronous=FULL)."""

    def __init__(self, path: Path) -> None:
        self.connection = apsw.Connection(str(path))
        self.connection.set_busy_timeout(10_000)
        for pragma in ("journal_mode = WAL", "synchronous = FULL"):
            self.connection.execute(f"PRAGMA {pragma}")
        self.connection.execute(SCHEMA)

    @property
    def seq(self) -> int:
        """Everything through this is done."""
        row = self.connection.execute("SELECT seq FROM cursor").fetchone()
        return int(row[0]) if row else 0

    def move(self, seq: int) -> None:
        """Part of the caller's transaction."""
        self.connection.execute("INSERT OR REPLACE INTO cursor VALUES (1, ?)", (seq,))


class Loop:
    """Fetches from the gateway's door and hands to `work` until told to stop.

    The gateway being away or the disk being full stops nothing for good: the inbox keeps what is not done, and the
    loop tries again after a jittered pause.
    """

    def __init__(
        self,
        consumer: Consumer,
        door: Door,
        cursor: Cursor,
        work: Work,
        stopping: threading.Event,
        limit: int = 64,
    ) -> None:
        self._consumer, self._door, self._cursor, self._work, self._limit = consumer, door, cursor, work, limit
        self._told = 0
        self.stopping = stopping

    def stop_on_signals(self) -> None:
        """SIGTERM and SIGINT end the loop after the work under way."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stopping.set())

    def run(self) -> None:
        """Until `stopping` is set."""
        pause = 0.05
        while not self.stopping.is_set():
            try:
                self._once()
                pause = 0.05
            except (DoorError, OSError, apsw.Error) as error:
                log.warning("%s: nothing is lost; trying again", error)
                pause = min(pause * 2, LONGEST_PAUSE_S)
                self.stopping.wait(random.uniform(pause / 2, pause))  # noqa: S311 - jitter

    def _once(self) -> None:
        self._tell()
        seq = self._cursor.seq
        answer = self._door.ask(
            Fetch(consumer=self._consumer, after=seq, limit=self._limit, wait=FETCH_WAIT_S), FETCH_WAIT_S + 30
        )
        if not isinstance(answer, Fetched):
            raise DoorError(f"gateway: {answer.detail if isinstance(answer, Fault) else type(answer).__name__}")
        if answer.blocks:
            self._check(answer.blocks, seq)
            self._work.take(answer.blocks)
            self._tell()
        self._work.idle()

    def _check(self, blocks: Sequence[InboxBlock], after: int) -> None:
        """Sequence numbers are given in order of commit, without holes, and pruned only when all consumers passed
        them: a hole would be a loss, and is never stepped over in silence."""
        for block in blocks:
            if block.seq != after + 1:
                log.error("the inbox skips from %d to %d: blocks between were lost", after, block.seq)
            after = block.seq

    def _tell(self) -> None:
        """Say how far the cursor is: not how far the fetch went, of which the work may have taken a part, and also
        after a start, when the run before may have ended between its commit and its word."""
        seq = self._cursor.seq
        if seq == self._told:
            return
        answer = self._door.ask(Done(consumer=self._consumer, seq=seq))
        if not isinstance(answer, Accepted):
            raise DoorError(f"gateway: {answer.detail if isinstance(answer, Fault) else type(answer).__name__}")
        self._told = seq
