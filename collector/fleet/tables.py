"""The fleet's tables: nodes, enrolment tokens, agents, and what was recorded about them."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Table

from collector.state.schema import Count, Micros, Small, Words, metadata

nodes = Table(
    "fleet_nodes",
    metadata,
    Column("path", Words, primary_key=True),
    Column("parent", ForeignKey("fleet_nodes.path"), nullable=True),
    Column("made_us", Micros, nullable=False),
)

tokens = Table(
    "fleet_tokens",
    metadata,
    Column("id", Words, primary_key=True),
    Column("secret_sha256", Words, nullable=False),
    Column("node", ForeignKey("fleet_nodes.path"), nullable=False),
    Column("label", Words, nullable=False),
    Column("role", Words, nullable=False),
    Column("uses", Small, nullable=False),
    Column("used", Small, nullable=False),
    Column("made_us", Micros, nullable=False),
    Column("expires_us", Micros, nullable=False),
    Column("revoked_us", Micros, nullable=False),
    Column("allow_reenrol", Boolean, nullable=False),
    Column("person", Words, nullable=False),
)

agents = Table(
    "fleet_agents",
    metadata,
    Column("agent", Words, primary_key=True),
    Column("node", ForeignKey("fleet_nodes.path"), nullable=False),
    Column("label", Words, nullable=False),
    Column("role", Words, nullable=False),
    Column("host", Words, nullable=False),
    Column("machine_id", Words, nullable=False),
    Column("os", Words, nullable=False),
    Column("kernel", Words, nullable=False),
    Column("version", Words, nullable=False),
    Column("status", Words, nullable=False),
    Column("reason", Words, nullable=False),
    Column("since_us", Micros, nullable=False),
    Column("token", ForeignKey("fleet_tokens.id"), nullable=False),
    Column("key_sha256", Words, nullable=False),
    Column("serial", Words, nullable=False),
    Column("previous", Words, nullable=False),
    Column("chain", Words, nullable=False),
    Column("enrolled_us", Micros, nullable=False),
    Column("last_seen_us", Micros, nullable=False),
    Column("skew_us", Micros, nullable=False),
    Index(None, "token", "key_sha256", unique=True),
    Index(None, "machine_id"),
    Index(None, "node", "host"),
)

streams = Table(
    "fleet_streams",
    metadata,
    Column("agent", ForeignKey("fleet_agents.agent"), primary_key=True),
    Column("stream", Words, primary_key=True),
    Column("events", Count, nullable=False),
    Column("gaps", Count, nullable=False),
    Column("lost_events", Count, nullable=False),
    Column("seen_us", Micros, nullable=False),
)

records = Table(
    "fleet_records",
    metadata,
    Column("agent", ForeignKey("fleet_agents.agent"), primary_key=True),
    Column("number", Small, primary_key=True),
    Column("time_us", Micros, nullable=False),
    Column("person", Words, nullable=False),
    Column("action", Words, nullable=False),
    Column("detail", Words, nullable=False),
)

versions = Table(
    "fleet_versions",
    metadata,
    Column("name", Words, primary_key=True),
    Column("version", Count, nullable=False),
)
