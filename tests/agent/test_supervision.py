"""Sensors are kept running, and what they do to themselves is counted and told."""

from __future__ import annotations

import threading

import pytest

from agent import supervision
from agent.exceptions import SensorError
from agent.sensor import Availability
from agent.supervision import Supervised
from agent.tally import Tally
from wire import block
from wire.batch import Receipt

WORKS = Availability(True)


class Scripted:
    """A sensor that does what it is told, one step a run."""

    name = "scripted"

    def __init__(self, *steps, available=WORKS):
        self.steps = list(steps)
        self.available = available
        self.runs = 0

    def availability(self):
        return self.available

    def run(self, sink, stop):
        self.runs += 1
        step = self.steps.pop(0) if self.steps else None
        if isinstance(step, Exception):
            raise step
        if step is not None:
            step(sink, stop)
            return
        stop.wait()


@pytest.fixture
def supervise(make_spool, monkeypatch):
    monkeypatch.setattr(supervision, "RECHECK_SECONDS", 0.02)
    stop = threading.Event()
    running = []

    def start(sensor, **options):
        tally = Tally()
        spool = make_spool(tally=tally)
        one = Supervised(sensor, spool, tally, stop, **options)
        one._backoff._base = 0.01
        one.start()
        running.append(one)
        return one, spool, tally

    yield start
    stop.set()
    assert all(one.join(5) for one in running)


def reports(spool):
    assert spool.flush(5)
    found = []
    while parcel := spool.pending(1 << 20):
        for packed in parcel.packed:
            found += [event.fields for event in block.unpack(packed).all_events()]
        spool.acknowledge(parcel, Receipt(time=1, stored=[(ref.lane, ref.block) for ref in parcel.refs]))
    return found


def test_failures_are_counted_reported_and_mended(supervise, until):
    sensor = Scripted(SensorError("no more records; start auditd"), ValueError("a defect"), lambda *_: None)
    one, spool, tally = supervise(sensor)
    until(lambda: sensor.runs == 4)
    assert one.state.phase == "running"
    assert one.state.restarts == 3
    assert tally.read("sensor_restarts") == {("scripted",): 3}
    assert [fields["reason"] for fields in reports(spool)] == [
        "no more records; start auditd",
        "ValueError: a defect",
        "it ended by itself",
    ]


def test_what_cannot_work_is_told_once_and_looked_at_again(supervise, until):
    sensor = Scripted(available=Availability(False, "no kernel support", "use a newer kernel"))
    one, spool, _ = supervise(sensor)
    until(lambda: one.state.phase == "unavailable")
    assert one.state.fix == "use a newer kernel"
    sensor.available = Availability(True, "beside auditd")
    until(lambda: sensor.runs == 1)
    assert one.state.reason == "beside auditd"
    assert [fields["action"] for fields in reports(spool)] == ["sensor_unavailable"]


def test_switched_off_is_left_alone(supervise):
    sensor = Scripted()
    one, _, _ = supervise(sensor, enabled=False)
    assert one.state.phase == "off"
    assert sensor.runs == 0


def test_a_sink_counts_for_its_sensor(supervise, until, make_event):
    def work(sink, _stop):
        sink.emit("security", make_event(1))
        sink.emit_many("routine", [make_event(2), make_event(3)], ("scripted:x", b"3"))
        sink.count("truncated_lines")
        sink.count("lost_records", 4)

    sensor = Scripted(work)
    _, spool, tally = supervise(sensor)
    until(lambda: sensor.runs == 2)
    assert tally.read("events") == {("scripted", "security"): 1, ("scripted", "routine"): 2}
    assert tally.read("sensor_counts") == {("scripted", "truncated_lines"): 1, ("scripted", "lost_records"): 4}
    assert spool.flush(5)
    assert spool.bookmark("scripted:x") == b"3"
    assert sum(gap.events for gap in spool.pending(1).gaps) == 4
