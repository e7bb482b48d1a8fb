"""How fast matches become alerts, and how long a page of the queue takes with a hundred thousand of them.

`python bench/responder.py [--quick]` prints one JSON line a figure. Everything is durable (synchronous=FULL). The
baseline of the upserts is the same number of rows in a bare SQLite table, as many a transaction; that of a page
is the bound set for any action of the console, 0.1 s.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import msgspec

from collector.api.stream import Hub
from collector.incidents import Filters, act, detail, page, since, take
from collector.messages import Match, Matches, RuleCard
from collector.state import Database, connect, upgrade
from wire.event import Event, Logsource
from wire.identity import Identity

ALERTS = 100_000
BATCH = 500
HOUR_US = 3_600 * 1_000_000
START_US = 1_790_000_000_000_000
BOUND_S = 0.1
LEVELS = ("low", "medium", "high", "critical")
RULES = [f"rule-{number}" for number in range(200)]


def main() -> None:
    """Run all and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a fifth of the alerts, fewer questions")
    quick = parser.parse_args().quick
    size, questions = (ALERTS // 5, 40) if quick else (ALERTS, 200)
    with tempfile.TemporaryDirectory() as directory:
        database = connect(f"sqlite:///{directory}/state.sqlite")
        upgrade(database)
        intake(database, size, bare(Path(directory), size))
        queries(database, questions)
        fan_out(database, questions // 4)
        database.close()


def intake(database: Database, size: int, baseline: float) -> None:
    """Fill the queue: one new alert a match; then as many matches into alerts that are there."""
    for figure, again in (("new_alerts_per_s", 0), ("matches_into_alerts_per_s", 1), ("repeats_per_s", 1)):
        count = size if not again else size // 5
        started = time.perf_counter()
        for matches in batches(count, again):
            with database.write() as connection:
                take(connection, matches)
        tell(figure, count / (time.perf_counter() - started), "1/s", baseline)


def bare(directory: Path, size: int) -> float:
    """Rows a second into a plain table, as many a transaction and as durable."""
    plain = sqlite3.connect(directory / "bare.sqlite", isolation_level=None)
    plain.execute("PRAGMA journal_mode=WAL")
    plain.execute("PRAGMA synchronous=FULL")
    plain.execute("CREATE TABLE matches (id TEXT PRIMARY KEY, body BLOB) WITHOUT ROWID")
    prepared = [[(m.id, msgspec.json.encode(m)) for m in b.matches] for b in batches(size // 5, 0)]
    started = time.perf_counter()
    for rows in prepared:
        plain.execute("BEGIN IMMEDIATE")
        plain.executemany("INSERT INTO matches VALUES (?, ?)", rows)
        plain.execute("COMMIT")
    plain.close()
    return sum(map(len, prepared)) / (time.perf_counter() - started)


def queries(database: Database, questions: int) -> None:
    """What the console asks, at random places of the queue."""
    with database.read() as connection:
        everywhere = ("",)
        cursors = [""]
        while len(cursors) < 50:
            cursors.append(page(connection, everywhere, Filters(), 200, cursors[-1]).next or "")
        ids = [row.id for row in page(connection, everywhere, Filters(), 200, "").items]
    chance = random.Random(1)
    asked: dict[str, tuple[tuple[str, ...], Filters]] = {
        "page": (everywhere, Filters(statuses=("open",))),
        "page_levels": (everywhere, Filters(statuses=("open",), levels=("high", "critical"))),
        "page_subtree": (("tinh/xa-7",), Filters(statuses=("open",))),
        "page_host": (everywhere, Filters(host="host-77")),
        "page_search": (everywhere, Filters(text="dac biet cong-12")),
        "page_search_open": (everywhere, Filters(text="dac biet", statuses=("open",))),
        "page_search_nothing": (everywhere, Filters(text="zzzz", statuses=("open",))),
    }
    for name, (scopes, filters) in asked.items():
        p95(
            name,
            questions,
            database,
            lambda s=scopes, f=filters: lambda c: page(c, s, f, 50, chance.choice(cursors)),
        )  # type: ignore[misc]
    p95("alert", questions, database, lambda: lambda c: detail(c, everywhere, chance.choice(ids)))
    p95("delta", questions, database, lambda: lambda c: since(c, everywhere, 0))
    timed = []
    for number in range(questions):
        started = time.perf_counter()
        with database.write() as connection:
            act(connection, ids, "acknowledge" if number % 2 else "reopen", "", "bench", everywhere)
        timed.append(time.perf_counter() - started)
    tell("action_on_200_p95_s", quantile(timed), "s", BOUND_S)


def fan_out(database: Database, changes: int) -> None:
    """CPU for one change to reach 200 open streams."""

    async def alive() -> bool:
        return True

    async def run() -> float:
        hub = Hub(database)
        async with asyncio.TaskGroup() as group:
            pump = group.create_task(hub.run())
            streams = [hub.frames(str(n % 50), ("",), None, alive) for n in range(200)]
            for stream in streams:
                await anext(stream)
                await anext(stream)
            cpu = time.process_time()
            for number in range(changes):
                matches = Matches(matches=[made(number, 7)], rules=[])
                await database.writing(lambda c, m=matches: take(c, m))
                hub.announce()
                await asyncio.gather(*(anext(stream) for stream in streams))
            spent = time.process_time() - cpu
            await hub.close()
            pump.cancel()
        return spent / changes

    tell("change_to_200_streams_cpu_s", asyncio.run(run()), "s", 0.25)


def p95(figure: str, questions: int, database: Database, ask: Callable[[], Callable[..., object]]) -> None:
    """Time the questions by the clock, and by the CPU they took (a shared machine's clock says less)."""
    wall, cpu = [], []
    for _ in range(questions):
        started, spent = time.perf_counter(), time.process_time()
        with database.read() as connection:
            msgspec.json.encode(ask()(connection))
        wall.append(time.perf_counter() - started)
        cpu.append(time.process_time() - spent)
    tell(f"{figure}_p95_s", quantile(wall), "s", BOUND_S)
    tell(f"{figure}_cpu_p95_s", quantile(cpu), "s", BOUND_S)


def quantile(timed: list[float]) -> float:
    return statistics.quantiles(timed, n=20)[-1]


def tell(figure: str, value: float, unit: str, baseline: float) -> None:
    line = {"bench": "responder", "figure": figure, "value": value, "unit": unit, "baseline": baseline}
    print(json.dumps(line | {"ratio": value / baseline}), flush=True)


def batches(size: int, again: int) -> Iterator[Matches]:
    cards = [card(rule) for rule in RULES]
    for start in range(0, size, BATCH):
        yield Matches(
            matches=[made(n, again) for n in range(start, start + BATCH)], rules=cards if not start else []
        )


def made(number: int, again: int) -> Match:
    """Every number is an alert of its own; `again` is another match in the same one."""
    rule, detected = RULES[number % len(RULES)], START_US + number * 36_000_000 + again
    agent = f"{number % 1000:04d}".translate(str.maketrans("0189", "abcd")).rjust(16, "a")
    event = Event(
        time=detected - 5_000,
        source=Logsource(product="linux", category="process_creation"),
        origin="kernel",
        fields={
            "Image": "/usr/bin/python3",
            "CommandLine": f"python3 -c import socket,os;s=socket.socket();s.connect(('127.0.0.1',{number}))",
            "User": f"user{number % 50}-{number}",
            "ParentImage": "/bin/bash",
            "ProcessId": number,
        },
    )
    return Match(
        id=sha256(f"{number}/{again}".encode()).hexdigest()[:32],
        rule_id=rule,
        rule_hash=sha256(rule.encode()).hexdigest(),
        level=LEVELS[number % 4],
        identity=Identity(agent=agent, node=f"tinh/xa-{number % 100}", label="noi-bo", role="host"),
        host=f"host-{number % 1000}",
        event_id=f"{agent}/s/security/1/{number}",
        event=event,
        received=detected - 1_000,
        detected=detected,
        fields={"CommandLine": "socket"},
    )


def card(rule: str) -> RuleCard:
    return RuleCard(
        id=rule,
        hash=sha256(rule.encode()).hexdigest(),
        level="high",
        titles={"vi": f"Quy tắc đặc biệt {rule} cổng-{rule[5:]}", "en": f"Special rule {rule}"},
        descriptions={"vi": "Mô tả " * 20, "en": "Description " * 20},
        tags=["attack.execution", "attack.t1059.006"],
        falsepositives=[{"vi": "Quản trị viên", "en": "Administrators"}],
        source="title: x\ndetection:\n  selection:\n    CommandLine|contains: socket\n" * 5,
    )


if __name__ == "__main__":
    main()
