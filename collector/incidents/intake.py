"""Matches become alerts: each match counts once, however often the detector hands it over.

A match that falls into a closed alert's hour opens that alert again, with a line in its history: whoever closed
it judged what was known then. The next hour has an alert of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from collector.incidents import events, grouping, history, totals
from collector.incidents.rules import cards_of, store_cards
from collector.incidents.tables import alerts, matches
from collector.incidents.version import advance
from collector.messages import LEVELS, Match, Matches

CHUNK = 400
"""Values in one IN (…): well below SQLite's limit of variables."""

Row = dict[str, Any]

CHANGING = (
    "version", "status", "level", "count", "first_us", "last_us", "received_us", "source_first_us",
    "source_last_us", "rule_hash", "summary", "user", "search",
)  # fmt: skip
"""What further matches may change in an alert's row."""


def take(connection: Connection, batch: Matches) -> int:
    """Count the batch's matches into their alerts; returns how many were new."""
    store_cards(connection, batch.rules)
    fresh = _unseen(connection, batch.matches)
    if not fresh:
        return 0
    groups: dict[str, list[Match]] = {}
    for match in fresh:
        groups.setdefault(grouping.alert_id(match), []).append(match)
    titles = _titles(connection, {match.rule_hash for match in fresh})
    before = _held(connection, list(groups))
    version = advance(connection)
    after = {alert: _counted(before.get(alert), alert, found, version, titles) for alert, found in groups.items()}
    _write(connection, before, after)
    connection.execute(
        insert(matches), [{"id": m.id, "alert": alert} for alert, found in groups.items() for m in found]
    )
    events.store(connection, {alert: (row["count"], groups[alert]) for alert, row in after.items()})
    _tell(connection, before, after, groups)
    return len(fresh)


def chunks(items: Sequence[str]) -> Iterator[Sequence[str]]:
    """The items in runs that fit one statement."""
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


def _unseen(connection: Connection, given: Sequence[Match]) -> list[Match]:
    first = {match.id: match for match in reversed(given)}
    for ids in chunks(list(first)):
        for known in connection.scalars(select(matches.c.id).where(matches.c.id.in_(ids))):
            del first[known]
    return [match for match in given if first.pop(match.id, None) is not None]


def _held(connection: Connection, ids: Sequence[str]) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for some in chunks(ids):
        for row in connection.execute(select(alerts).where(alerts.c.id.in_(some))).mappings():
            found[row["id"]] = dict(row)
    return found


def _counted(before: Row | None, alert: str, found: Sequence[Match], version: int, titles: dict[str, str]) -> Row:
    """The alert's row with these matches in it."""
    row = before or _new(alert, found[0])
    last = max(found, key=lambda match: match.detected)
    times = [min(match.event.time, match.received) for match in found]
    fits_last = last.detected >= row["last_us"]
    status = "open" if row["status"] == "closed" else row["status"]
    merged = row | {
        "version": version,
        "status": status,
        "level": max(row["level"], *(match.level for match in found), key=LEVELS.index),
        "count": row["count"] + len(found),
        "first_us": min(row["first_us"], *(match.detected for match in found)),
        "last_us": max(row["last_us"], last.detected),
        "received_us": last.received if fits_last else row["received_us"],
        "source_first_us": min(row["source_first_us"], *times),
        "source_last_us": max(row["source_last_us"], *times),
        "rule_hash": last.rule_hash if fits_last else row["rule_hash"],
        "summary": grouping.summary(last.event) if fits_last else row["summary"],
        "user": grouping.user(last.event) if fits_last else row["user"],
    }
    if before is None or merged["rule_hash"] != row["rule_hash"]:
        merged["search"] = _search(merged, titles.get(merged["rule_hash"], ""))
    lines = (text for match in found for text in (grouping.user(match.event), grouping.summary(match.event)))
    merged["search"] = grouping.with_lines(merged["search"], lines)
    return merged


def _new(alert: str, match: Match) -> Row:
    """A row that counts nothing yet."""
    identity, event = match.identity, match.event
    return {
        "id": alert,
        "status": "open",
        "level": match.level,
        "rule_id": match.rule_id,
        "rule_hash": match.rule_hash,
        **{name: getattr(identity, name) for name in ("agent", "node", "label")},
        "host": match.host,
        "group_key": grouping.group_key(event),
        "window_us": grouping.window(match),
        "user": grouping.user(event),
        "summary": grouping.summary(event),
        "search": "",
        "count": 0,
        **dict.fromkeys(("first_us", "last_us"), match.detected),
        "received_us": match.received,
        **dict.fromkeys(("source_first_us", "source_last_us"), min(event.time, match.received)),
    }


def _titles(connection: Connection, hashes: set[str]) -> dict[str, str]:
    """The rules' titles as a search compares them, by content hash."""
    cards = cards_of(connection, hashes)
    return {known: grouping.fold(" ".join(card.titles.values())) for known, card in cards.items()}


def _search(row: Row, titles: str) -> str:
    words = (row[name] for name in ("rule_id", "host", "user", "node", "agent", "group_key", "summary"))
    return grouping.searchable([titles, *words])


def _write(connection: Connection, before: dict[str, Row], after: dict[str, Row]) -> None:
    new = [row for alert, row in after.items() if alert not in before]
    grown = [row | {"which": alert} for alert, row in after.items() if alert in before]
    if new:
        connection.execute(insert(alerts), new)
    if grown:
        changed: dict[str, Any] = {name: bindparam(name) for name in CHANGING}
        statement = update(alerts).where(alerts.c.id == bindparam("which")).values(**changed)
        connection.execute(statement, [{name: row[name] for name in ("which", *CHANGING)} for row in grown])


def _tell(
    connection: Connection, before: dict[str, Row], after: dict[str, Row], groups: dict[str, list[Match]]
) -> None:
    """Totals and history of what has changed."""
    changes: Counter[totals.Key] = Counter()
    entries = []
    for alert, row in after.items():
        changes[totals.key(row)] += 1
        old = before.get(alert)
        if old is None:
            entries.append(history.entry(alert, row["first_us"], "", "open"))
            continue
        changes[totals.key(old)] -= 1
        if old["status"] == "closed":
            note = f"+{len(groups[alert])}"
            entries.append(history.entry(alert, row["last_us"], "", "reopen", note))
    totals.add(connection, changes)
    history.append(connection, entries)
