"""What the process sensor costs under a storm of process starts, and whether it sees every one.

`python bench/agent_process.py [--quick]` (root) prints one JSON line. Helper, sensor and spool are real; the
percentage is of one core, helper and main process together, over the whole storm.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from agent import clock
from agent.config import Config
from agent.helper import HelperClient, run_split
from agent.layout import Layout
from agent.sensors.process import ProcessSensor
from agent.sink import SpoolSink
from agent.spool import Spool
from agent.spoolfile import Owner
from agent.tally import Tally
from wire.block import Lane
from wire.event import Event

PER_SECOND = 200
STORM = """
import os, sys, time
rate, seconds = int(sys.argv[1]), float(sys.argv[2])
begin = time.monotonic()
for n in range(int(rate * seconds)):
    time.sleep(max(0.0, begin + n / rate - time.monotonic()))
    os.waitpid(os.posix_spawn("/bin/true", ["/bin/true", f"storm-{n}", "an argument"], os.environ), 0)
"""
SETTLE_SECONDS = 2.0


class StormSink(SpoolSink):
    """Looks for the storm's numbers on the way to the spool."""

    def __init__(self, spool: Spool, tally: Tally) -> None:
        super().__init__("process", spool, tally)
        self.seen: set[int] = set()

    def emit_many(self, lane: Lane, events: Sequence[Event], bookmark: tuple[str, bytes] | None = None) -> None:
        """See `Sink.emit_many`."""
        for event in events:
            if found := re.fullmatch(r"/bin/true storm-(\d+) an argument", str(event.fields["CommandLine"])):
                self.seen.add(int(found[1]))
        super().emit_many(lane, events, bookmark)


def helper_seconds() -> float:
    """Processor time the helper, our parent, has used."""
    fields = Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main_seconds() -> float:
    """Processor time this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(helper: HelperClient, layout: Layout, seconds: float) -> dict[str, float]:
    """Run the storm beside the sensor."""
    tally = Tally()
    spool = Spool(layout.spool, Owner("a" * 16, clock.machine_id(), clock.boot_id()), Config().spool, tally)
    sink, stop = StormSink(spool, tally), threading.Event()
    sensor = threading.Thread(target=ProcessSensor(Config().sensors.process, helper).run, args=(sink, stop))
    sensor.start()
    time.sleep(SETTLE_SECONDS)
    before, begin = (helper_seconds(), main_seconds()), time.monotonic()
    subprocess.run([sys.executable, "-c", STORM, str(PER_SECOND), str(seconds)], check=True)
    took = time.monotonic() - begin
    time.sleep(SETTLE_SECONDS)
    used = (helper_seconds() - before[0], main_seconds() - before[1])
    stop.set()
    sensor.join()
    spool.close(5.0)
    started = int(PER_SECOND * seconds)
    return {
        "exec_storm_core_percent": round(100 * sum(used) / took, 2),
        "exec_storm_helper_percent": round(100 * used[0] / took, 2),
        "exec_storm_main_percent": round(100 * used[1] / took, 2),
        "exec_storm_seen_ratio": len(sink.seen) / started,
        "exec_storm_per_second": round(started / took, 1),
        "lost": sum(tally.read("sensor_counts").values()),
    }


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a storm of 2 seconds instead of 10")
    seconds = 2.0 if parser.parse_args().quick else 10.0
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o711)
        layout = Layout(Path(directory))
        figures = layout.run / "figures"

        def inside(helper: HelperClient) -> int:
            figures.write_text(json.dumps(measure(helper, layout, seconds)))
            return 0

        status = run_split(inside, Config(), layout)
        if status == 0:
            print(figures.read_text())
        return status


if __name__ == "__main__":
    sys.exit(main())
