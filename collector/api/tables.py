"""The tables of the people's door: accounts, what they may do, sessions, and failed sign-ins."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Table

from collector.state.schema import Micros, Small, Words, metadata

accounts = Table(
    "people_accounts",
    metadata,
    Column("user", Words, primary_key=True),
    Column("display_name", Words, nullable=False),
    Column("language", Words, nullable=False),
    Column("password", Words, nullable=False),
    Column("must_change", Boolean, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("made_us", Micros, nullable=False),
    Column("changed_us", Micros, nullable=False),
)

grants = Table(
    "people_grants",
    metadata,
    Column("user", ForeignKey("people_accounts.user"), primary_key=True),
    Column("force", Words, primary_key=True),
    Column("role", Words, primary_key=True),
    Column("subtree", Words, primary_key=True),
)

sessions = Table(
    "people_sessions",
    metadata,
    Column("token_sha256", Words, primary_key=True),
    Column("user", ForeignKey("people_accounts.user"), nullable=False),
    Column("peer", Words, nullable=False),
    Column("made_us", Micros, nullable=False),
    Column("used_us", Micros, nullable=False),
    Column("expires_us", Micros, nullable=False),
    Index(None, "user"),
    Index(None, "expires_us"),
)

attempts = Table(
    "people_attempts",
    metadata,
    Column("key", Words, primary_key=True),
    Column("failures", Small, nullable=False),
    Column("last_us", Micros, nullable=False),
    Column("until_us", Micros, nullable=False),
    Index(None, "last_us"),
)
