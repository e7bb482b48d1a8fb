"""What can be read of alerts: a page of the list, one alert, and what changed since a version."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from collector.incidents import events, history, totals, version
from collector.incidents.documents import AlertDetail, AlertPage, AlertRow, Delta
from collector.incidents.exceptions import BadCursorError, UnknownAlertError
from collector.incidents.rules import cards_of
from collector.incidents.selection import Filters, select_page
from collector.incidents.tables import alerts
from collector.messages import RuleCard
from collector.state.scopes import in_scopes

DELTA_ROWS = 100


def page(connection: Connection, scopes: Sequence[str], filters: Filters, limit: int, cursor: str) -> AlertPage:
    """A page of alerts, newest `last_us` first, and how many there are in all.

    Raises:
        BadCursorError: not a cursor of ours.
    """
    after = position(cursor) if cursor else None
    rows, total = select_page(connection, scopes, filters, limit + 1, after)
    items = told(connection, rows[:limit])
    return AlertPage(
        items=items,
        total=total,
        next=_cursor(items[-1]) if len(rows) > limit else None,
        version=version.current(connection),
    )


def detail(connection: Connection, scopes: Sequence[str], alert: str) -> AlertDetail:
    """The whole alert.

    Raises:
        UnknownAlertError: there is none of this id within the scopes.
    """
    query = select(alerts).where(alerts.c.id == alert, in_scopes(alerts.c.node, scopes))
    row = connection.execute(query).mappings().first()
    if row is None:
        raise UnknownAlertError(f"no alert {alert}")
    card = cards_of(connection, [row["rule_hash"]]).get(row["rule_hash"])
    return AlertDetail(
        **_fields(dict(row), card),
        descriptions=card.descriptions if card else {},
        falsepositives=card.falsepositives if card else [],
        rule_source=card.source if card else "",
        events=events.read(connection, alert),
        events_total=row["count"],
        history=history.read(connection, alert),
    )


def since(connection: Connection, scopes: Sequence[str], known: int) -> Delta:
    """What changed after version `known`."""
    changed = (alerts.c.version > known) & in_scopes(alerts.c.node, scopes)
    query = select(alerts).where(changed).order_by(alerts.c.version.desc(), alerts.c.last_us.desc())
    rows = told(connection, [dict(row) for row in connection.execute(query.limit(DELTA_ROWS)).mappings()])
    more = 0
    if len(rows) == DELTA_ROWS:
        more = (connection.scalar(select(func.count()).select_from(alerts).where(changed)) or 0) - len(rows)
    return Delta(
        version=version.current(connection), changed=rows, more=more, totals=totals.read(connection, scopes)
    )


def told(connection: Connection, found: Sequence[dict[str, Any]]) -> list[AlertRow]:
    """The rows with their rules' words."""
    cards = cards_of(connection, {row["rule_hash"] for row in found}) if found else {}
    return [AlertRow(**_fields(row, cards.get(row["rule_hash"]))) for row in found]


def _fields(row: dict[str, Any], card: RuleCard | None) -> dict[str, Any]:
    kept = {name: row[name] for name in AlertRow.__struct_fields__ if name in row}
    titles = card.titles if card else dict.fromkeys(("vi", "en"), row["rule_id"])
    return kept | {"titles": titles, "tags": card.tags if card else [], "detected_us": row["last_us"]}


def _cursor(row: AlertRow) -> str:
    return base64.urlsafe_b64encode(f"{row.last_us}:{row.id}".encode()).decode().rstrip("=")


def position(cursor: str) -> tuple[int, str]:
    """Where a page ended: the last row's `last_us` and id.

    Raises:
        BadCursorError: not a cursor of ours.
    """
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        last, alert = text.split(":", 1)
        return int(last), alert
    except ValueError as error:
        raise BadCursorError("the cursor is not one of this collector's; read the list from its start") from error
