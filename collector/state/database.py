"""Transactions on the state database: any number of readers, and one writer at a time on either database.

SQLite runs in WAL mode with synchronous=FULL. The writer's connection is the only one that writes and the only
one that runs checkpoints: SQLite before 3.51.3 can damage a WAL when one connection checkpoints while another
commits, and Debian 12 has an older one. On PostgreSQL the same order comes from an advisory lock that lasts as
long as the transaction, so that rooms may read, decide and write without a race on both.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from collector.state.exceptions import StateError

logging.getLogger("alembic").setLevel(logging.WARNING)
"""Alembic tells of every plugin and step, already while it is imported; set here, which comes before."""

T = TypeVar("T")

READERS = 4
BUSY_S = 10.0
READER_MAP_BYTES = 1 << 30
"""Readers map the file instead of copying its pages: a search over everything takes a third less. The file never
shrinks while it is open (nothing vacuums it), so a mapped page is always there."""

WRITER_LOCK = 0x4C50
"""Number of the advisory lock: any constant, ours alone in this database."""


class Database:
    """The state database of one process. `write` and `read` are for threads, `writing` and `reading` for the
    event loop: they run the function in the writer's thread or in one of the readers'."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self._writer = _engine(url, 1, _writer_pragmas)
        self._reader = _engine(url, READERS, _reader_pragmas)
        self._write_thread = ThreadPoolExecutor(1, "state-writer")
        self._read_threads = ThreadPoolExecutor(READERS, "state-reader")

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that no other writer overlaps; committed when the block ends, else rolled back.

        Raises:
            StateError: the database refused (full, locked, gone): nothing of the block was kept.
        """
        try:
            with self._writer.begin() as connection:
                if not self.is_sqlite:
                    connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": WRITER_LOCK})
                yield connection
        except DBAPIError as error:
            raise StateError(f"state database: {error.orig}") from error

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view that never waits for the writer and cannot write.

        Raises:
            StateError: the database refused.
        """
        try:
            with self._reader.begin() as connection:
                if not self.is_sqlite:
                    connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
                yield connection
        except DBAPIError as error:
            raise StateError(f"state database: {error.orig}") from error

    async def writing(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a write transaction off the event loop; returns once it is durable.

        Raises:
            StateError: as for `write`.
        """
        return await asyncio.get_running_loop().run_in_executor(self._write_thread, self._run, self.write, work)

    async def reading(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a read transaction off the event loop.

        Raises:
            StateError: as for `read`.
        """
        return await asyncio.get_running_loop().run_in_executor(self._read_threads, self._run, self.read, work)

    def close(self) -> None:
        """Wait for what is running and close every connection, the writer's last: it folds the WAL in."""
        self._read_threads.shutdown()
        self._write_thread.shutdown()
        self._reader.dispose()
        self._writer.dispose()

    def engine(self) -> Engine:
        """The writer's engine, for migrations alone."""
        return self._writer

    @staticmethod
    def _run(transaction: Callable[[], Any], work: Callable[[Connection], T]) -> T:
        with transaction() as connection:
            return work(connection)


def connect(address: str) -> Database:
    """Open the state database, e.g. `sqlite:////srv/lp/state/state.sqlite` or `postgresql://host/name`.

    Raises:
        StateError: not an address of a supported database, or the file's directory is absent.
    """
    try:
        url = make_url(address)
    except ArgumentError as error:
        raise StateError(f"state_url: not a database address: {error}") from error
    backend = url.get_backend_name()
    if backend == "postgresql":
        return Database(url.set(drivername="postgresql+psycopg"))
    if backend != "sqlite" or not url.database or url.database == ":memory:":
        raise StateError(f"state_url: {backend}: expected sqlite:///FILE or postgresql://HOST/NAME")
    if not Path(url.database).parent.is_dir():
        raise StateError(f"{Path(url.database).parent}: no such directory; make it with: lienphong-collector init")
    return Database(url)


def _engine(url: URL, connections: int, pragmas: Callable[[Any], None]) -> Engine:
    try:
        engine = create_engine(url, pool_size=connections, max_overflow=0, pool_pre_ping=True)
    except SQLAlchemyError as error:
        raise StateError(f"state_url: {error}") from error
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", lambda connection, _record: pragmas(connection))
        begin = "BEGIN IMMEDIATE" if pragmas is _writer_pragmas else "BEGIN"
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _writer_pragmas(connection: Any) -> None:
    _common_pragmas(connection)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def _reader_pragmas(connection: Any) -> None:
    _common_pragmas(connection)
    connection.execute("PRAGMA query_only=ON")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    connection.execute(f"PRAGMA mmap_size={READER_MAP_BYTES}")


def _common_pragmas(connection: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's `begin` event decides which BEGIN, not the driver
    connection.execute(f"PRAGMA busy_timeout={int(BUSY_S * 1000)}")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA cache_size=-16384")
