"""What the stand-in server knows: alerts, their versions, and who did what. Safe to use from any thread."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

Row = dict[str, Any]

DETAIL_ONLY = ("descriptions", "falsepositives", "rule_source", "events", "events_total", "history")
LEVELS = ("critical", "high", "medium", "low", "informational")
RESULT = {"acknowledge": "acknowledged", "close": "closed", "reopen": "open"}


def row_of(alert: Row) -> Row:
    """The list's part of an alert."""
    return {key: value for key, value in alert.items() if key not in DETAIL_ONLY}


class World:
    """The stand-in's state; `changes` is the log the live stream reads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.alerts: dict[str, Row] = {}
        self.version = 0
        self.changes: list[tuple[int, str]] = []
        self.down = False
        self.must_change = True
        self.permissions = ["alerts.act", "alerts.read", "overview.read"]
        self.failures: Counter[str] = Counter()
        self.summary: Row = {
            "agents": {"active": 14, "silent": 2, "quarantined": 0, "revoked": 1},
            "events_received": 1_204_551,
            "lost_events": 0,
            "rules": {"active": 12, "inactive": 3, "refused": 0},
        }

    def add(self, *alerts: Row) -> None:
        """New or changed alerts, told to every open console."""
        with self.lock:
            for alert in alerts:
                self.version += 1
                self.alerts[alert["id"]] = {**alert, "version": self.version}
                self.changes.append((self.version, alert["id"]))

    def hit(self, alert_id: str) -> None:
        """The rule matched again, just now."""
        alert = self.alerts[alert_id]
        self.add({**alert, "count": alert["count"] + 1, "last_us": int(time.time() * 1e6)})

    def act(self, ids: list[str], action: str, note: str, person: str) -> Row:
        """What the actions endpoint does."""
        changed = [i for i in ids if i in self.alerts and self.alerts[i]["status"] != RESULT[action]]
        missing = [i for i in ids if i not in self.alerts]
        entry = {"time_us": int(time.time() * 1e6), "person": person, "action": action, "note": note}
        for alert_id in changed:
            alert = self.alerts[alert_id]
            self.add({**alert, "status": RESULT[action], "history": [*alert["history"], entry]})
        unchanged = [i for i in ids if i not in changed and i not in missing]
        return {"changed": changed, "unchanged": unchanged, "missing": missing}

    def find(self, query: dict[str, str]) -> Row:
        """What the list endpoint answers; the cursor is an offset."""
        with self.lock:
            found = [alert for alert in self.alerts.values() if self._fits(alert, query)]
            version = self.version
        found.sort(key=lambda alert: (-alert["last_us"], alert["id"]))
        start, limit = int(query.get("cursor", 0)), int(query.get("limit", 50))
        rest = len(found) > start + limit
        return {
            "items": [row_of(alert) for alert in found[start : start + limit]],
            "total": len(found),
            "next": str(start + limit) if rest else None,
            "version": version,
        }

    def totals(self) -> Row:
        """Alerts by status, and the open ones by level."""
        with self.lock:
            statuses = Counter(alert["status"] for alert in self.alerts.values())
            levels = Counter(alert["level"] for alert in self.alerts.values() if alert["status"] == "open")
        by_status = {status: statuses[status] for status in RESULT.values()}
        return {**by_status, "by_level": {level: levels[level] for level in LEVELS}}

    def delta(self, after: int) -> Row | None:
        """Everything after `after`, grouped; None when nothing is new."""
        with self.lock:
            ids = list(dict.fromkeys(alert_id for version, alert_id in self.changes if version > after))
            changed = [row_of(self.alerts[alert_id]) for alert_id in ids[-100:]]
            version = self.version
        if not ids:
            return None
        return {"version": version, "changed": changed, "more": max(0, len(ids) - 100), "totals": self.totals()}

    @staticmethod
    def _fits(alert: Row, query: dict[str, str]) -> bool:
        status, levels = query.get("status", "open"), query.get("level")
        text = query.get("q", "").lower()
        seen = " ".join([*alert["titles"].values(), alert["host"], alert["user"], alert["summary"]]).lower()
        return (
            status in ("all", alert["status"])
            and (not levels or alert["level"] in levels.split(","))
            and query.get("host", "") in ("", alert["host"])
            and query.get("rule", "") in ("", alert["rule_id"])
            and text in seen
        )
