"""The first schema: fleet, alerts, and people.

A migration that was released is never edited: what changes later gets a migration of its own.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make every table."""
    _fleet()
    _agents()
    _alerts()
    _about_alerts()
    _people()


def _fleet() -> None:
    op.create_table(
        "fleet_nodes",
        *_words("path"),
        sa.Column("parent", sa.Text(), nullable=True),
        *_longs("made_us"),
        _key("fleet_nodes", "path"),
        _points("fleet_nodes", "parent", "fleet_nodes.path"),
    )
    op.create_table("fleet_versions", *_words("name"), *_longs("version"), _key("fleet_versions", "name"))
    op.create_table(
        "fleet_tokens",
        *_words("id", "secret_sha256", "node", "label", "role", "person"),
        *_shorts("uses", "used"),
        *_longs("made_us", "expires_us", "revoked_us"),
        *_flags("allow_reenrol"),
        _key("fleet_tokens", "id"),
        _points("fleet_tokens", "node", "fleet_nodes.path"),
    )
    op.execute("INSERT INTO fleet_versions (name, version) VALUES ('admissions', 1)")


def _agents() -> None:
    op.create_table(
        "fleet_agents",
        *_words("agent", "node", "label", "role", "host", "machine_id", "os", "kernel", "version"),
        *_words("status", "reason", "token", "key_sha256", "serial", "previous", "chain"),
        *_longs("since_us", "enrolled_us", "last_seen_us", "skew_us"),
        _key("fleet_agents", "agent"),
        _points("fleet_agents", "node", "fleet_nodes.path"),
        _points("fleet_agents", "token", "fleet_tokens.id"),
    )
    _index("fleet_agents", "machine_id")
    _index("fleet_agents", "node", "host")
    _index("fleet_agents", "token", "key_sha256", unique=True)
    op.create_table(
        "fleet_records",
        *_words("agent", "person", "action", "detail"),
        *_shorts("number"),
        *_longs("time_us"),
        _key("fleet_records", "agent", "number"),
        _points("fleet_records", "agent", "fleet_agents.agent"),
    )
    op.create_table(
        "fleet_streams",
        *_words("agent", "stream"),
        *_longs("events", "gaps", "lost_events", "seen_us"),
        _key("fleet_streams", "agent", "stream"),
        _points("fleet_streams", "agent", "fleet_agents.agent"),
    )


def _alerts() -> None:
    op.create_table(
        "incident_alerts",
        *_words("id", "status", "level", "rule_id", "rule_hash", "agent", "host", "node", "label"),
        *_words("group_key", "user", "summary", "search"),
        *_longs("version", "window_us", "count", "first_us", "last_us", "received_us"),
        *_longs("source_first_us", "source_last_us"),
        _key("incident_alerts", "id"),
    )
    _index("incident_alerts", "version")
    _index("incident_alerts", "last_us", "id")
    _index("incident_alerts", "status", "last_us", "id")
    _index("incident_alerts", "host", "last_us", "id")
    _index("incident_alerts", "rule_id", "last_us", "id")
    op.create_table(
        "incident_rules",
        *_words("hash", "rule_id"),
        *_packed("card"),
        _key("incident_rules", "hash"),
    )
    _index("incident_rules", "rule_id")
    op.create_table("incident_versions", *_words("name"), *_longs("version"), _key("incident_versions", "name"))
    op.execute("INSERT INTO incident_versions (name, version) VALUES ('alerts', 0)")


def _about_alerts() -> None:
    op.create_table(
        "incident_matches",
        *_words("id", "alert"),
        _key("incident_matches", "id"),
        _points("incident_matches", "alert", "incident_alerts.id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "incident_events",
        *_words("alert"),
        *_longs("number"),
        *_packed("event"),
        _key("incident_events", "alert", "number"),
        _points("incident_events", "alert", "incident_alerts.id"),
    )
    op.create_table(
        "incident_history",
        *_words("alert", "person", "action", "note"),
        *_shorts("number"),
        *_longs("time_us"),
        _key("incident_history", "alert", "number"),
        _points("incident_history", "alert", "incident_alerts.id"),
    )
    op.create_table(
        "incident_totals",
        *_words("node", "status", "level"),
        *_longs("count"),
        _key("incident_totals", "node", "status", "level"),
    )
    op.create_table(
        "incident_reports",
        *_words("name"),
        *_longs("time_us"),
        *_packed("body"),
        _key("incident_reports", "name"),
    )


def _people() -> None:
    op.create_table(
        "people_accounts",
        *_words("user", "display_name", "language", "password"),
        *_flags("must_change", "disabled"),
        *_longs("made_us", "changed_us"),
        _key("people_accounts", "user"),
    )
    op.create_table(
        "people_grants",
        *_words("user", "force", "role", "subtree"),
        _key("people_grants", "user", "force", "role", "subtree"),
        _points("people_grants", "user", "people_accounts.user"),
    )
    op.create_table(
        "people_sessions",
        *_words("token_sha256", "user", "peer"),
        *_longs("made_us", "used_us", "expires_us"),
        _key("people_sessions", "token_sha256"),
        _points("people_sessions", "user", "people_accounts.user"),
    )
    _index("people_sessions", "user")
    _index("people_sessions", "expires_us")
    op.create_table(
        "people_attempts",
        *_words("key"),
        *_shorts("failures"),
        *_longs("last_us", "until_us"),
        _key("people_attempts", "key"),
    )
    _index("people_attempts", "last_us")


def _words(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _longs(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names]


def _shorts(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.Integer(), nullable=False) for name in names]


def _flags(*names: str) -> list[sa.Column[bool]]:
    return [sa.Column(name, sa.Boolean(), nullable=False) for name in names]


def _packed(*names: str) -> list[sa.Column[bytes]]:
    return [sa.Column(name, sa.LargeBinary(), nullable=False) for name in names]


def _key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=op.f(f"pk_{table}"))


def _points(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [target], name=op.f(f"fk_{table}_{column}"))


def _index(table: str, *columns: str, unique: bool = False) -> None:
    op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, list(columns), unique=unique)
