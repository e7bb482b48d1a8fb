"""The real helper and sensors at work, in a process of their own, for whoever wants to see what they yield.

`Watch` starts this module as a program: root helper, unprivileged main process, sensors `process` and `logs`, and
a sink that writes each event as one JSON line to standard output.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

import msgspec

from agent.config import Config, LogFile, LogsConfig, ProcessConfig, SensorsConfig
from agent.helper import HelperClient, run_split
from agent.layout import Layout
from agent.sensor import Sensor
from agent.sensors.logs import LogSensor
from agent.sensors.process import ProcessSensor
from wire.block import Lane
from wire.event import Event
from wire.health import HealthSample

PROJECT = Path(__file__).resolve().parents[2]
WAIT_SECONDS = 20.0
CANARY = "/bin/true"


class LineSink:
    """Events to standard output; bookmarks as long as the process lives."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bookmarks: dict[str, bytes] = {}

    def emit(self, lane: Lane, event: Event) -> None:
        self.emit_many(lane, [event])

    def emit_many(self, lane: Lane, events: Sequence[Event], bookmark: tuple[str, bytes] | None = None) -> None:
        with self._lock:
            if bookmark:
                self._bookmarks[bookmark[0]] = bookmark[1]
            os.write(sys.stdout.fileno(), b"".join(msgspec.json.encode(event) + b"\n" for event in events))

    def sample(self, sample: HealthSample) -> None:
        self.emit("routine", sample.as_event())

    def bookmark(self, name: str) -> bytes | None:
        return self._bookmarks.get(name)

    def count(self, name: str, n: int = 1) -> None:
        print(f"{name} +{n}", file=sys.stderr, flush=True)


def main(data: Path, log: Path) -> int:
    """Helper and sensors until SIGTERM; see `Watch`."""
    config = Config(
        sensors=SensorsConfig(
            process=ProcessConfig(),
            logs=LogsConfig(poll_seconds=0.05, files=(LogFile(path=str(log)),)),
        )
    )

    def work(helper: HelperClient) -> int:
        stop = threading.Event()
        signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
        sink = LineSink()
        sensors: list[Sensor] = [
            ProcessSensor(config.sensors.process, helper),
            LogSensor(config.sensors.logs, helper),
        ]
        threads = [threading.Thread(target=sensor.run, args=(sink, stop)) for sensor in sensors]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return 0

    return run_split(work, config, Layout(data))


class Watch:
    """Events as they come, from `with` to the end of it. `directory` must be empty and is given to the sensors;
    `log_directory/auth.log` is followed."""

    def __init__(self, directory: Path, log_directory: Path) -> None:
        self.events: list[Event] = []
        self._directory = directory
        self._log = log_directory / "auth.log"

    def __enter__(self) -> Watch:
        self._errors = (self._directory / "watch.log").open("w+")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.rules.watch", self._directory / "agent", self._log],
            cwd=PROJECT, stdout=subprocess.PIPE, stderr=self._errors, start_new_session=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.settle()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(WAIT_SECONDS)
        self._reader.join()
        if self._process.stdout:
            self._process.stdout.close()
        self._errors.close()

    def settle(self) -> None:
        """Return when everything that was started before this call has been seen: a program of our own is."""
        mark = uuid.uuid4().hex

        def seen() -> bool:
            subprocess.run([CANARY, mark], check=True)
            return any(mark in str(event.fields.get("CommandLine")) for event in self.events[-500:])

        self.wait_for(seen, "a start of our own")

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until the condition holds.

        Raises:
            AssertionError: not in time; says what did not come.
        """
        deadline = time.monotonic() + WAIT_SECONDS
        while not condition():
            assert self._process.poll() is None, f"the sensors ended: {self._said()}"
            assert time.monotonic() < deadline, f"{what} was not seen: {self._said()}"
            time.sleep(0.05)

    def _said(self) -> str:
        self._errors.seek(0)
        return self._errors.read()[-4_000:]

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self.events.append(msgspec.json.decode(line, type=Event))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
