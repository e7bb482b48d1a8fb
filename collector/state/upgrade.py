"""Brings the state database to this release's schema with the migrations that lie beside this module."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from collector.state.database import Database
from collector.state.exceptions import StateError

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(database: Database) -> None:
    """Run every migration that the database has not seen, all in one write transaction.

    Raises:
        StateError: the database is of a newer release, or a migration failed (then it is as it was before).
    """
    with database.write() as connection:
        _refuse_newer(connection)
        command.upgrade(_config(connection), "head")


def _refuse_newer(connection: Connection) -> None:
    current = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()}
    if current is not None and current not in known:
        raise StateError(
            f"state database: schema {current} is newer than this release; start the newer release, or restore "
            "the copy made before it was upgraded"
        )


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
