"""How many alerts there are by node, status and level, kept in the transactions that change them: a console that
asks four times a second never counts a hundred thousand rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from collector.incidents.documents import Totals
from collector.incidents.tables import totals
from collector.messages import LEVELS
from collector.state.scopes import in_scopes

Key = tuple[str, str, str]
"""Node, status, level."""


GROW = (
    update(totals)
    .where(*(totals.c[name] == bindparam(f"the_{name}") for name in ("node", "status", "level")))
    .values(count=totals.c.count + bindparam("difference"))
)
NEW = insert(totals).values(
    **{name: bindparam(f"the_{name}") for name in ("node", "status", "level")}, count=bindparam("difference")
)


def key(row: Mapping[str, Any]) -> Key:
    """Under which total an alert's row is counted."""
    return row["node"], row["status"], row["level"]


def add(connection: Connection, changes: Counter[Key]) -> None:
    """Apply differences to the totals."""
    nodes = {node for (node, _, _), difference in changes.items() if difference}
    if not nodes:
        return
    query = select(totals.c.node, totals.c.status, totals.c.level).where(totals.c.node.in_(nodes))
    held = {(row.node, row.status, row.level) for row in connection.execute(query)}
    grown = [_values(key, difference) for key, difference in changes.items() if difference and key in held]
    new = [_values(key, difference) for key, difference in changes.items() if difference and key not in held]
    if grown:
        connection.execute(GROW, grown)
    if new:
        connection.execute(NEW, new)


def _values(key: Key, difference: int) -> dict[str, object]:
    node, status, level = key
    return {"the_node": node, "the_status": status, "the_level": level, "difference": difference}


def read(connection: Connection, scopes: Sequence[str]) -> Totals:
    """The totals within the subtrees."""
    counted = counts(connection, scopes)
    by_status: Counter[str] = Counter()
    for (status, _level), count in counted.items():
        by_status[status] += count
    return Totals(
        open=by_status["open"],
        acknowledged=by_status["acknowledged"],
        closed=by_status["closed"],
        by_level={level: counted["open", level] for level in reversed(LEVELS)},
    )


def counts(connection: Connection, scopes: Sequence[str]) -> Counter[tuple[str, str]]:
    """Alerts by status and level within the subtrees."""
    query = (
        select(totals.c.status, totals.c.level, func.sum(totals.c.count).label("sum"))
        .where(in_scopes(totals.c.node, scopes))
        .group_by(totals.c.status, totals.c.level)
    )
    return Counter({(row.status, row.level): int(row.sum) for row in connection.execute(query)})
