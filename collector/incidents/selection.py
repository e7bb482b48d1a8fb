"""Which alerts a list shows, found in a time that does not depend on how many there are or how few fit.

Where many fit, an index in the order of the list gives the page at once. Where few do, walking that index would
touch every row in the worst order: then one pass over the table finds the positions of all that fit, which gives
page and total together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, func, select, tuple_

from collector.incidents import grouping, totals
from collector.incidents.documents import Status
from collector.incidents.tables import alerts
from collector.messages import Level
from collector.state.scopes import in_scopes

FEW = 5_000
"""Positions that one pass collects at most."""

SPARSE = 200
"""With so few in all, one pass over a hundred thousand alerts is quicker than walking them in order."""

Position = tuple[int, str]
"""An alert's place in the list: `last_us` and id."""

Row = dict[str, Any]


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """Which alerts a list shows; empty means any. Every word of `text` must occur, without case and accents."""

    statuses: tuple[Status, ...] = ()
    levels: tuple[Level, ...] = ()
    text: str = ""
    host: str = ""
    rule: str = ""


def select_page(
    connection: Connection, scopes: Sequence[str], filters: Filters, limit: int, after: Position | None
) -> tuple[list[Row], int]:
    """Up to `limit` rows that come after a position, newest first, and how many fit in all."""
    conditions = [in_scopes(alerts.c.node, scopes), *_conditions(filters)]
    total = _known_total(connection, scopes, filters)
    if filters.text or (total is not None and total <= SPARSE):
        found = _few(connection, conditions)
        if len(found) <= FEW:
            return _rows_at(connection, _page_of(found, limit, after)), len(found)
    if total is None:
        total = connection.scalar(select(func.count()).select_from(alerts).where(*conditions)) or 0
    return _in_order(connection, conditions, limit, after), total


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    words = grouping.fold(filters.text).split()
    if filters.statuses:
        # Of a search every row is read: in the table's own order, twice as fast as in that of an index on status.
        status = alerts.c.status.concat("") if words else alerts.c.status
        conditions.append(status.in_(filters.statuses))
    if filters.levels:
        conditions.append(alerts.c.level.in_(filters.levels))
    if filters.host:
        conditions.append(alerts.c.host == filters.host)
    if filters.rule:
        conditions.append(alerts.c.rule_id == filters.rule)
    return conditions + [alerts.c.search.contains(word, autoescape=True) for word in words]


def _known_total(connection: Connection, scopes: Sequence[str], filters: Filters) -> int | None:
    """The total from those that are kept, where they can tell."""
    if filters.text or filters.host or filters.rule:
        return None
    counted = totals.counts(connection, scopes)
    return sum(
        count
        for (status, level), count in counted.items()
        if (not filters.statuses or status in filters.statuses) and (not filters.levels or level in filters.levels)
    )


def _few(connection: Connection, conditions: Sequence[ColumnElement[bool]]) -> list[Position]:
    """The positions of what fits, one more than `FEW` at most, in no order."""
    query = select(alerts.c.last_us, alerts.c.id).where(*conditions).limit(FEW + 1)
    return [(row.last_us, row.id) for row in connection.execute(query)]


def _page_of(found: list[Position], limit: int, after: Position | None) -> list[str]:
    ordered = sorted(found, reverse=True)
    return [alert for last, alert in ordered if after is None or (last, alert) < after][:limit]


def _rows_at(connection: Connection, ids: Sequence[str]) -> list[Row]:
    """The rows of these ids, in their order."""
    query = select(alerts).where(alerts.c.id.in_(ids))
    rows = {row["id"]: dict(row) for row in connection.execute(query).mappings()}
    return [rows[alert] for alert in ids]


def _in_order(
    connection: Connection, conditions: Sequence[ColumnElement[bool]], limit: int, after: Position | None
) -> list[Row]:
    query = select(alerts).where(*conditions)
    if after is not None:
        query = query.where(tuple_(alerts.c.last_us, alerts.c.id) < tuple_(*after))
    query = query.order_by(alerts.c.last_us.desc(), alerts.c.id.desc()).limit(limit)
    return [dict(row) for row in connection.execute(query).mappings()]
