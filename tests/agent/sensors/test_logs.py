"""The sensor of logs, on what real daemons wrote, and on its way through stops and starts."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent import clock
from agent.config import LogFile, LogsConfig
from agent.exceptions import SensorError
from agent.sensors.logs import READERS, LogSensor, to_events
from tests.agent.helper.audit_state import reachable_directory, wait_for
from tests.agent.helper.divided import Divided
from tests.agent.sensors.collected import Collected
from wire.event import Event, Logsource

WORLD = Path(__file__).with_name("syslog_world.sh")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The logs of real log-ins."""
    if os.geteuid() != 0:
        pytest.skip("sshd, sudo and su need root: run the tests as root")
    directory = tmp_path_factory.mktemp("world")
    with socket.socket() as first:
        first.bind(("127.0.0.1", 0))
        port = first.getsockname()[1] & ~1
    done = subprocess.run(
        ["unshare", "--mount", "sh", str(WORLD), str(directory), str(port)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not Path("/dev/log").is_symlink()
    return directory


def events_of(path: Path, format_: str = "auto") -> list[Event]:
    return list(to_events(path.read_bytes().splitlines(), READERS[format_]))


def having(events: list[Event], service: str, **fields: object) -> list[Event]:
    return [
        event
        for event in events
        if event.source.service == service
        and all(event.fields.get(name) == value for name, value in fields.items())
    ]


@pytest.mark.root
@pytest.mark.parametrize("form", ["traditional", "iso", "rfc5424"])
def test_what_happened_is_told_whatever_the_form(world: Path, form: str) -> None:
    events = events_of(world / f"{form}.log")
    (accepted,) = having(events, "sshd", Outcome="success", AuthMethod="publickey")
    assert accepted.fields["User"] == "root"
    assert accepted.fields["SourceIp"] == "127.0.0.1"
    assert having(events, "sshd", Outcome="failure", AuthMethod="password", User="root")
    (forged,) = having(events, "sshd", AuthMethod="password", User="nosuch from 10.9.9.9 port 1")
    assert (forged.fields["SourceIp"], forged.fields["Reason"]) == ("127.0.0.1", "invalid user")
    assert having(events, "sudo", User="root", TargetUser="nobody", Command="/bin/echo mysql -p***")
    assert having(events, "sudo", User="daemon", Outcome="failure", Command="/bin/id")
    assert having(events, "su", User="daemon", TargetUser="root", Outcome="failure")
    assert having(events, "su", User="root", TargetUser="nobody", Outcome="success")
    assert having(events, "su", message="the last line")


@pytest.mark.root
@pytest.mark.parametrize("form", ["traditional", "iso", "rfc5424"])
def test_time_origin_and_text_are_right(world: Path, form: str) -> None:
    events = events_of(world / f"{form}.log")
    now = clock.now_us()
    written = (world / f"{form}.log").stat().st_mtime_ns // 1_000
    assert all(written - 60_000_000 < event.time <= now for event in events)
    assert all(event.origin == "log" and event.raw for event in events)
    assert not any("S3cret-4711" in str(event) or "not for us" in str(event) for event in events)
    assert {event.source for event in events} == {
        Logsource(product="linux", service=service) for service in ("sshd", "sudo", "su")
    }


@pytest.mark.root
def test_bare_text_of_sshd_is_understood(world: Path) -> None:
    for form in ("auto", "sshd"):
        (failed,) = having(events_of(world / "bare.log", form), "sshd", AuthMethod="password")
        assert (failed.fields["User"], failed.fields["Outcome"]) == ("root", "failure")


@contextmanager
def running(path: Path, sink: Collected, **settings: float) -> Iterator[LogSensor]:
    config = LogsConfig(files=(LogFile(path=str(path)),), poll_seconds=0.05, **settings)  # type: ignore[arg-type]
    sensor, stop = LogSensor(config, None), threading.Event()
    thread = threading.Thread(target=sensor.run, args=(sink, stop))
    thread.start()
    try:
        yield sensor
    finally:
        stop.set()
        thread.join(5.0)
        assert not thread.is_alive()


def failed(number: int) -> str:
    return f"2026-11-24T18:30:26+07:00 vm sshd[1]: Failed password for u{number} from 10.0.0.1 port 1 ssh2\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path.resolve() / "auth.log"
    path.touch()
    return path


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def wait_for_events(sink: Collected, number: int) -> None:
    wait_for(lambda: len(sink.events) >= number, what=f"{number} events")


def users(sink: Collected) -> list[object]:
    return sink.all("User")


def test_a_line_arrives_within_half_a_second(log: Path) -> None:
    sink = Collected()
    with running(log, sink):
        wait_for(lambda: log in open_files(), what="the file to be open")
        begin = time.monotonic()
        append(log, failed(1))
        wait_for(lambda: sink.events)
        assert time.monotonic() - begin < 0.5
    assert sink.lanes == {"security"}
    assert sink.events[0].raw == failed(1).strip()


def open_files() -> set[Path]:
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found.add(entry.readlink())
        except FileNotFoundError:
            continue
    return found


def test_stopped_and_started_again_nothing_is_lost_or_told_twice(log: Path) -> None:
    bookmarks: dict[str, bytes] = {}
    told: list[object] = []
    for round_ in range(5):
        sink = Collected(bookmarks)
        with running(log, sink):
            wait_for(lambda: log in open_files(), what="the file to be open")
            append(log, failed(3 * round_))
            wait_for_events(sink, 3 if round_ else 1)
        told += users(sink)
        append(log, failed(3 * round_ + 1))
        if round_ == 2:
            log.rename(log.with_name("auth.log.1"))
        append(log, failed(3 * round_ + 2))
    assert told == [f"u{number}" for number in range(13)]


def test_what_is_no_text_or_too_long_is_kept_as_far_as_it_goes(log: Path) -> None:
    sink = Collected()
    with running(log, sink, max_line_bytes=1_024):
        wait_for(lambda: log in open_files(), what="the file to be open")
        with log.open("ab") as file:
            file.write(b"Nov 24 18:30:26 vm sshd[1]: \xff\xfe bad\n")
            file.write(b"Nov 24 18:30:26 vm sshd[1]: " + b"x" * 5_000 + b"\n")
        wait_for(lambda: len(sink.events) == 2)
    assert sink.all("message") == ["\ufffd\ufffd bad", "x" * (1_024 - 28)]
    assert sink.counts == {"truncated_lines": 1}


def test_a_file_that_may_not_be_read_is_an_error_not_a_silence(log: Path) -> None:
    log.unlink()
    log.symlink_to("/etc/passwd")
    sensor = LogSensor(LogsConfig(files=(LogFile(path=str(log)),)), None)
    with pytest.raises(SensorError, match="symbolic link"):
        sensor.run(Collected(), threading.Event())
    assert "symbolic link" in sensor.availability().reason


def test_it_says_what_it_follows_and_what_it_waits_for(log: Path) -> None:
    def about(*paths: Path) -> tuple[bool, str]:
        found = LogSensor(LogsConfig(files=tuple(LogFile(path=str(path)) for path in paths)), None).availability()
        return found.works, found.reason

    later = log.with_name("later.log")
    assert about(log, later) == (True, f"following {log}")
    assert about(later) == (True, f"waiting for {later}")
    assert about() == (False, "no log files are configured")


@pytest.mark.root
def test_through_the_helper_it_reads_what_only_root_may() -> None:
    if os.geteuid() != 0:
        pytest.skip("the helper needs root: run the tests as root")
    with reachable_directory() as directory:
        log = directory / "auth.log"
        log.touch(mode=0o600)
        divided = Divided(Path(__file__).with_name("watching.py"), directory, "logs")
        try:
            divided.wait_said("^main")
            assert divided.said(f"^availability True following {log}")
            wait_for(lambda: follows(divided.main(), log), what="the log to be open")
            append(log, failed(1))
            divided.wait_said('^event .*"User":"u1"')
            log.rename(log.with_name("auth.log.1"))
            log.touch(mode=0o600)
            append(log, failed(2))
            divided.wait_said('^event .*"User":"u2"')
        finally:
            divided.close()


def follows(pid: int, path: Path) -> bool:
    return any(entry.readlink() == path for entry in Path(f"/proc/{pid}/fd").iterdir())
