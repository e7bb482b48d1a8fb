"""The supervisor restarts what dies, lets the rest go on, and leaves no orphan behind, however it ends itself."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from collector.supervisor import ROLES
from tests.journeys.harness import Collector

CHILD = """
import os, sys, time
from pathlib import Path
from collector.privileges import end_with_parent
from collector.supervisor import SUPERVISOR_PID, announce_ready

end_with_parent(int(os.environ[SUPERVISOR_PID]))
role, directory = sys.argv[1], Path(sys.argv[2])
with (directory / f"{role}.starts").open("a") as file:
    file.write(f"{os.getpid()}\\n")
announce_ready()
time.sleep(600)
"""

PARENT = """
import asyncio, logging, sys
from pathlib import Path
from collector.supervisor import Supervisor

logging.basicConfig(level=logging.INFO, format="%(message)s")
directory = Path(sys.argv[1])
supervisor = Supervisor(directory, [str(directory)], ("one", "two"), (sys.executable, str(directory / "child.py")))
sys.exit(asyncio.run(supervisor.run("all ready")))
"""


def wait(condition: Callable[[], bool], what: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


class Running:
    """A supervisor with two processes that only live."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "child.py").write_text(CHILD)
        self.log = directory / "log"
        self.process = self.start()
        wait(lambda: "all ready" in self.log.read_text(), "the ready line")

    def start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen([sys.executable, "-c", PARENT, str(self.directory)], stderr=log, stdout=log)

    def starts(self, role: str) -> list[int]:
        return [int(line) for line in (self.directory / f"{role}.starts").read_text().split()]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    made = Running(tmp_path)
    yield made
    if made.process.poll() is None:
        made.process.terminate()
    made.process.wait(20)


def test_a_killed_process_is_started_again_and_the_other_goes_on(running: Running) -> None:
    for count in range(2, 5):
        os.kill(running.starts("one")[-1], signal.SIGKILL)
        wait(lambda wanted=count: len(running.starts("one")) == wanted, "a new start")  # type: ignore[misc]
    assert len(running.starts("two")) == 1
    assert alive(running.starts("two")[0])
    assert "one ended (killed by SIGKILL)" in running.log.read_text()


def test_stopping_ends_every_process(running: Running) -> None:
    running.process.terminate()
    assert running.process.wait(20) == 0
    assert not any(alive(running.starts(role)[-1]) for role in ("one", "two"))


def test_a_killed_supervisor_leaves_no_orphans(running: Running) -> None:
    running.process.kill()
    running.process.wait(10)
    wait(lambda: not any(alive(running.starts(role)[-1]) for role in ("one", "two")), "the end of the processes")


def test_a_number_that_cannot_be_noted_stops_nobody(running: Running) -> None:
    (running.directory / ".one.pid").mkdir()
    os.kill(running.starts("one")[-1], signal.SIGKILL)
    wait(lambda: len(running.starts("one")) == 2, "a new start")
    assert running.process.poll() is None
    assert "cannot note the process number of one" in running.log.read_text()


def test_what_never_works_and_says_why_ends_the_supervisor(tmp_path: Path) -> None:
    (tmp_path / "child.py").write_text("import sys; sys.exit(1)")
    done = subprocess.run(
        [sys.executable, "-c", PARENT, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "has not worked once in 3 tries" in done.stderr


@pytest.mark.root
def test_a_killed_supervisor_leaves_no_orphans_of_another_account() -> None:
    directory = Path(tempfile.mkdtemp(prefix="lienphong-"))
    directory.chmod(0o755)  # open, unlike pytest's own, so that the accounts can be kept apart
    made = Collector(directory / "collector")
    made.start()
    pids = [made.pid(role) for role in ROLES]
    assert made.process is not None
    made.process.kill()
    made.process.wait(10)
    wait(lambda: not any(alive(pid) for pid in pids), "the end of the processes", 30)
    made.start()
    made.stop()
    shutil.rmtree(directory)


def test_a_second_supervisor_on_the_same_directory_is_refused(running: Running) -> None:
    second = subprocess.run(
        [sys.executable, "-c", PARENT, str(running.directory)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert second.returncode != 0
    assert "already runs on this data directory" in second.stderr
    assert len(running.starts("one")) == 1
