"""Metrics are served on loopback, from the same counts as the status."""

from __future__ import annotations

import socket
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from agent import metrics
from agent.spool import SpoolState
from agent.status import SensorStatus, Status
from agent.tally import Tally
from wire.identity import Identity

NOW = Status(
    running=True,
    version="1",
    identity=Identity(agent="a" * 16, node="tinh", label="ict", role="host"),
    collector="https://c:7443",
    certificate_until=2_000_000,
    phase="idle",
    clock_offset_us=500_000,
    spool=SpoolState(
        stream="b" * 26, bytes=10, max_bytes=20, blocks={"urgent": 1, "security": 2}, events={}, totals={}
    ),
    sensors=[SensorStatus(name="health", phase="running"), SensorStatus(name="logs", phase="failed")],
)


@pytest.fixture
def scrape():
    tally = Tally()
    tally.add("events", 5, "health", "routine")
    tally.add("lost_events", 2, "evicted")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    stop = metrics.serve(port, metrics.registry(tally, lambda: NOW))
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    finally:
        stop()
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_values(scrape):
    p = metrics.PREFIX
    assert scrape[p + "events_total", ("routine", "health")] == 5
    assert scrape[p + "lost_events_total", ("evicted",)] == 2
    assert scrape[p + "uplink_bytes_total", ()] == 0
    assert scrape[p + "spool_blocks", ("security",)] == 2
    assert scrape[p + "sensor_up", ("health",)] == 1
    assert scrape[p + "sensor_up", ("logs",)] == 0
    assert scrape[p + "clock_offset_seconds", ()] == 0.5
    assert scrape[p + "certificate_expiry_timestamp_seconds", ()] == 2
    assert scrape[p + "uplink_connected", ()] == 1


def test_every_gauge_is_there(scrape):
    assert {metrics.PREFIX + name for name in metrics.GAUGES} <= {name for name, _ in scrape}


def test_a_taken_port_is_an_error():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            metrics.serve(taken.getsockname()[1], metrics.registry(Tally(), lambda: NOW))
