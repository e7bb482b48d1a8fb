"""The one counter that orders changes to alerts: a row carries the version of its last change."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from collector.incidents.tables import versions

ALERTS = "alerts"


def current(connection: Connection) -> int:
    """The version of the latest change."""
    return connection.scalar(select(versions.c.version).where(versions.c.name == ALERTS)) or 0


def advance(connection: Connection) -> int:
    """The version of the change that this write transaction makes."""
    grown = update(versions).where(versions.c.name == ALERTS).values(version=versions.c.version + 1)
    connection.execute(grown)
    return current(connection)
