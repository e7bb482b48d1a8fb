"""Who started whom, with real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from agent import clock
from agent.helper import processes
from agent.sensors import ancestry
from agent.sensors.ancestry import Ancestry, Program


@pytest.fixture
def sleeper() -> Iterator[int]:
    child = subprocess.Popen(["/bin/sleep", "60"])
    yield child.pid
    child.kill()
    child.wait()


def made() -> Ancestry:
    return Ancestry(processes.image_of, " ".join)


def test_what_runs_already_is_known(sleeper: int) -> None:
    table = made()
    table.seed(processes.parse(processes.everything()))
    assert table.program(sleeper).image == os.path.realpath("/bin/sleep")
    assert table.program(sleeper).command == "/bin/sleep 60"


def test_an_unseen_process_is_looked_up(sleeper: int) -> None:
    assert made().program(sleeper).command == "/bin/sleep 60"


def test_a_child_that_never_started_a_program_has_its_parents(sleeper: int) -> None:
    code = "import os, sys; os.fork() or (print(os.getpid(), flush=True), sys.stdin.read())"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdin
        assert parent.stdout
        forked = int(parent.stdout.readline())
        assert made().program(forked).command == f"{sys.executable} -c {code}"
        parent.stdin.close()


def test_what_a_process_ran_is_known_after_its_end() -> None:
    table = made()
    child = subprocess.Popen(["/bin/true"])
    child.wait()
    table.started(child.pid, "/bin/true", "true", clock.mono_us())
    assert table.program(child.pid).image == "/bin/true"


def test_a_number_given_to_another_process_is_noticed(sleeper: int) -> None:
    """What is known of the number is older than the process that has it now."""
    table = made()
    table.started(sleeper, "/bin/old", "old", 1_000_000)
    table.refresh()
    assert table.program(sleeper).command == "/bin/sleep 60"


def test_nothing_is_known_of_nobody() -> None:
    assert made().program(2**22 + 1) == Program("", "", 0)


def test_the_dead_are_forgotten_and_the_table_is_bounded(sleeper: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ancestry, "MAX_ENTRIES", 50)
    table = made()
    for number in range(200):
        table.started(2**22 + number, "/bin/x", "x", 1)
    table.started(sleeper, "/bin/sleep", "sleep", clock.mono_us())
    assert len(table) <= 50
    table.refresh()
    assert len(table) == 1
