"""What a batch costs the gateway, over real TLS and with every batch durable before its receipt.

`python bench/gateway.py [--quick]` prints one JSON line a figure. CPU is that of the gateway's process alone, all
threads. The baseline is the same blocks in a bare SQLite table, one transaction (synchronous=FULL) each.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

sys.path.insert(1, str(Path(__file__).parents[1]))

from spool import events

from tests.gateway.harness import Agent, GatewayProcess, Responder, identity
from tests.gateway.trust import Trust
from wire import block
from wire.block import Block, BlockRef

AGENTS = 16
BATCHES = 4_000
EVENTS = 32
"""In a batch: what a busy server has to tell in a few seconds."""


def main() -> None:
    """Run all and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="an eighth of the batches")
    each = BATCHES // (8 if parser.parse_args().quick else 1) // AGENTS
    for loop in ("uvloop", "asyncio"):
        with tempfile.TemporaryDirectory() as directory:
            deliver(Path(directory), each, loop)


def deliver(directory: Path, each: int, loop: str) -> None:
    """All agents send `each` batches as fast as they are answered."""
    (directory / "run").mkdir()
    trust = Trust(directory)
    responder = Responder(directory / "run/responder.sock")
    gateway = GatewayProcess(directory, trust, loop=loop)
    gateway.start()
    agents = []
    for number in range(AGENTS):
        pem, serial = trust.agent(identity(number))
        responder.admit(identity(number), serial)
        agents.append(Agent(gateway, identity(number), pem))
    bodies = [[agent.body(cut(agent, n)) for n in range(2, each + 2)] for agent in agents]
    for agent in agents:
        agent.deliver(1)
    process = psutil.Process(gateway.pid)
    before, started = process.cpu_times(), time.perf_counter()
    threads = [
        threading.Thread(target=send, args=(agent, mine)) for agent, mine in zip(agents, bodies, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall, after = time.perf_counter() - started, process.cpu_times()
    memory = process.memory_info().rss
    count = AGENTS * each
    cpu = (after.user - before.user) + (after.system - before.system)
    bare = bare_inserts(directory, [body for mine in bodies for body in mine])
    show(f"cpu_us_per_batch_{loop}", cpu / count * 1e6, baseline=bare["cpu_us"])
    show(f"batches_per_s_{loop}", count / wall, baseline=bare["per_s"])
    show(f"rss_mb_{loop}", memory / 1e6)
    if loop == "uvloop":
        show("bytes_per_event", sum(len(b) for mine in bodies for b in mine) / count / EVENTS)
    gateway.stop()
    responder.close()


def cut(agent: Agent, number: int) -> tuple[BlockRef, bytes]:
    """A block of process starts as the spool's benchmark has them."""
    made = Block(agent=agent.who.agent, stream=agent.stream, lane="security", block=number, events=events(EVENTS))
    packed = block.pack(made)
    return block.reference(made, packed), packed


def send(agent: Agent, bodies: list[bytes]) -> None:
    """Send each; one that comes too fast is sent again."""
    for body in bodies:
        while (status := agent.post(body)[0]) == 429:
            time.sleep(0.2)
        assert status == 200, status
    agent.close()


def bare_inserts(directory: Path, bodies: list[bytes]) -> dict[str, float]:
    """CPU and speed of nothing but the durable inserts."""
    database = sqlite3.connect(directory / "bare.sqlite")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE block (seq INTEGER PRIMARY KEY, packed BLOB)")
    cpu, started = time.process_time(), time.perf_counter()
    for body in bodies:
        with database:
            database.execute("INSERT INTO block (packed) VALUES (?)", (body,))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - started
    database.close()
    return {"cpu_us": cpu / len(bodies) * 1e6, "per_s": len(bodies) / wall}


def show(figure: str, value: float, **more: float) -> None:
    """One line."""
    rounded = {key: round(number, 1) for key, number in more.items()}
    print(json.dumps({"bench": "gateway", "figure": figure, "value": round(value, 1), **rounded}))


if __name__ == "__main__":
    main()
