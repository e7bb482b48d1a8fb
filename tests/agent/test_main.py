"""The whole agent as a process: as root with its helper and unprivileged, its status, its end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest

from agent import status
from agent.layout import Layout


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def home(enrolled, door):
    """A data directory that other accounts can reach, enrolled, with sensors that work on any machine."""
    with tempfile.TemporaryDirectory() as temporary:
        data = Path(temporary) / "data"
        Path(temporary).chmod(0o711)
        shutil.copytree(enrolled(door.url), data / "identity")
        (data / "agent.yaml").write_text(
            "spool: {min_free_bytes: 0}\n"
            f"metrics: {{port: {free_port()}}}\n"
            "uplink: {backoff_seconds: 0.05, backoff_max_seconds: 0.2}\n"
            "sensors:\n  health: {interval_seconds: 1}\n  process: {enabled: false}\n  logs: {enabled: false}\n"
        )
        yield Layout(data)


@pytest.fixture
def start(home):
    """Run the agent; it is stopped at the end unless the test did."""
    running = []

    def start_(*arguments, **options):
        command = [sys.executable, "-m", "agent.cli", "run", "--data", str(home.data), *arguments]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **options)
        running.append(process)
        return process

    yield start_
    for process in running:
        if process.poll() is None:
            process.kill()
        print(process.communicate()[1])


def actions(door):
    return [e.fields["action"] for e in door.events() if e.source.service == "agent"]


def condition(home):
    """The agent's condition, also while it is not there yet."""
    return (status.ask(home.run) if home.run.is_dir() else None) or SimpleNamespace(phase="", delivered_batches=0)


def test_lives_reports_and_ends_cleanly(start, home, door, until):
    process = start()
    until(lambda: "started" in actions(door))
    until(lambda: any(e.source.category == "health" for e in door.events()))
    now = status.ask(home.run)
    assert now.running
    until(lambda: condition(home).phase in ("delivering", "idle"))
    assert [s.name for s in now.sensors if s.phase == "running"] == ["health"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert "stopped" in actions(door)
    assert status.ask(home.run) is None


def test_nothing_is_lost_over_restarts_and_an_absent_collector(start, home, door, until):
    port = door.port
    door.stop()
    for _ in range(2):
        process = start()
        until(lambda: condition(home).phase == "waiting")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    door.start(port)
    process = start()
    until(lambda: actions(door).count("started") == 3)
    assert actions(door).count("stopped") == 2
    assert door.conflicts == []


def test_a_second_agent_on_the_same_directory_is_refused(start, home, door, until):
    start()
    until(lambda: "started" in actions(door))
    second = start()
    assert second.wait(20) not in (0, None)
    assert "works on this directory already" in second.stderr.read()


def test_unprivileged_it_runs_alone(start, home, door, until):
    if os.geteuid() != 0:
        pytest.skip("needs root: becomes another account")
    for path in [home.data, *home.data.rglob("*")]:
        os.chown(path, 61_721, 61_721)
    process = start(user=61_721, group=61_721, extra_groups=[])
    until(lambda: "started" in actions(door))
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


def test_as_root_the_main_process_is_not(start, home, door, until):
    if os.geteuid() != 0:
        pytest.skip("needs root: divides the agent")
    process = start()
    until(lambda: "started" in actions(door))
    now = status.ask(home.run)
    assert now.pid != process.pid
    assert Path(f"/proc/{now.pid}").stat().st_uid != 0
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0, process.stderr.read()


def test_metrics_are_served_on_loopback(start, home, door, until):
    start()
    until(lambda: condition(home).delivered_batches)
    port = int((home.data / "agent.yaml").read_text().split("port: ")[1].split("}")[0])
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    assert 'lienphong_agent_uplink_batches_total{outcome="delivered"}' in text
    assert "lienphong_agent_spool_bytes" in text


def test_a_bad_configuration_is_told_with_its_line(start, home):
    (home.data / "agent.yaml").write_text("sensors:\n  helth: {}\n")
    process = start()
    assert process.wait(20) == 1
    assert "agent.yaml, line 2: sensors.helth: unknown setting; did you mean health?" in process.stderr.read()


def test_not_enrolled_is_told(start, home):
    (home.identity / "identity.json").unlink()
    process = start()
    assert process.wait(20) == 1
    assert "lienphong-agent enrol" in process.stderr.read()


def run_status(home, *arguments):
    command = [sys.executable, "-m", "agent.cli", "status", "--data", str(home.data), *arguments]
    environment = {**os.environ, "LC_ALL": "C"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_status_for_people_and_for_programs(start, home, door, until):
    done = run_status(home)
    assert done.returncode == 3
    assert "the agent is not running" in done.stdout
    start()
    until(lambda: "started" in actions(door))
    done = run_status(home)
    assert done.returncode == 0
    assert "abcdefghij234567" in done.stdout
    assert "health" in done.stdout
    document = json.loads(run_status(home, "--format", "json").stdout)
    assert document["running"] is True
    assert document["identity"]["node"] == "tinh/so-khcn"


def test_sensors_say_whether_they_work(home):
    command = [sys.executable, "-m", "agent.cli", "sensors", "--data", str(home.data), "--format", "json"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert {"name", "works", "reason", "fix"} == set(found[0])
    assert "health" in {sensor["name"] for sensor in found}
