"""Process starts as a real kernel reports them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from uuid import uuid4

import pytest

from agent import clock
from agent.config import ProcessConfig
from agent.exceptions import SensorError
from agent.sensors.process import MAX_COMMAND, SOURCE, UNSURE, ProcessSensor, shown
from agent.sensors.records import GAP
from tests.agent.sensors.collected import Collected
from tests.agent.sensors.watched import Watching
from wire.event import Value

pytestmark = pytest.mark.root


def test_a_start_has_all_its_fields(watching: Watching, tmp_path: Path) -> None:
    before = clock.now_us()
    child = subprocess.Popen(["sh", "-c", "/bin/true one 'two words'; :"], cwd=tmp_path)
    child.wait()
    event = watching.command("/bin/true one two words")
    shell = str(Path(shutil.which("sh") or "").resolve())
    assert (event.source, event.origin) == (SOURCE, "kernel")
    assert abs(event.time - before) < 5_000_000
    assert abs(event.mono - clock.mono_us()) < 60_000_000
    assert event.fields == {
        "Image": str(Path("/bin/true").resolve()),
        "CommandLine": "/bin/true one two words",
        "CurrentDirectory": str(tmp_path),
        "User": "root",
        "ProcessId": event.fields["ProcessId"],
        "ParentProcessId": child.pid,
        "ParentImage": shell,
        "ParentCommandLine": "sh -c /bin/true one 'two words'; :",
        "uid": 0,
        "euid": 0,
        **session(),
    }
    started = watching.find(lambda fields: fields["ProcessId"] == child.pid).fields
    assert started["ParentProcessId"] == os.getpid()
    assert started["ParentImage"] == str(Path(sys.executable).resolve())


def session() -> dict[str, Value]:
    """What this test run's own session looks like, if somebody logged in for it."""
    fields: dict[str, Value] = {}
    for name, path in (("LogonId", "sessionid"), ("auid", "loginuid")):
        if (value := int(Path("/proc/self", path).read_text())) != 2**32 - 1:
            fields[name] = value
    if os.isatty(0):
        fields["TerminalId"] = os.ttyname(0).removeprefix("/dev/").replace("/", "")
    return fields


def test_the_user_is_whom_the_process_runs_as(watching: Watching) -> None:
    subprocess.run(
        ["setpriv", "--reuid=daemon", "--regid=daemon", "--clear-groups", "/bin/true", "as-daemon"], check=True
    )
    event = watching.find(lambda fields: fields["CommandLine"] == "/bin/true as-daemon")
    assert (event.fields["User"], event.fields["uid"], event.fields["euid"]) == ("daemon", 1, 1)


@pytest.mark.parametrize(
    "argument",
    ["tiếng Việt có dấu", 'quote " and \\ back', "line\nbreak", "\x01\x7f", "", "x" * 20_000],
    ids=["vietnamese", "quotes", "newline", "control", "empty", "split"],
)
def test_any_argument_comes_back_as_it_was(watching: Watching, argument: str) -> None:
    end = f"end-{uuid4()}"
    subprocess.run(["/bin/true", argument, end], check=True)
    assert watching.command(end).fields["CommandLine"] == f"/bin/true {argument} {end}"


def test_bytes_that_are_no_text_do_no_harm(watching: Watching) -> None:
    subprocess.run([b"/bin/true", b"\xff\xfe", b"no-text"], check=True)
    assert watching.command("no-text").fields["CommandLine"] == "/bin/true \ufffd\ufffd no-text"


def test_a_very_long_command_line_is_cut_and_says_how_long_it_was(watching: Watching) -> None:
    subprocess.run(["/bin/true", "long-one", *["y" * 60_000] * 20], check=True)
    event = watching.find(lambda fields: "long-one" in str(fields["CommandLine"]))
    assert len(str(event.fields["CommandLine"])) == MAX_COMMAND
    assert int(str(event.fields["CommandLineLength"])) > MAX_COMMAND


@pytest.mark.parametrize("padding", [33_000, 70_000, 120_000])
def test_padding_does_not_hide_a_command(watching: Watching, padding: int) -> None:
    name = f"padded-{padding}"
    subprocess.run(["/bin/sh", "-c", f": {name} {'A' * padding}; /bin/true >&2 behind-it"], check=True)
    event = watching.find(
        lambda fields: name in str(fields["CommandLine"]) and "sh -c" in str(fields["CommandLine"])
    )
    assert str(event.fields["CommandLine"]).endswith("A; /bin/true >&2 behind-it")
    assert ("CommandLineLength" in event.fields) is (padding > MAX_COMMAND)


def test_what_follows_a_gap_is_not_shown_before_it_is_sure_to_be_no_secret() -> None:
    line = shown(f"curl --password{GAP}S3cret " + "x" * UNSURE + " end")
    assert line == "curl --password … " + "x" * 7 + " end"
    assert len(shown("x" * 80_000 + GAP + "y" * 80_000)) == MAX_COMMAND


def test_a_secret_never_leaves_the_sensor(watching: Watching) -> None:
    subprocess.run(["/bin/sh", "-c", "/bin/true --password=S3cret-4711; : mysql -pS3cret-4711"], check=True)
    watching.command("/bin/true --password=***")
    assert not any("S3cret-4711" in line for line in watching.divided.lines)


def test_a_script_shows_its_interpreter_and_its_name(watching: Watching, tmp_path: Path) -> None:
    script = tmp_path / "my script"
    script.write_text("#!/bin/sh\nexit 0\n")
    script.chmod(0o755)
    subprocess.run([script, "argument"], check=True)
    event = watching.command(f"{script} argument")
    assert event.fields["Image"] == str(Path("/bin/sh").resolve())
    assert event.fields["CommandLine"] == f"/bin/sh {script} argument"


def test_what_did_not_start_is_not_told(watching: Watching, tmp_path: Path) -> None:
    (tmp_path / "no-program").write_text("x")
    with pytest.raises(PermissionError):
        subprocess.run([tmp_path / "no-program"], check=True)
    subprocess.run(["/bin/true", "after-it"], check=True)
    watching.command("after-it")
    assert not any("no-program" in str(event.fields["CommandLine"]) for event in watching.events())


def test_a_storm_of_starts_is_seen_in_full(watching: Watching) -> None:
    for number in range(400):
        os.waitpid(os.posix_spawn("/bin/true", ["/bin/true", f"storm-{number}"], os.environ), 0)
    watching.command("storm-399")
    seen = {str(event.fields["CommandLine"]) for event in watching.events()}
    assert {f"/bin/true storm-{number}" for number in range(400)} <= seen
    assert watching.divided.said("^count") == []


def test_without_the_helper_it_says_what_to_do() -> None:
    sensor = ProcessSensor(ProcessConfig(), None)
    with pytest.raises(SensorError, match="start the agent as root"):
        sensor.run(Collected(), threading.Event())
    off = ProcessSensor(ProcessConfig(enabled=False), None).availability()
    assert (off.works, off.fix) == (False, "Set sensors.process.enabled: true.")
