"""The events of an alert: the first twenty and the latest twenty in full, whatever their number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec
from sqlalchemy import Connection, bindparam, delete, insert, select

from collector.incidents.documents import AlertEvent
from collector.incidents.tables import events
from collector.messages import Match
from wire.event import Value

FIRST = 20
LATEST = 20
MAX_BYTES = 256 << 10
"""An event above this is kept with its long values cut; the archive has it whole."""

CUT_CHARACTERS = 4_096
CUT_ITEMS = 32


def store(connection: Connection, grown: Mapping[str, tuple[int, Sequence[Match]]]) -> None:
    """Keep the events of new matches. `grown` gives by alert its count with them, and the matches; events
    are numbered from 1 by that count, so what lies between the first and the latest is known by number."""
    rows, ranges = [], []
    for alert, (count, found) in grown.items():
        start = count - len(found)
        for number, match in enumerate(found, start + 1):
            if number <= FIRST or number > count - LATEST:
                rows.append({"alert": alert, "number": number, "event": _packed(match)})
        if count > FIRST + LATEST:
            ranges.append({"which": alert, "through": count - LATEST})
    connection.execute(insert(events), rows)
    if ranges:
        between = events.c.number.between(FIRST + 1, bindparam("through"))
        connection.execute(delete(events).where(events.c.alert == bindparam("which"), between), ranges)


def read(connection: Connection, alert: str) -> list[AlertEvent]:
    """The events that are kept, in the order of detection."""
    query = select(events.c.event).where(events.c.alert == alert).order_by(events.c.number)
    return [msgspec.json.decode(packed, type=AlertEvent) for packed in connection.scalars(query)]


def _packed(match: Match) -> bytes:
    event = AlertEvent(
        event_id=match.event_id,
        time_us=match.event.time,
        received_us=match.received,
        detected_us=match.detected,
        fields=match.event.fields,
        matched=sorted(match.fields),
        raw=match.event.raw,
        logsource=match.event.source,
        origin=match.event.origin,
    )
    packed = msgspec.json.encode(event)
    return packed if len(packed) <= MAX_BYTES else msgspec.json.encode(_cut(event))


def _cut(event: AlertEvent) -> AlertEvent:
    """The event with less in it: shorter values, and fields only as far as they fit."""
    fields: dict[str, Value] = {}
    size = 0
    for name, value in _shortened(event.fields):
        size += len(msgspec.json.encode(value)) + len(name)
        if size > MAX_BYTES // 2:
            break
        fields[name] = value
    raw = None if event.raw is None else event.raw[:CUT_CHARACTERS]
    return msgspec.structs.replace(event, fields=fields, raw=raw, cut=True)


def _shortened(fields: Mapping[str, Value]) -> Iterator[tuple[str, Value]]:
    for name, value in fields.items():
        if isinstance(value, str):
            yield name, value[:CUT_CHARACTERS]
        elif isinstance(value, list):
            yield name, [v[:CUT_CHARACTERS] if isinstance(v, str) else v for v in value[:CUT_ITEMS]]
        else:
            yield name, value
