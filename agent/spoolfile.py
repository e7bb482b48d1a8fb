"""The spool's SQLite file: made, opened, judged, moved aside; and what its errors mean.

The standard library's SQLite is older than 3.51.3, whose predecessors can corrupt a write-ahead log when one
connection checkpoints while another one writes. That cannot happen here: there is one connection, it holds the
file exclusively, and whoever uses it holds the spool's lock.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from agent.exceptions import SpoolCorruptError, SpoolError, SpoolForeignError, SpoolFullError

SCHEMA_VERSION = 1
SCHEMA = f"""
BEGIN EXCLUSIVE;
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE streams (id INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT NOT NULL, boot TEXT NOT NULL);
CREATE TABLE lanes (stream INTEGER, lane INTEGER, next INTEGER NOT NULL, PRIMARY KEY (stream, lane)) WITHOUT ROWID;
CREATE TABLE blocks (id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, lane INTEGER NOT NULL,
  block INTEGER NOT NULL, events INTEGER NOT NULL, size INTEGER NOT NULL, sha256 TEXT NOT NULL,
  packed BLOB NOT NULL);
CREATE UNIQUE INDEX blocks_order ON blocks (stream, lane, block, events, size);
CREATE TABLE gaps (stream INTEGER, lane INTEGER, first INTEGER, last INTEGER NOT NULL, events INTEGER NOT NULL,
  reason TEXT NOT NULL, sent INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (stream, lane, first)) WITHOUT ROWID;
CREATE TABLE bookmarks (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE totals (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""
"""A lane is stored as its place in `wire.block.LANES`: the higher, the sooner evicted."""

PRAGMAS = (
    "PRAGMA locking_mode = EXCLUSIVE",  # one process; and no shared-memory file beside it
    "PRAGMA auto_vacuum = INCREMENTAL",  # a backlog's space goes back to the disk afterwards
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # a commit is on the disk when it returns
    "PRAGMA wal_autocheckpoint = 512",
    "PRAGMA cache_size = -1024",
    "PRAGMA cell_size_check = ON",
    "PRAGMA temp_store = MEMORY",
)

_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_SCHEMA}


class Owner(NamedTuple):
    """Whose events a spool file holds: a copy of it on another machine is not that machine's."""

    agent: str
    machine: str
    boot: str


def connect(path: Path, owner: Owner) -> sqlite3.Connection:
    """Open the file for this owner, making it when absent.

    Raises:
        SpoolForeignError: it belongs to another agent or machine.
        SpoolCorruptError: it is not readable as what we wrote, or of a later release's form.
        SpoolFullError: the disk does not let us.
    """
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
    try:
        with translated(path):
            for pragma in PRAGMAS:
                db.execute(pragma)
            _schema(db, path)
            _belongs(db, path, owner)
    except SpoolError:
        db.close()
        raise
    path.chmod(0o600)
    return db


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours, by what can be done about them."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _FULL:
            raise SpoolFullError(f"{path}: {error}; free some disk space or make the file writable") from error
        if code in _CORRUPT:
            raise SpoolCorruptError(f"{path}: {error}") from error
        raise SpoolError(f"{path}: {error}") from error


@contextmanager
def transaction(db: sqlite3.Connection, path: Path) -> Iterator[None]:
    """All of it durable, or none of it done."""
    with translated(path):
        db.execute("BEGIN IMMEDIATE")
        try:
            yield
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise


def set_aside(path: Path) -> None:
    """Move an unusable file out of the way, for a person to look at; an older one there is replaced."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        source = path.with_name(path.name + suffix)
        target = path.with_name(f"{path.name}.aside{suffix}")
        target.unlink(missing_ok=True)
        if source.exists():
            source.replace(target)


def _schema(db: sqlite3.Connection, path: Path) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version == 0:
        db.executescript(SCHEMA)
    elif version != SCHEMA_VERSION:
        raise SpoolCorruptError(f"{path}: has form {version}, this release reads {SCHEMA_VERSION}")


def _belongs(db: sqlite3.Connection, path: Path, owner: Owner) -> None:
    found = dict(db.execute("SELECT name, value FROM meta"))
    if not found:
        db.execute("INSERT INTO meta VALUES ('agent', ?), ('machine', ?)", (owner.agent, owner.machine))
    elif (found.get("agent"), found.get("machine")) != (owner.agent, owner.machine):
        raise SpoolForeignError(f"{path}: belongs to agent {found.get('agent')} on machine {found.get('machine')}")
