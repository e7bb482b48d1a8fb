"""The detector's loop: every event matched once, through kills, a responder that is away, and changing rules."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from collector import damage
from collector.consumer import Cursor
from collector.detection.engine import Engine
from collector.detection.live import LiveDetector
from collector.detection.load import load
from collector.detector import Detection, Rules
from collector.door import Door, DoorServer, serve_door
from collector.inbox import Arrival, Delivery
from collector.messages import Accepted, Answer, InboxBlock, Match, Matches, ResponderRequest, RuleCard, RuleReport
from tests.inbox_door import AGENT, STREAM, InboxDoor, identity

ROOT = Path(__file__).parents[1]
KILLS = 20

RULE = """\
title: {title}
id: 5a0f1ed5-6c8c-4f0a-9d0e-0c4a7e9f1b1{digit}
status: test
level: high
logsource: {{product: linux, category: process_creation}}
detection:
  selection: {{CommandLine|contains: {word}}}
  condition: selection
lienphong: {{vi: {{title: Dấu}}}}
"""

CHILD = (
    "import sys; from pathlib import Path; from collector.detector import run; a = list(map(Path, sys.argv[1:]));"
    "run(a[0], [a[1]], a[2], a[3], lambda: None)"
)


class Breaking(LiveDetector):
    """An engine with a fault."""

    def __init__(self) -> None:
        super().__init__(Engine(load([])))

    def matches(self, block: InboxBlock) -> list[Match]:
        raise RecursionError


class Responder:
    """A responder's door that keeps what it accepted, and can be away."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.matches: dict[str, Match] = {}
        self.deliveries: Counter[str] = Counter()
        self.cards: dict[str, RuleCard] = {}
        self.reports: list[RuleReport] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._server: DoorServer | None = None
        self.come()

    async def _answer(self, request: ResponderRequest) -> Answer:
        if isinstance(request, RuleReport):
            self.reports.append(request)
        elif isinstance(request, Matches):
            self.matches |= {match.id: match for match in request.matches}
            self.deliveries.update(match.id for match in request.matches)
            self.cards |= {card.hash: card for card in request.rules}
        return Accepted()

    def come(self) -> None:
        self._server = asyncio.run_coroutine_threadsafe(
            serve_door(self.path, ResponderRequest, self._answer), self._loop
        ).result(10)

    def leave(self) -> None:
        assert self._server is not None
        asyncio.run_coroutine_threadsafe(self._server.close(), self._loop).result(10)
        self.path.unlink()

    def close(self) -> None:
        if self.path.exists():
            self.leave()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def commands(self) -> Counter[str]:
        return Counter(str(match.event.fields["CommandLine"]) for match in self.matches.values())


class Bench:
    """An inbox, a responder and rules around a detector's process."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.inbox = InboxDoor(directory)
        self.responder = Responder(directory / "responder.sock")
        self.rules = directory / "rules"
        self.rules.mkdir()
        self.rule("one", "marker", 1)
        (directory / "detector").mkdir()
        self.log = directory / "log"

    def rule(self, title: str, word: str, digit: int) -> None:
        temporary = self.directory / "rule.tmp"
        temporary.write_text(RULE.format(title=title, word=word, digit=digit))
        temporary.replace(self.rules / f"{title}.yml")

    def start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [
                    sys.executable, "-c", CHILD, str(self.directory / "detector"), str(self.rules),
                    str(self.inbox.path), str(self.responder.path),
                ],
                cwd=ROOT, stderr=log,
            )  # fmt: skip

    def close(self) -> None:
        self.responder.close()
        self.inbox.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


@pytest.fixture
def running(bench: Bench) -> Iterator[subprocess.Popen[bytes]]:
    process = bench.start()
    until(lambda: bool(bench.responder.reports), "the report of the rules")
    yield process
    process.terminate()
    assert process.wait(20) == 0


def until(done: Callable[[], bool], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)


def test_a_match_says_rule_event_and_why(bench: Bench, running: subprocess.Popen[bytes]) -> None:
    bench.inbox.put(1, ["nothing", "echo marker"])
    until(lambda: bool(bench.responder.matches), "the match")
    (match,) = bench.responder.matches.values()
    assert match.event_id == f"{AGENT}/{STREAM}/security/1/1"
    assert match.fields == {"CommandLine": "echo marker"}
    assert (match.host, match.level, match.identity.agent) == ("may-1", "high", AGENT)
    card = bench.responder.cards[match.rule_hash]
    assert card.titles == {"en": "one", "vi": "Dấu"}
    assert "CommandLine|contains: marker" in card.source
    assert (bench.responder.reports[0].active, bench.responder.reports[0].refused) == (1, 0)


def test_killed_twenty_times_every_event_is_matched_once(bench: Bench) -> None:
    chance = random.Random(5)
    number = 0
    for _ in range(KILLS):
        process = bench.start()
        reports = len(bench.responder.reports)
        until(lambda reports=reports: len(bench.responder.reports) > reports, "the report")  # type: ignore[misc]
        for _ in range(chance.randrange(1, 12)):
            number += 1
            bench.inbox.put(number, [f"echo marker {number}.{i}" for i in range(10)])
            time.sleep(chance.uniform(0, 0.01))
        process.kill()
        process.wait(10)
    reports = len(bench.responder.reports)
    process = bench.start()
    until(lambda: len(bench.responder.reports) > reports, "the last process's report")
    wanted = Counter(f"echo marker {n}.{i}" for n in range(1, number + 1) for i in range(10))
    until(lambda: bench.responder.commands() == wanted, "every match, once")
    process.terminate()
    assert process.wait(20) == 0
    assert bench.inbox.inbox.usage().done["detector"] == number


def test_matches_wait_for_a_responder_that_is_away(bench: Bench, running: subprocess.Popen[bytes]) -> None:
    bench.responder.leave()
    for number in range(1, 6):
        bench.inbox.put(number, [f"marker {number}"])
    until(lambda: bench.inbox.inbox.usage().done["detector"] == 5, "the cursor going on")
    assert not bench.responder.matches
    bench.responder.come()
    until(lambda: len(bench.responder.matches) == 5, "the matches that waited")


def test_changed_rules_take_over_without_losing_an_event(bench: Bench, running: subprocess.Popen[bytes]) -> None:
    bench.rule("two", "other", 2)
    (bench.rules / "broken.yml").write_text("title: broken\ndetection: [")
    number = 0
    while len(bench.responder.reports) < 2:
        number += 1
        bench.inbox.put(number, [f"marker {number}"])
        assert number < 3000, bench.log.read_text()
        time.sleep(0.01)
    bench.inbox.put(number + 1, ["other"])
    until(lambda: bench.responder.commands()["other"] == 1, "the new rule's match")
    assert sum(bench.responder.commands().values()) == number + 1
    report = bench.responder.reports[-1]
    assert (report.active, report.refused) == (2, 1)
    assert "broken.yml" in report.refused_rules[0].file


def test_a_damaged_block_is_an_alert_and_holds_nothing_up(bench: Bench, running: subprocess.Popen[bytes]) -> None:
    damaged = Arrival(lane="security", block=1, sha256="0" * 64, events=1, packed=b"not zstd")
    bench.inbox.inbox.append(
        Delivery(identity=identity(), host="may-1", stream=STREAM, received=1, skew=0, arrivals=[damaged])
    ).result(10)
    bench.inbox.put(2, ["echo marker"])
    until(lambda: len(bench.responder.matches) == 2, "the match behind the damaged block")
    told = next(match for match in bench.responder.matches.values() if match.rule_hash == damage.CARD.hash)
    assert (told.event_id, told.fields) == (f"{AGENT}/{STREAM}/security/1", {"reason": "unreadable"})
    assert bench.responder.cards[told.rule_hash] == damage.CARD
    assert bench.inbox.inbox.usage().done["detector"] == 2


def test_a_block_that_breaks_the_engine_is_an_alert_and_ends_nothing(bench: Bench) -> None:
    rules = Rules([bench.rules])
    cursor = Cursor(bench.directory / "detector.sqlite")
    bench.inbox.put(1, ["echo marker"])
    rules.live = Breaking()
    with Door(bench.responder.path) as sink:
        detection = Detection(cursor, rules, sink, lambda: False)
        detection.take(bench.inbox.inbox.fetch(0, 1)[0])
        detection.idle()
    (told,) = bench.responder.matches.values()
    assert told.fields == {"reason": "detection_failed"}
    assert cursor.seq == 1


def test_sighup_loads_the_rules_again(bench: Bench, running: subprocess.Popen[bytes]) -> None:
    reports = len(bench.responder.reports)
    os.kill(running.pid, signal.SIGHUP)
    until(lambda: len(bench.responder.reports) > reports, "another report")
