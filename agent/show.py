"""Status and sensors as text for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone

from agent.sensor import Availability
from agent.status import Status
from agent.texts import say

HANOI = timezone(timedelta(hours=7), "Asia/Ho_Chi_Minh")
"""Vietnam has no summer time: a fixed offset is exact, and needs no time zone data on the machine."""


def status(now: Status) -> str:
    """The whole of `lienphong-agent status`."""
    lines = [f"{name + ':':<19}{value}" for name, value in _facts(now)]
    if now.sensors:
        rows = [(s.name, s.phase, str(s.events), s.reason) for s in now.sensors]
        lines += ["", *table((say("sensor"), say("state").upper(), say("events"), say("why")), rows)]
    return "\n".join(lines)


def sensors(found: Sequence[tuple[str, Availability]]) -> str:
    """The whole of `lienphong-agent sensors`."""
    rows = [(name, say("yes" if a.works else "no"), a.reason, a.fix) for name, a in found]
    return "\n".join(table((say("sensor"), say("works"), say("why"), say("fix")), rows))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as their widest cell."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    return [
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    ]


def moment(us: int) -> str:
    """µs UTC as `HH:mm:ss dd/MM/yyyy` in Vietnam."""
    return datetime.fromtimestamp(us / 1e6, UTC).astimezone(HANOI).strftime("%H:%M:%S %d/%m/%Y")


def size(number: int) -> str:
    """Bytes in a unit that people read."""
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1_000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1_000
    return f"{value:.1f} TB"


def _facts(now: Status) -> Iterator[tuple[str, str]]:
    yield say("agent"), f"{now.identity.agent} ({now.version})"
    yield say("node"), f"{now.identity.node} ({now.identity.label}, {now.identity.role})"
    yield say("state"), now.phase if now.running else say("not_running")
    yield say("door"), now.collector
    yield say("certificate"), moment(now.certificate_until)
    if not now.running:
        return
    yield say("delivered"), moment(now.last_success) if now.last_success else say("never")
    if now.last_error:
        yield say("problem"), now.last_error
        yield say("next_try"), moment(now.next_try)
    if now.spool:
        held = {"events": sum(now.spool.events.values()), "bytes": size(now.spool.bytes)}
        yield say("waiting"), say("waiting_value", **held, max=size(now.spool.max_bytes))
    lost = ", ".join(f"{reason} {n}" for reason, n in sorted(now.lost_events.items()))
    yield say("lost"), lost or "0"
    if now.clock_offset_us is not None:
        yield say("clock"), f"{now.clock_offset_us / 1e6:+.3f} s"
