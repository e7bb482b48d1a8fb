"""The status socket, also where the path is too long for one, and what people read."""

from __future__ import annotations

import socket
import stat
import threading

import pytest

from agent import show, status
from agent.sensor import Availability
from agent.spool import SpoolState
from agent.status import SensorStatus, Status, StatusServer
from wire.errors import MalformedError
from wire.identity import Identity

NOW = Status(
    running=True,
    version="1",
    identity=Identity(agent="a" * 16, node="tinh/xa", label="ict", role="host"),
    collector="https://c:7443",
    certificate_until=1_795_500_000_000_000,
    phase="waiting",
    last_error="connection refused",
    next_try=1_795_500_000_000_000,
    spool=SpoolState(
        stream="b" * 26,
        bytes=1_500_000,
        max_bytes=268_435_456,
        blocks={"urgent": 1},
        events={"urgent": 12},
        totals={},
    ),
    clock_offset_us=-1_500_000,
    lost_events={"evicted": 3},
    sensors=[SensorStatus(name="health", phase="running", events=7)],
)


def test_answers_everybody_who_may_ask(tmp_path):
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    server = StatusServer(deep, lambda: NOW)
    try:
        assert [status.ask(deep) for _ in range(3)] == [NOW] * 3
        assert stat.S_IMODE((deep / "agent.sock").stat().st_mode) == 0o600
    finally:
        server.close()
    assert status.ask(deep) is None


def test_a_stale_socket_is_nobody(tmp_path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "agent.sock"))
    assert status.ask(tmp_path) is None
    server = StatusServer(tmp_path, lambda: NOW)
    assert status.ask(tmp_path) == NOW
    server.close()


def test_a_client_that_leaves_does_no_harm(tmp_path):
    server = StatusServer(tmp_path, lambda: NOW)
    for _ in range(3):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "agent.sock"))
    assert status.ask(tmp_path) == NOW
    server.close()


def test_a_silent_other_is_no_agent(tmp_path):
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "agent.sock"))
        other.listen()
        threading.Thread(target=lambda: other.accept()[0].close(), daemon=True).start()
        with pytest.raises(MalformedError):
            status.ask(tmp_path)


def test_people_read_it_in_their_language(monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    english = show.status(NOW)
    assert "12 events, 1.5 MB of 268.4 MB" in english
    assert "connection refused" in english
    assert "-1.500 s" in english
    assert "evicted 3" in english
    assert "13:00:00 24/11/2026" in english
    monkeypatch.setenv("LC_ALL", "vi_VN.UTF-8")
    assert "Chờ gửi" in show.status(NOW)
    assert "không" in show.sensors([("logs", Availability(False, "không có tệp", "xem lại"))])


def test_sizes():
    assert [show.size(n) for n in (0, 999, 1_000, 25_000_000, 3 * 10**9, 5 * 10**12)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "25.0 MB",
        "3.0 GB",
        "5.0 TB",
    ]
