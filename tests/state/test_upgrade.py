"""Migrations bring a database of either kind to exactly the schema that the rooms declare."""

from __future__ import annotations

import importlib
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from collector.state import Database, StateError, connect, metadata, upgrade
from collector.state.schema import ROOMS


def test_the_migrated_schema_is_the_declared_one(database: Database) -> None:
    for module in ROOMS:
        importlib.import_module(module)
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        declared = {index.name for table in metadata.tables.values() for index in table.indexes}
        held = {i["name"] for name in metadata.tables for i in inspect(connection).get_indexes(name)}
    assert declared == held


def test_upgrading_twice_changes_nothing(database: Database) -> None:
    upgrade(database)
    with database.read() as connection:
        assert connection.scalar(text("SELECT count(*) FROM fleet_versions")) == 1


def test_a_database_of_a_newer_release_is_refused_and_left_alone(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StateError, match="9999 is newer"):
        upgrade(database)


def test_two_processes_may_upgrade_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'race.sqlite'}"
    databases = [connect(url) for _ in range(4)]
    failures: list[BaseException] = []

    def run(database: Database) -> None:
        try:
            upgrade(database)
        except BaseException as error:  # noqa: BLE001 - collected for the assertion
            failures.append(error)

    threads = [threading.Thread(target=run, args=(database,)) for database in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for database in databases:
        database.close()
    assert failures == []


def test_a_migration_that_fails_leaves_the_database_as_it_was(tmp_path: Path) -> None:
    database = connect(f"sqlite:///{tmp_path / 'half.sqlite'}")
    with database.write() as connection:
        connection.execute(text("CREATE TABLE people_accounts (x INTEGER)"))
    with pytest.raises(StateError):
        upgrade(database)
    with database.read() as connection:
        assert inspect(connection).get_table_names() == ["people_accounts"]
    database.close()


def test_the_migrations_work_from_a_zip_less_copy_elsewhere(tmp_path: Path) -> None:
    """As from an installed wheel: the packages lie somewhere else, and the source tree is out of reach."""
    root = Path(__file__).parents[2]
    archive = tmp_path / "copy.zip"
    with zipfile.ZipFile(archive, "w") as copy:
        for package in ("collector", "wire"):
            for file in (root / package).rglob("*.py"):
                if "node_modules" not in file.parts:
                    copy.write(file, file.relative_to(root))
    site = tmp_path / "site with space"
    zipfile.ZipFile(archive).extractall(site)
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from collector.state import connect, upgrade;"
        "import collector; assert collector.__file__.startswith(sys.argv[1]);"
        "d = connect('sqlite:///' + sys.argv[2]); upgrade(d); d.close()"
    )
    subprocess.run(
        [sys.executable, "-c", program, str(site), str(tmp_path / "elsewhere.sqlite")],
        cwd=tmp_path, check=True, timeout=60,
    )  # fmt: skip
    assert (tmp_path / "elsewhere.sqlite").stat().st_size > 0
