"""How fast the agent's spool takes events, next to what the same events cost a bare SQLite table.

`python bench/spool.py [--quick]` prints one JSON line. Everything is durable (synchronous=FULL) in both.
"""

from __future__ import annotations

import argparse
import json
import resource
import sqlite3
import tempfile
import time
from pathlib import Path

import msgspec

from agent.config import SpoolConfig
from agent.spool import Spool
from agent.spoolfile import Owner
from agent.tally import Tally
from wire.event import Event, Logsource

PROCESS = Logsource(product="linux", category="process_creation")
CHUNK = 256
"""Events a sensor hands over at a time."""


def events(number: int) -> list[Event]:
    """Process starts that differ from each other as those of a busy server do."""
    return [
        Event(
            time=1_764_000_000_000_000 + i * 531,
            mono=123_456_789 + i * 531,
            source=PROCESS,
            origin="kernel",
            fields={
                "Image": "/usr/bin/cat",
                "CommandLine": f"cat /var/lib/app/{i * 7919 % 100_003}/state --id {i}",
                "CurrentDirectory": f"/srv/app{i % 13}",
                "User": "www-data",
                "ProcessId": 1_000 + i % 30_000,
                "ParentProcessId": 999,
                "ParentImage": "/bin/bash",
                "ParentCommandLine": f"bash -c run {i % 17}",
                "TerminalId": "pts0",
                "auid": 33,
            },
        )
        for i in range(number)
    ]


def spool(sample: list[Event], directory: Path) -> tuple[float, float, int]:
    """Seconds of wall and of CPU until all is durable, and bytes held."""
    owner = Owner("a" * 16, "bench", "boot")
    outbox = Spool(
        directory, owner, SpoolConfig(max_bytes=1 << 32, memory_bytes=1 << 26, min_free_bytes=0), Tally()
    )
    cpu, wall = time.process_time(), time.perf_counter()
    for start in range(0, len(sample), CHUNK):
        outbox.put("security", sample[start : start + CHUNK], ("bench", b"%d" % start))
    outbox.flush(60)
    figures = time.perf_counter() - wall, time.process_time() - cpu, outbox.state().bytes
    outbox.close(60)
    return figures


def baseline(sample: list[Event], directory: Path) -> float:
    """The naive way: one JSON row an event, committed as often as the spool does."""
    db = sqlite3.connect(directory / "baseline.sqlite", isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, body BLOB)")
    wall = time.perf_counter()
    for start in range(0, len(sample), 1_300):
        db.execute("BEGIN")
        rows = [(msgspec.json.encode(event),) for event in sample[start : start + 1_300]]
        db.executemany("INSERT INTO events (body) VALUES (?)", rows)
        db.execute("COMMIT")
    return time.perf_counter() - wall


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the events")
    sample = events(40_000 if parser.parse_args().quick else 400_000)
    with tempfile.TemporaryDirectory() as temporary:
        wall, cpu, held = spool(sample, Path(temporary))
        naive = baseline(sample, Path(temporary))
    figures = {
        "bench": "spool",
        "events": len(sample),
        "append_events_per_s": round(len(sample) / wall),
        "append_us_cpu_per_event": round(cpu / len(sample) * 1e6, 2),
        "bytes_per_event": round(held / len(sample), 1),
        "sqlite_rows_events_per_s": round(len(sample) / naive),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
