"""Transactions: one writer, readers that neither wait nor write, and errors that keep nothing."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from collector.state import Database, StateError, connect


def bump(connection: Connection) -> int:
    """Read, decide, write: lost updates would show."""
    held = connection.scalar(text("SELECT version FROM fleet_versions"))
    assert isinstance(held, int)
    connection.execute(text("UPDATE fleet_versions SET version = :new"), {"new": held + 1})
    return held + 1


def version(connection: Connection) -> int:
    return int(connection.scalar(text("SELECT version FROM fleet_versions")) or 0)


def test_writers_in_two_processes_worth_of_connections_never_overlap(state_url: str, database: Database) -> None:
    other = connect(state_url)

    def many(mine: Database) -> None:
        for _ in range(50):
            with mine.write() as connection:
                bump(connection)

    threads = [threading.Thread(target=many, args=(d,)) for d in (database, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as connection:
        assert version(connection) == 101
    other.close()


def test_a_reader_sees_one_moment_and_does_not_wait_for_the_writer(database: Database) -> None:
    with database.read() as reader:
        before = version(reader)
        with database.write() as writer:
            bump(writer)
        assert version(reader) == before
    with database.read() as reader:
        assert version(reader) == before + 1


def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(StateError), database.read() as connection:
        bump(connection)


def test_a_failed_block_leaves_nothing(database: Database) -> None:
    def fail() -> None:
        with database.write() as connection:
            bump(connection)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with database.read() as connection:
        assert version(connection) == 1


def test_work_from_the_loop_runs_in_order_off_the_loop(database: Database) -> None:
    async def run() -> list[int]:
        return list(await asyncio.gather(*(database.writing(bump) for _ in range(20))))

    assert asyncio.run(run()) == list(range(2, 22))


def test_sqlite_is_durable_and_checked(sqlite: Database) -> None:
    with sqlite.write() as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    with sqlite.read() as connection:
        assert connection.exec_driver_sql("PRAGMA wal_autocheckpoint").scalar() == 0


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("nonsense", "not a database address"),
        ("mysql://host/name", "expected sqlite"),
        ("sqlite://", "expected sqlite"),
        ("sqlite:////nonexistent-directory/state.sqlite", "no such directory"),
    ],
)
def test_an_address_that_will_not_do_is_named(address: str, words: str) -> None:
    with pytest.raises(StateError, match=words):
        connect(address)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("not root: a small file system cannot be mounted")
    mount = tmp_path / "small"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(mount)], check=True)
    yield mount
    subprocess.run(["umount", "-l", str(mount)], check=True)


def fill(database: Database) -> None:
    """Write more than the disk holds."""
    for _ in range(100):
        with database.write() as connection:
            bump(connection)
            node = {"path": os.urandom(8192).hex()}
            connection.execute(text("INSERT INTO fleet_nodes (path, made_us) VALUES (:path, 0)"), node)


@pytest.mark.root
def test_a_full_disk_is_an_error_that_harms_nothing(small_disk: Path) -> None:
    from collector.state import upgrade

    database = connect(f"sqlite:///{small_disk / 'state.sqlite'}")
    upgrade(database)
    rubbish = small_disk / "rubbish"
    with database.write() as connection:
        bump(connection)
    free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_bsize
    rubbish.write_bytes(bytes(max(free - 8192, 0)))
    with pytest.raises(StateError, match="full"):
        fill(database)
    rubbish.unlink()
    with database.write() as connection:
        after = bump(connection)
    with database.read() as connection:
        assert version(connection) == after
        nodes = connection.scalar(text("SELECT count(*) FROM fleet_nodes"))
        assert nodes == after - 3
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    database.close()
