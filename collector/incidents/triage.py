"""What people do with alerts: acknowledge, close and reopen them, always by id."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from sqlalchemy import Connection, select, update

from collector.incidents import history, totals
from collector.incidents.documents import Action, Outcome, Status
from collector.incidents.tables import alerts
from collector.incidents.version import advance
from collector.state.scopes import in_scopes

TARGET: dict[Action, Status] = {"acknowledge": "acknowledged", "close": "closed", "reopen": "open"}
FROM: dict[Action, frozenset[str]] = {
    "acknowledge": frozenset({"open"}),
    "close": frozenset({"open", "acknowledged"}),
    "reopen": frozenset({"acknowledged", "closed"}),
}

MAX_IDS = 500


def act(
    connection: Connection, ids: Sequence[str], action: Action, note: str, person: str, scopes: Sequence[str]
) -> Outcome:
    """Apply the action to those of the alerts that lie in the person's scopes and are in a condition it changes.
    An alert outside the scopes is told as missing, like one that does not exist."""
    wanted = list(dict.fromkeys(ids))
    query = select(alerts.c.id, alerts.c.node, alerts.c.status, alerts.c.level)
    query = query.where(alerts.c.id.in_(wanted), in_scopes(alerts.c.node, scopes))
    held = {row["id"]: dict(row) for row in connection.execute(query).mappings()}
    changed = [alert for alert in wanted if alert in held and held[alert]["status"] in FROM[action]]
    if changed:
        target = TARGET[action]
        values = {"status": target, "version": advance(connection)}
        connection.execute(update(alerts).where(alerts.c.id.in_(changed)).values(**values))
        moved: Counter[totals.Key] = Counter()
        for row in (held[alert] for alert in changed):
            moved[totals.key(row)] -= 1
            moved[totals.key(row | {"status": target})] += 1
        totals.add(connection, moved)
        now = time.time_ns() // 1000
        history.append(connection, [history.entry(alert, now, person, action, note) for alert in changed])
    return Outcome(
        changed=changed,
        unchanged=[alert for alert in wanted if alert in held and alert not in set(changed)],
        missing=[alert for alert in wanted if alert not in held],
    )
