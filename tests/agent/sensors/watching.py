"""`watching.py DIRECTORY SENSOR`: the real helper, and in its main process one sensor that prints its events."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec

from agent.config import Config, LogFile, LogsConfig, SensorsConfig
from agent.helper import HelperClient, run_split
from agent.layout import Layout
from agent.sensors import sensors
from tests.agent.sensors.collected import Collected
from wire.block import Lane
from wire.event import Event

DATA = Path(sys.argv[1])


class Printing(Collected):
    """Every event as a line of JSON."""

    def emit_many(self, lane: Lane, events: Sequence[Event], bookmark: tuple[str, bytes] | None = None) -> None:
        for event in events:
            sys.stdout.write("event " + msgspec.json.encode(event).decode() + "\n")
        sys.stdout.flush()

    def count(self, name: str, n: int = 1) -> None:
        print("count", name, n, flush=True)


def watch(helper: HelperClient) -> int:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
    (sensor,) = (each for each in sensors(CONFIG, helper) if each.name == sys.argv[2])
    print("availability", sensor.availability().works, sensor.availability().reason, flush=True)
    print("main", os.getpid(), flush=True)
    sensor.run(Printing(), stop)
    return 0


CONFIG = Config(sensors=SensorsConfig(logs=LogsConfig(files=(LogFile(path=str(DATA / "auth.log")),))))

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    sys.exit(run_split(watch, CONFIG, Layout(DATA)))
