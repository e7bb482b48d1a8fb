"""An agent of its own, reduced to the division: helper, and a main process that does what it is told.

`splitting.py DIRECTORY WHAT`: WHAT names a function below. Whatever it prints comes to the test.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from pathlib import Path

from agent.config import Config, LogFile, LogsConfig, ProcessConfig, SensorsConfig
from agent.helper import HelperClient, OpenRefusedError, SplitError, run_split, split
from agent.layout import Layout

DATA = Path(sys.argv[1])
LAYOUT = Layout(DATA)
LOG = DATA / "only-root.log"


def tell(*what: object) -> None:
    print(*what, flush=True)


def identity(helper: HelperClient) -> int:
    """Who am I, and what may I do?"""
    status = Path("/proc/self/status").read_text().splitlines()
    for name in ("Uid", "Gid", "Groups", "CapEff", "CapPrm", "CapInh", "CapAmb", "NoNewPrivs"):
        tell(*(line for line in status if line.startswith(name + ":")))
    for path in (LOG, LAYOUT.helper):
        try:
            list(path.iterdir()) if path.is_dir() else path.read_bytes()
        except PermissionError:
            tell("denied", path.name)
    with os.fdopen(helper.open_log(str(LOG)), "rb") as file:
        tell("read", file.read().decode())
    try:
        helper.open_log("/etc/shadow")
    except OpenRefusedError as error:
        tell("refused", error)
    (LAYOUT.spool / "mine").write_text("x")
    return 0


def follow(helper: HelperClient) -> int:
    """Tell of every EXECVE record until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
    helper.start_audit()
    tell("main", os.getpid())
    for batch in helper.records(stop, poll_seconds=0.05):
        for kind, text in batch.records:
            if kind == 1309:
                tell("exec", text.decode())
    tell("clean stop")
    return 0


def crash_once(helper: HelperClient) -> int:
    """Raise the first time; say it the second time."""
    flag = LAYOUT.run / "crashed"
    if not flag.exists():
        flag.write_text("")
        raise RuntimeError("the first time")
    tell("second life")
    return 0


def deaf(helper: HelperClient) -> int:
    """Hear no SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    tell("main", os.getpid())
    threading.Event().wait()
    return 0


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    split.STOP_SECONDS = float(os.environ.get("LIENPHONG_TEST_STOP_SECONDS", split.STOP_SECONDS))
    sensors = SensorsConfig(process=ProcessConfig(), logs=LogsConfig(files=(LogFile(path=str(LOG)),)))
    return run_split(globals()[sys.argv[2]], Config(sensors=sensors), LAYOUT)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SplitError as error:
        sys.exit(f"SplitError: {error}")
