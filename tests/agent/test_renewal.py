"""Renewal: when, through the real door, in a child, and what stays when it fails."""

from __future__ import annotations

import sys

import pytest

from agent import identity
from agent.renewal import Renewal

LATE_US = 70 * 86_400 * 1_000_000
"""More than two thirds of ninety days."""


@pytest.fixture
def renewal(door, enrolled):
    directory = enrolled(door.url)
    return Renewal(directory, identity.load(directory)), directory


def test_not_before_its_time(door, renewal):
    assert not renewal[0].attempt(door.url, 0)
    assert door.requests == []


def test_exchanges_key_and_certificate(door, renewal):
    one, directory = renewal
    key, before = (directory / "key.pem").read_bytes(), one.record
    assert one.attempt(door.url, LATE_US)
    assert len(door.renewed) == 1
    assert (directory / "key.pem").read_bytes() != key
    assert (directory / "cert.pem").read_text() == door.renewed[0]
    identity.context(directory)
    assert one.record.identity == before.identity


def test_a_failure_leaves_everything_and_is_tried_later(door, renewal, caplog):
    one, directory = renewal
    files = {p.name: p.read_bytes() for p in directory.iterdir()}
    door.stop()
    assert not one.attempt(door.url, LATE_US)
    assert "not renewed" in caplog.text
    assert {p.name: p.read_bytes() for p in directory.iterdir()} == files
    door.start(door.port)
    assert not one.attempt(door.url, LATE_US)
    assert one.attempt(door.url, LATE_US + 3 * 86_400 * 1_000_000)


def test_the_uplink_renews_and_goes_on(door, rig, make_event, until):
    door.clock_ahead_us = LATE_US
    r = rig(door.url)
    r.spool.put("urgent", [make_event(1)])
    until(lambda: any(e.fields.get("action") == "certificate_renewed" for e in door.events()), 30)
    r.spool.put("urgent", [make_event(2)])
    until(lambda: 2 in [e.fields.get("n") for e in door.events()])
    assert len(door.renewed) == 1


def test_a_process_of_its_own_loads_no_more_than_the_agent():
    import subprocess

    program = "import sys, agent.uplink, agent.identity; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
