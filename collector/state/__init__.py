"""The state database: one definition for SQLite and PostgreSQL, one writer, and migrations that come with it."""

from collector.state.database import Database, connect
from collector.state.exceptions import StateError
from collector.state.schema import metadata
from collector.state.upgrade import upgrade

__all__ = ["Database", "StateError", "connect", "metadata", "upgrade"]
