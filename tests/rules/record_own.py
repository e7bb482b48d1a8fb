"""Records what the agent measures and says of itself: `python -m tests.rules.record_own`, as root.

A disk really is filled (a small file system in a file, mounted for this process alone), sensors really fail, and a
spool file really is damaged.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from agent import own
from agent.clock import mono_us, now_us
from agent.config import LogsConfig, ProcessConfig, SpoolConfig
from agent.sensor import Sensor
from agent.sensors.health import Processor, measure
from agent.sensors.logs import LogSensor
from agent.sensors.process import ProcessSensor
from agent.spool import FILE_NAME, Spool
from agent.spoolfile import Owner
from agent.supervision import Supervised
from agent.tally import Tally
from tests.rules.samples import RULES, write
from wire import block
from wire.event import Event
from wire.health import HealthSample

OWNER = Owner("abcdefghij234567", "machine", "boot")
MOUNT_POINT = Path("/srv")


def main() -> int:
    """In a mount namespace of its own."""
    if os.environ.get("LIENPHONG_PRIVATE_MOUNTS") is None:
        environment = {**os.environ, "LIENPHONG_PRIVATE_MOUNTS": "1"}
        command = ["unshare", "--mount", sys.executable, "-m", "tests.rules.record_own"]
        return subprocess.run(command, env=environment, check=False).returncode
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        _save("disk_nearly_full", "positive-filled", filled_disk(directory, megabytes=43))
        _save("disk_nearly_full", "negative-room-left", filled_disk(directory, megabytes=38))
        _save("agent_blind", "positive-no-helper", sensor_reports(directory, ProcessSensor(ProcessConfig(), None)))
        _save(
            "agent_blind", "positive-no-source", sensor_reports(directory, LogSensor(LogsConfig(files=()), None))
        )
        off = ProcessSensor(ProcessConfig(enabled=False), None)
        _save("agent_blind", "negative-switched-off", sensor_reports(directory, off))
        subprocess.run(["mount", "-t", "tmpfs", "spool", MOUNT_POINT], check=True)
        _save("agent_store_replaced", "positive-damaged", spool_reports(MOUNT_POINT / "a", damage=True))
        _save("agent_store_replaced", "negative-orderly", spool_reports(MOUNT_POINT / "b", damage=False))
    return 0


def filled_disk(directory: Path, megabytes: int) -> list[Event]:
    """A measurement while a file system of 50 MB holds `megabytes`."""
    image = directory / f"disk-{megabytes}"
    with image.open("wb") as file:
        file.truncate(50 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, MOUNT_POINT], check=True)
    try:
        subprocess.run(["fallocate", "-l", f"{megabytes}M", MOUNT_POINT / "data"], check=True)
        sample = HealthSample(time=now_us(), mono=mono_us(), metrics=measure(Processor()))
    finally:
        subprocess.run(["umount", MOUNT_POINT], check=True)
    return [sample.as_event()]


def sensor_reports(directory: Path, sensor: Sensor) -> list[Event]:
    """What supervision says of a sensor until it said something."""
    stop = threading.Event()
    tally = Tally()

    def watch(spool: Spool) -> None:
        supervised = Supervised(sensor, spool, tally, stop)
        supervised.start()
        while supervised.state.phase not in ("failed", "unavailable"):
            stop.wait(0.02)
        stop.set()
        assert supervised.join(10)

    place = directory / f"spool-{now_us()}"
    place.mkdir()
    return list(_with_spool(place, watch, tally))


def spool_reports(place: Path, damage: bool) -> list[Event]:
    """What a spool says that is opened a second time, damaged in between or not."""
    place.mkdir()
    list(_with_spool(place, lambda spool: _put(spool, own.event("started"))))
    if damage:
        (place / FILE_NAME).write_bytes(b"no database" * 1_000)
        return list(_with_spool(place, lambda _spool: None))
    return list(_with_spool(place, lambda spool: _put(spool, own.event("stopped"))))


def _put(spool: Spool, event: Event) -> None:
    spool.put(own.LANE, [event])


def _with_spool(place: Path, work: Callable[[Spool], None], tally: Tally | None = None) -> Iterator[Event]:
    spool = Spool(place, OWNER, SpoolConfig(min_free_bytes=0), tally or Tally())
    work(spool)
    assert spool.flush(10)
    parcel = spool.pending(1 << 20)
    for packed in parcel.packed if parcel else ():
        yield from block.unpack(packed).all_events()
    spool.close(10)


def _save(rule: str, sample: str, events: Iterable[Event]) -> None:
    (path,) = RULES.rglob(f"{rule}.yml")
    found = [event for event in events if event.source.product == "lienphong"]
    print(f"{rule} {sample}: {len(found)} events", flush=True)
    write(path.with_suffix("") / f"{sample}.jsonl", found)


if __name__ == "__main__":
    sys.exit(main())
