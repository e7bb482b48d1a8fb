"""Headers of log lines."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.sensors import syslog
from agent.sensors.syslog import LogLine


@pytest.fixture(autouse=True)
def vietnam(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The writer's zone is this machine's."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Ho_Chi_Minh")
        time.tzset()
        yield
    time.tzset()


def us(text: str) -> int:
    return round(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1_000_000)


NOW = us("2026-11-24T18:30:30+07:00")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "Nov 24 18:30:26 vm sshd[812]: Accepted",
            LogLine(
                time_us=us("2026-11-24T18:30:26+07:00"), host="vm", program="sshd", pid=812, message="Accepted"
            ),
        ),
        (
            "<38>Jan  2 03:04:05 vm sudo:     bob : x",
            LogLine(time_us=us("2026-01-02T03:04:05+07:00"), host="vm", program="sudo", message="    bob : x"),
        ),
        (
            "2026-11-24T18:30:26.123456+07:00 vm su[9]: (to root) bob on pts/0",
            LogLine(
                time_us=us("2026-11-24T18:30:26.123456+07:00"),
                host="vm",
                program="su",
                pid=9,
                message="(to root) bob on pts/0",
            ),
        ),
        (
            "2026-11-24T11:30:26Z vm /usr/sbin/sshd[9]: x",
            LogLine(time_us=us("2026-11-24T18:30:26+07:00"), host="vm", program="sshd", pid=9, message="x"),
        ),
        (
            "<38>1 2026-11-24T18:30:26.5+07:00 vm sshd 812 - -  Server listening",
            LogLine(
                time_us=us("2026-11-24T18:30:26.5+07:00"),
                host="vm",
                program="sshd",
                pid=812,
                message=" Server listening",
            ),
        ),
        (
            '<38>1 2026-11-24T18:30:26Z vm sshd - ID7 [a@1 x="[y\\]"][b] \ufeffhello',
            LogLine(time_us=us("2026-11-25T01:30:26+07:00"), host="vm", program="sshd", message="hello"),
        ),
    ],
)
def test_each_form_is_understood(line: str, expected: LogLine) -> None:
    assert syslog.parse(line, NOW) == expected


@pytest.mark.parametrize(
    "line",
    [
        "Failed password for root from 10.0.0.1 port 22 ssh2",
        "",
        "Nov 99 18:30:26",
        "Foo 24 18:30:26 vm sshd[1]: x",
        "Nov 24 29:30:26 vm sshd[1]: x",
        "2026-13-24T18:30:26Z vm sshd[1]: x",
        "last message repeated 3 times",
    ],
)
def test_what_is_no_header_is_bare_text(line: str) -> None:
    assert syslog.parse(line, NOW) == LogLine(message=line)


def test_the_year_is_the_last_in_which_the_time_is_not_ahead() -> None:
    new_year = us("2027-01-01T00:00:05+07:00")
    assert syslog.parse("Dec 31 23:59:58 vm su: x", new_year).time_us == us("2026-12-31T23:59:58+07:00")
    assert syslog.parse("Jan  1 00:00:04 vm su: x", new_year).time_us == us("2027-01-01T00:00:04+07:00")
    before = us("2026-12-31T23:59:58+07:00")
    assert syslog.parse("Jan  1 00:00:01 vm su: x", before).time_us == us("2027-01-01T00:00:01+07:00")


@given(st.text(max_size=200))
def test_any_line_is_taken(line: str) -> None:
    assert syslog.parse(line, NOW).message is not None


@given(st.datetimes(datetime(2026, 1, 1), datetime(2026, 11, 24)), st.text("abc :[]", max_size=20))  # noqa: DTZ001
def test_the_traditional_form_of_any_moment_comes_back(moment: datetime, message: str) -> None:
    local = moment.replace(microsecond=0).astimezone()
    text = f"{local:%b} {local.day:2d} {local:%H:%M:%S} host prog[1]: {message}"
    found = syslog.parse(text, NOW)
    assert (found.time_us, found.message) == (round(local.timestamp() * 1_000_000), message)


@pytest.mark.timeout(5)
def test_no_line_takes_long() -> None:
    for hostile in (
        "1 2026-11-24T18:30:26Z h p - - " + "[" * 30_000,
        "Nov 24 18:30:26 " + "x" * 30_000,
        "<" * 30_000,
    ):
        syslog.parse(hostile, NOW)
