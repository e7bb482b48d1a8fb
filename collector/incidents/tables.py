"""The tables of alerts: what matched, in which alert it was counted, and what people did about it."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table

from collector.state.schema import Count, Micros, Packed, Small, Words, metadata

rules = Table(
    "incident_rules",
    metadata,
    Column("hash", Words, primary_key=True),
    Column("rule_id", Words, nullable=False),
    Column("card", Packed, nullable=False),
    Index(None, "rule_id"),
)

alerts = Table(
    "incident_alerts",
    metadata,
    Column("id", Words, primary_key=True),
    Column("version", Count, nullable=False),
    Column("status", Words, nullable=False),
    Column("level", Words, nullable=False),
    Column("rule_id", Words, nullable=False),
    Column("rule_hash", Words, nullable=False),
    Column("agent", Words, nullable=False),
    Column("host", Words, nullable=False),
    Column("node", Words, nullable=False),
    Column("label", Words, nullable=False),
    Column("group_key", Words, nullable=False),
    Column("window_us", Micros, nullable=False),
    Column("user", Words, nullable=False),
    Column("summary", Words, nullable=False),
    Column("search", Words, nullable=False),
    Column("count", Count, nullable=False),
    Column("first_us", Micros, nullable=False),
    Column("last_us", Micros, nullable=False),
    Column("received_us", Micros, nullable=False),
    Column("source_first_us", Micros, nullable=False),
    Column("source_last_us", Micros, nullable=False),
    Index(None, "version"),
    Index(None, "last_us", "id"),
    Index(None, "status", "last_us", "id"),
    Index(None, "host", "last_us", "id"),
    Index(None, "rule_id", "last_us", "id"),
)

matches = Table(
    "incident_matches",
    metadata,
    Column("id", Words, primary_key=True),
    Column("alert", ForeignKey("incident_alerts.id"), nullable=False),
    sqlite_with_rowid=False,
)

events = Table(
    "incident_events",
    metadata,
    Column("alert", ForeignKey("incident_alerts.id"), primary_key=True),
    Column("number", Count, primary_key=True),
    Column("event", Packed, nullable=False),
)

history = Table(
    "incident_history",
    metadata,
    Column("alert", ForeignKey("incident_alerts.id"), primary_key=True),
    Column("number", Small, primary_key=True),
    Column("time_us", Micros, nullable=False),
    Column("person", Words, nullable=False),
    Column("action", Words, nullable=False),
    Column("note", Words, nullable=False),
)

totals = Table(
    "incident_totals",
    metadata,
    Column("node", Words, primary_key=True),
    Column("status", Words, primary_key=True),
    Column("level", Words, primary_key=True),
    Column("count", Count, nullable=False),
)

versions = Table(
    "incident_versions",
    metadata,
    Column("name", Words, primary_key=True),
    Column("version", Count, nullable=False),
)

reports = Table(
    "incident_reports",
    metadata,
    Column("name", Words, primary_key=True),
    Column("time_us", Micros, nullable=False),
    Column("body", Packed, nullable=False),
)
