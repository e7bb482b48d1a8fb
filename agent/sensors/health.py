"""The machine's condition: processor, memory, disks, network, pressure and clock, at a fixed interval.

Names follow Prometheus's conventions: they end in their unit, and in `_total` what only grows. Thresholds are
rules, not code.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil

from agent import clock
from agent.config import HealthConfig
from agent.sensor import Availability, Sink
from agent.sensors.timekeeping import timekeeping
from wire.health import HealthSample

FIRST_SECONDS = 1.0
"""The first sample comes after this long: the processor's load is a difference."""

PRESSURE = Path("/proc/pressure")
MAX_INSTANCES = 32
"""Mounts, and network interfaces, that are told of; more are hardly looked at one by one."""

MAX_INSTANCE_NAME = 80

Metrics = Iterator[tuple[str, float]]


class HealthSensor:
    """Works without privilege."""

    name = "health"

    def __init__(self, config: HealthConfig) -> None:
        self._config = config

    def availability(self) -> Availability:
        """Everywhere, unless switched off."""
        if not self._config.enabled:
            return Availability(False, "switched off", "Set sensors.health.enabled: true.")
        return Availability(True)

    def run(self, sink: Sink, stop: threading.Event) -> None:
        """Take samples until `stop` is set."""
        processor = Processor()
        pause = min(FIRST_SECONDS, self._config.interval_seconds)
        while not stop.wait(pause):
            sink.sample(HealthSample(time=clock.now_us(), mono=clock.mono_us(), metrics=measure(processor)))
            pause = self._config.interval_seconds


def measure(processor: Processor) -> dict[str, float]:
    """All metrics now; what this kernel does not tell is left out."""
    metrics: dict[str, float] = {}
    for source in (processor.metrics(), _memory(), _disks(), _network(), _pressure(), _system(), timekeeping()):
        metrics.update(source)
    return metrics


class Processor:
    """Shares of processor time since the last look."""

    def __init__(self) -> None:
        self._before = psutil.cpu_times()

    def metrics(self) -> Metrics:
        now, before = psutil.cpu_times(), self._before
        self._before = now
        # guest time is part of user time (proc(5), /proc/stat)
        spent = {name: getattr(now, name) - getattr(before, name) for name in now._fields if "guest" not in name}
        total = sum(spent.values())
        if total > 0:
            yield "cpu_used_percent", _percent(total - spent["idle"] - spent["iowait"], total)
            yield "cpu_iowait_percent", _percent(spent["iowait"], total)
            yield "cpu_steal_percent", _percent(spent["steal"], total)


def _memory() -> Metrics:
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    yield "memory_total_bytes", memory.total
    yield "memory_available_bytes", memory.available
    yield "memory_used_percent", _percent(memory.total - memory.available, memory.total)
    yield "swap_total_bytes", swap.total
    yield "swap_used_bytes", swap.used
    yield "swap_used_percent", _percent(swap.used, swap.total)


def _disks() -> Metrics:
    """File systems on devices, each once; those of the network could keep us waiting."""
    seen: set[str] = set()
    for part in sorted(psutil.disk_partitions(), key=lambda part: len(part.mountpoint)):
        if part.device in seen or len(seen) >= MAX_INSTANCES:
            continue
        seen.add(part.device)
        try:
            state = os.statvfs(part.mountpoint)
        except OSError:
            # Not ours to see, or unmounted this moment.
            continue
        yield from _disk(_instance(part.mountpoint), state)


def _disk(mount: str, state: os.statvfs_result) -> Metrics:
    usable = state.f_blocks - state.f_bfree + state.f_bavail
    yield f"disk_total_bytes.{mount}", state.f_blocks * state.f_frsize
    yield f"disk_free_bytes.{mount}", state.f_bavail * state.f_frsize
    yield f"disk_used_percent.{mount}", _percent(usable - state.f_bavail, usable)
    yield f"disk_read_only.{mount}", float(bool(state.f_flag & os.ST_RDONLY))
    if state.f_files:
        yield f"inodes_free.{mount}", state.f_favail
        yield f"inodes_used_percent.{mount}", _percent(state.f_files - state.f_ffree, state.f_files)


def _network() -> Metrics:
    counters = psutil.net_io_counters(pernic=True, nowrap=False)
    names = sorted(name for name in counters if name != "lo" and not name.startswith("veth"))
    for name in names[:MAX_INSTANCES]:
        seen, instance = counters[name], _instance(name)
        yield f"network_receive_bytes_total.{instance}", seen.bytes_recv
        yield f"network_transmit_bytes_total.{instance}", seen.bytes_sent
        yield f"network_errors_total.{instance}", seen.errin + seen.errout
        yield f"network_drops_total.{instance}", seen.dropin + seen.dropout


def _pressure() -> Metrics:
    """Share of time in which work waited for a resource, over 10 s (kernel documentation, accounting/psi)."""
    for resource in ("cpu", "memory", "io"):
        try:
            lines = (PRESSURE / resource).read_text().splitlines()
        except OSError:
            return
        for line in lines:
            kind, average, *_ = line.split()
            yield f"pressure_{resource}_{kind}_percent", float(average.removeprefix("avg10="))


def _system() -> Metrics:
    for minutes, load in zip((1, 5, 15), os.getloadavg(), strict=True):
        yield f"load{minutes}", load
    yield "cpu_count", float(os.cpu_count() or 1)
    yield "uptime_seconds", clock.mono_us() / 1e6
    yield "processes", float(sum(1 for entry in Path("/proc").iterdir() if entry.name.isdigit()))


def _percent(part: float, whole: float) -> float:
    return round(100 * part / whole, 2) if whole > 0 else 0.0


def _instance(name: str) -> str:
    """As the wire wants it: no white space, bounded; of a long path the end tells more."""
    return "".join("_" if letter.isspace() else letter for letter in name)[-MAX_INSTANCE_NAME:]
