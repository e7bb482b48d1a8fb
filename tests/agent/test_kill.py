"""kill -9 from outside, at moments the agent does not choose: nothing durable is lost, nothing arrives twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

WRITER = Path(__file__).with_name("kill_writer.py")


@pytest.mark.parametrize(("kills", "reboots"), [(20, False), (6, True)], ids=["kills", "reboots"])
def test_kills_lose_nothing_and_repeat_nothing(kills, reboots, door, enrolled, tmp_path):
    place = tmp_path / "spool"
    place.mkdir()
    command = [sys.executable, str(WRITER), str(place), str(enrolled(door.url)), door.url]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    durable = 0
    for turn in range(kills):
        boot = f"boot{turn if reboots else 0}"
        process = subprocess.Popen([*command, boot], stdout=subprocess.PIPE, text=True, env=environment)
        begun = int(process.stdout.readline().removeprefix("from "))
        assert begun >= durable
        time.sleep(random.uniform(0.0, 0.25))
        process.send_signal(signal.SIGKILL)
        for line in process.communicate()[0].splitlines(keepends=True):
            if line.endswith("\n"):
                durable = int(line.removeprefix("durable "))
    end = subprocess.run(
        [*command, boot, "finish"], capture_output=True, text=True, env=environment, timeout=60, check=True
    )
    total = int(end.stdout.removeprefix("from "))
    assert total >= durable > 0
    arrived = [event.fields["n"] for event in door.events()]
    assert len(arrived) == len(set(arrived))
    assert sorted(arrived) == list(range(total))
    assert door.conflicts == []
    assert door.gaps == []
    assert len({stream for stream, _, _ in door.blocks}) <= (kills if reboots else 1)
