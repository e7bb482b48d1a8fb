"""Measurements of this machine."""

from __future__ import annotations

import os
import re
import threading
import time
from pathlib import Path

import pytest

from agent.config import HealthConfig
from agent.sensors import health, timekeeping
from agent.sensors.health import HealthSensor, Processor, measure
from tests.agent.helper.audit_state import wait_for
from tests.agent.sensors.collected import Collected
from wire import block, codec
from wire.block import Block

UNIT = re.compile(r"(_percent|_bytes|_seconds|_total|_count|_free|_read_only|_synchronized|^load\d+|^processes)$")


@pytest.fixture(scope="module")
def metrics() -> dict[str, float]:
    return measure(Processor())


def test_what_every_machine_tells_is_told(metrics: dict[str, float]) -> None:
    root = os.statvfs("/")
    assert metrics["disk_total_bytes./"] == root.f_blocks * root.f_frsize
    assert 0 < metrics["memory_used_percent"] < 100
    assert metrics["processes"] > 1
    assert metrics["cpu_count"] == os.cpu_count()
    assert metrics["uptime_seconds"] == pytest.approx(float(Path("/proc/uptime").read_text().split()[0]), abs=60)
    assert metrics["clock_synchronized"] in (0.0, 1.0)
    assert any(name.startswith("network_receive_bytes_total.") for name in metrics)
    assert not any(name.endswith(".lo") for name in metrics)


def test_every_name_ends_in_its_unit_and_suits_the_wire(metrics: dict[str, float]) -> None:
    assert [name for name in metrics if not UNIT.search(name.partition(".")[0])] == []
    sample = health.HealthSample(time=1, metrics=metrics)
    sent = Block(agent="a" * 16, stream="a" * 26, lane="routine", block=1, health=[sample])
    assert block.unpack(block.pack(sent)).health[0].metrics == pytest.approx(metrics)
    assert codec.encode(sample)


def test_a_busy_processor_shows(metrics: dict[str, float]) -> None:
    processor = Processor()
    until = time.monotonic() + 0.3
    while time.monotonic() < until:
        pass
    assert dict(processor.metrics())["cpu_used_percent"] > 20


def test_pressure_is_left_out_where_the_kernel_has_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(health, "PRESSURE", tmp_path)
    assert not any(name.startswith("pressure") for name in measure(Processor()))


@pytest.mark.parametrize(("mount", "instance"), [("/mnt/my disk\t", "/mnt/my_disk_"), ("/" + "x" * 100, "x" * 80)])
def test_instances_suit_the_wire(mount: str, instance: str) -> None:
    assert health._instance(mount) == instance


def test_samples_come_at_their_interval_and_stop_at_once() -> None:
    sink, stop = Collected(), threading.Event()
    sensor = HealthSensor(HealthConfig(interval_seconds=1.0))
    thread = threading.Thread(target=sensor.run, args=(sink, stop))
    thread.start()
    wait_for(lambda: len(sink.samples) >= 2)
    stop.set()
    thread.join(1.0)
    assert not thread.is_alive()
    first, second = sink.samples[:2]
    assert 0.8e6 < second.time - first.time < 5e6
    assert second.mono > first.mono


def test_it_is_cheap() -> None:
    """At most a thousandth of a core at the default interval."""
    processor = Processor()
    begin = time.process_time()
    for _ in range(20):
        measure(processor)
    assert (time.process_time() - begin) / 20 < 0.001 * HealthConfig().interval_seconds


def test_switched_off_it_says_so() -> None:
    found = HealthSensor(HealthConfig(enabled=False)).availability()
    assert not found.works
    assert found.fix == "Set sensors.health.enabled: true."


def test_the_clock_tells_its_offset_only_while_it_is_kept() -> None:
    told = dict(timekeeping.timekeeping())
    assert ("clock_offset_seconds" in told) == (told["clock_synchronized"] == 1.0)
