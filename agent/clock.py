"""What time it is here, since when the machine runs, and how far its clock is from the collector's."""

from __future__ import annotations

import time
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
MACHINE_IDS = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))


def now_us() -> int:
    """This machine's wall clock, µs UTC since the epoch."""
    return time.time_ns() // 1_000


def mono_us() -> int:
    """µs since boot, sleep included (CLOCK_BOOTTIME): comparable within one boot id, and nobody can set it."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000


def boot_id() -> str:
    """The kernel's random id of this boot."""
    return BOOT_ID.read_text().strip()


def machine_id() -> str:
    """The machine's id (machine-id(5)); empty where it has none."""
    for path in MACHINE_IDS:
        if path.is_file():
            return path.read_text().strip()[:64]
    return ""


class Skew:
    """The collector's clock as seen from here, from the time stamps of its answers."""

    def __init__(self) -> None:
        self._offset_us: int | None = None

    @property
    def offset_us(self) -> int | None:
        """Collector's clock minus ours at the last answer, µs; None before the first one. It is at most half
        that answer's round trip wrong."""
        return self._offset_us

    def observe(self, sent_us: int, received_us: int, collector_us: int) -> None:
        """Learn from one exchange; all times µs UTC, the first two by our clock."""
        self._offset_us = collector_us - (sent_us + received_us) // 2
