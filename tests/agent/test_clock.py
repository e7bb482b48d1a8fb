"""Clocks: units, and the collector's as seen from here."""

from __future__ import annotations

import time

from agent import clock
from agent.clock import Skew


def test_units():
    assert abs(clock.now_us() - time.time() * 1e6) < 5e6
    before = clock.mono_us()
    assert before <= clock.mono_us()
    assert abs(before - time.clock_gettime(time.CLOCK_BOOTTIME) * 1e6) < 5e6


def test_ids():
    assert len(clock.boot_id()) == 36
    assert clock.boot_id() == clock.boot_id()
    assert len(clock.machine_id()) <= 64


def test_offset_is_taken_from_the_middle_of_the_exchange():
    skew = Skew()
    assert skew.offset_us is None
    skew.observe(1_000, 3_000, 12_000)
    assert skew.offset_us == 10_000
    skew.observe(5_000, 5_000, 4_000)
    assert skew.offset_us == -1_000
