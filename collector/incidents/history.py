"""An alert's history: when it was opened, and who did what to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, insert, select

from collector.incidents.documents import HistoryEntry
from collector.incidents.tables import history

NEWEST = 200


def entry(alert: str, time_us: int, person: str, action: str, note: str = "") -> dict[str, Any]:
    """A line to append; `person` is empty where the system did it."""
    return {"alert": alert, "time_us": time_us, "person": person, "action": action, "note": note}


def append(connection: Connection, entries: Sequence[dict[str, Any]]) -> None:
    """Write the lines, at most one of each alert, after what is there."""
    if not entries:
        return
    ids = [line["alert"] for line in entries]
    query = select(history.c.alert, func.max(history.c.number).label("last")).group_by(history.c.alert)
    last = {row.alert: row.last for row in connection.execute(query.where(history.c.alert.in_(ids)))}
    numbered = [line | {"number": last.get(line["alert"], 0) + 1} for line in entries]
    connection.execute(insert(history), numbered)


def read(connection: Connection, alert: str) -> list[HistoryEntry]:
    """The newest two hundred lines, oldest first."""
    query = select(history).where(history.c.alert == alert).order_by(history.c.number.desc()).limit(NEWEST)
    rows = connection.execute(query).mappings().all()
    return [
        HistoryEntry(time_us=row["time_us"], person=row["person"], action=row["action"], note=row["note"])
        for row in reversed(rows)
    ]
