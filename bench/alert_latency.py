"""From a process start on this machine to its alert in the queue: the whole path, real processes, loopback.

Needs root for the audit link. Cold: the first step pays for connections and compiled patterns; warm: the others.
The baseline is one question for the queue over the same HTTPS connection, answered by the same collector.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.journeys.harness import Browser
from tests.journeys.watched import Watched, alert

LIMIT_S = 30.0
POLL_S = 0.01


def main() -> int:
    """Print one JSON line a figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="10 steps instead of 60")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("bench: alert_latency needs root for the audit link", file=sys.stderr)
        return 0
    directory = Path(tempfile.mkdtemp(prefix="lienphong-"))
    directory.chmod(0o755)
    watched = Watched(directory)
    try:
        watched.enrol()
        watched.start()
        report(*measure(Browser(watched.collector), 10 if options.quick else 60))
    finally:
        watched.stop()
        shutil.rmtree(directory)
    return 0


def measure(browser: Browser, steps: int) -> tuple[list[float], list[float]]:
    """Seconds from the start of each step to its line in the queue, and of the questions asked meanwhile."""
    latencies, questions = [], []
    for number in range(steps):
        step = f"bash -i >& /dev/tcp/127.0.0.1/{40_000 + number} 0>&1"
        started = time.monotonic()
        subprocess.run(
            ["bash", "-c", step], stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False
        )
        while True:
            asked = time.monotonic()
            found = alert(browser, step)
            questions.append(time.monotonic() - asked)
            if found is not None:
                break
            if time.monotonic() - started > LIMIT_S:
                raise SystemExit(f"step {number} is not in the queue after {LIMIT_S:.0f} s")
            time.sleep(POLL_S)
        latencies.append(time.monotonic() - started)
    return latencies, questions


def report(latencies: list[float], questions: list[float]) -> None:
    """The figures, each beside the median question."""
    baseline = statistics.median(questions)
    warm = sorted(latencies[1:])
    for figure, value in (
        ("alert_cold_s", latencies[0]),
        ("alert_median_s", statistics.median(warm)),
        ("alert_p95_s", warm[min(len(warm) - 1, int(len(warm) * 0.95))]),
    ):
        line = {"bench": "alert_latency", "figure": figure, "value": round(value, 4), "unit": "s"}
        print(json.dumps({**line, "baseline": round(baseline, 5), "ratio": round(value / baseline, 1)}))


if __name__ == "__main__":
    sys.exit(main())
