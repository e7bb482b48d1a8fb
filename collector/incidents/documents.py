"""What is told of an alert: the row of a list, the whole alert, one event of it, and a delta."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from collector.messages import Level
from wire.event import Logsource, Origin, Value

Status = Literal["open", "acknowledged", "closed"]
STATUSES: tuple[Status, ...] = ("open", "acknowledged", "closed")

Action = Literal["acknowledge", "close", "reopen"]


class AlertRow(Struct, frozen=True, kw_only=True):
    """An alert in a list. All times are µs UTC. `first_us` and `last_us` are the first and the latest detection by
    the collector's clock, and lists are ordered by the latter, so that neither a wrong clock nor a late batch can
    hide an alert; `received_us` and `detected_us` belong to the latest match; `source_first_us` and
    `source_last_us` are the machine's own times of the earliest and latest event. `user` and `summary` are the
    latest event's account and its command line or message, up to 8,192 characters. `version` grows
    with every change."""

    id: str
    rule_id: str
    titles: dict[str, str]
    level: Level
    status: Status
    host: str
    agent: str
    node: str
    label: str
    user: str
    count: int
    first_us: int
    last_us: int
    received_us: int
    detected_us: int
    source_first_us: int
    source_last_us: int
    summary: str
    tags: list[str]
    version: int


class AlertEvent(Struct, frozen=True, kw_only=True):
    """One event of an alert, in full. `matched` names the fields that the rule looked at and found; `cut` that
    long values were shortened here (the archive has them whole)."""

    event_id: str
    time_us: int
    received_us: int
    detected_us: int
    fields: dict[str, Value]
    matched: list[str]
    raw: str | None
    logsource: Logsource
    origin: Origin
    cut: bool = False


class HistoryEntry(Struct, frozen=True, kw_only=True):
    """What was done to an alert. `person` is empty where the system did it (`open`; `reopen` when the rule
    matched again after the alert was closed)."""

    time_us: int
    person: str
    action: Literal["open", "acknowledge", "close", "reopen"]
    note: str


class AlertDetail(AlertRow, frozen=True, kw_only=True):
    """The whole alert: its row, the rule's words and source, the first 20 and the latest 20 of `events_total`
    events, and its history, oldest first."""

    descriptions: dict[str, str]
    falsepositives: list[dict[str, str]]
    rule_source: str
    events: list[AlertEvent]
    events_total: int
    history: list[HistoryEntry]


class AlertPage(Struct, frozen=True, kw_only=True):
    """`total` counts everything that fits the filters, not only this page; `next` is the cursor of the page after
    this one, or null; `version` is where a stream goes on from."""

    items: list[AlertRow]
    total: int
    next: str | None
    version: int


class Totals(Struct, frozen=True, kw_only=True):
    """Alerts by status, and the open ones by level."""

    open: int
    acknowledged: int
    closed: int
    by_level: dict[str, int]


class Delta(Struct, frozen=True, kw_only=True):
    """Everything that changed since a version: up to a hundred rows, newest change first; `more` counts the
    changed rows that are not among them, for which a client reads the list again."""

    version: int
    changed: list[AlertRow]
    more: int
    totals: Totals


class Outcome(Struct, frozen=True, kw_only=True):
    """What an action did, by alert: changed, already so, or not there within the person's scopes."""

    changed: list[str]
    unchanged: list[str]
    missing: list[str]
