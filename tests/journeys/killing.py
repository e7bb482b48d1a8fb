"""`kill -9` of a process during ingest: nothing acknowledged may be lost, and nothing be there twice."""

from __future__ import annotations

import io
import json
import random
import sqlite3
import threading
import time
from collections import Counter
from pathlib import Path

import zstandard

from tests.journeys.harness import Browser, Collector, Ledger, enrol, wait_for

KILLS = 20
EVENTS = 4
LONGEST_PAUSE_S = 0.6
"""Between a process being ready again and its next kill: long enough to work, short enough to be at work."""


class Feeder(threading.Thread):
    """Delivers numbered blocks one after another until told to stop; the ledger is its own."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self.ledger = ledger
        self.enough = threading.Event()
        self.failure: BaseException | None = None

    def run(self) -> None:
        number = 0
        try:
            while not self.enough.is_set():
                number += 1
                marked = [f"echo lienphong-marker {number}.{i}" for i in range(EVENTS // 2)]
                plain = [f"echo nothing {number}.{i}" for i in range(EVENTS // 2)]
                self.ledger.deliver(number, marked + plain, seconds=90)
        except BaseException as error:  # noqa: BLE001 - told to the test, which raises it
            self.failure = error

    def finish(self) -> None:
        """Let the block under way be acknowledged and end."""
        self.enough.set()
        self.join(120)
        self.ledger.close()
        if self.failure is not None:
            raise self.failure


def kill_often(collector: Collector, role: str, feeder: Feeder, chance: random.Random) -> None:
    """Kill the process `KILLS` times at moments of the harness's choosing, each after it was started again."""
    last = -1
    for _ in range(KILLS):
        wait_for(lambda before=last: collector.pid(role) != before, f"a new {role}")  # type: ignore[misc]
        last = collector.pid(role)
        acknowledged = len(feeder.ledger.acknowledged)
        time.sleep(chance.uniform(0, LONGEST_PAUSE_S))
        collector.kill(role)
        if role in ("detector", "archiver", "signer"):
            wait_for(lambda seen=acknowledged: len(feeder.ledger.acknowledged) > seen, "ingest going on")  # type: ignore[misc]


def counted(browser: Browser) -> int:
    """Matches that the alerts of the queue count."""
    items = browser.read("/alerts", status="all", limit=200)["items"]
    assert isinstance(items, list)
    return sum(int(item["count"]) for item in items)


def archived(data: Path) -> Counter[str]:
    """How often each command line stands in the archive."""
    found: Counter[str] = Counter()
    for path in sorted((data / "archive").rglob("*.zst")):
        with zstandard.open(path, "rb") as stream:
            for line in io.TextIOWrapper(stream, "utf-8"):
                fields = json.loads(line)["event"]["fields"]
                if "CommandLine" in fields:
                    found[fields["CommandLine"]] += 1
    return found


def matches(data: Path) -> list[str]:
    """The id of every match in the state, straight from the file; it hashes rule and event."""
    with sqlite3.connect(f"file:{data / 'state/state.sqlite'}?mode=ro", uri=True) as state:
        return [row[0] for row in state.execute("SELECT id FROM incident_matches")]


def prove(collector: Collector, directory: Path, role: str) -> None:
    """Kill the process of `role` again and again while blocks come in, then count everything at both ends."""
    feeder = Feeder(enrol(collector, directory))
    feeder.start()
    try:
        wait_for(lambda: len(feeder.ledger.acknowledged) > 2, "the first blocks")
        kill_often(collector, role, feeder, random.Random(f"{role}-1"))
    finally:
        feeder.finish()
    commands = [c for sent in feeder.ledger.acknowledged.values() for c in sent]
    marked = [c for c in commands if "lienphong-marker" in c]
    wait_for(collector.answers, "the console's door open again")
    browser = Browser(collector)
    wait_for(lambda: counted(browser) >= len(marked), f"{len(marked)} matches counted", 90)
    wait_for(lambda: sum(archived(collector.data).values()) >= len(commands), "everything archived", 60)
    assert counted(browser) == len(marked)
    assert archived(collector.data) == Counter(commands)
    collector.stop()
    events = matches(collector.data)
    assert len(events) == len(set(events)) == len(marked)
    assert len(commands) > KILLS * EVENTS or role in ("gateway", "responder")
