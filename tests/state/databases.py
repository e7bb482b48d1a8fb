"""Real state databases for tests: SQLite files, and a PostgreSQL cluster of our own on a Unix socket."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from collector.state import Database, connect, upgrade

BINARIES = Path("/usr/lib/postgresql")
TEMPLATE = "migrated"


def postgres_binaries() -> Path | None:
    """Where the newest installed server's programs are."""
    found = sorted(BINARIES.glob("*/bin/initdb"))
    return found[-1].parent if found else None


@contextmanager
def cluster() -> Iterator[Path]:
    """A PostgreSQL cluster in a directory of its own; yields the directory of its socket."""
    binaries = postgres_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server programs under /usr/lib/postgresql: apt-get install postgresql")
    directory = Path(tempfile.mkdtemp(prefix="lp-pg-"))
    account = _account()
    if account is not None:
        os.chown(directory, account, account)
    run = {"user": account, "group": account, "extra_groups": []} if account is not None else {}

    def program(name: str, *arguments: str) -> None:
        subprocess.run(
            [str(binaries / name), *arguments], check=True, cwd="/", stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, timeout=60, **run,
        )  # fmt: skip

    data = str(directory / "data")
    program("initdb", "-D", data, "-U", "owner", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
    options = f"-k {directory} -c listen_addresses= -c fsync=off -c max_connections=40"
    program("pg_ctl", "-D", data, "-w", "-l", str(directory / "log"), "-o", options, "start")
    try:
        _migrate_template(directory)
        yield directory
    finally:
        program("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(directory)


def new_database(directory: Path) -> str:
    """Make an empty, upgraded database in the cluster; returns its address."""
    name = f"t{uuid.uuid4().hex[:12]}"
    _command(directory, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    return address(directory, name)


def drop_database(directory: Path, url: str) -> None:
    """Remove it again."""
    name = url.partition("@/")[2].partition("?")[0]
    _command(directory, f"DROP DATABASE {name} WITH (FORCE)")


def address(directory: Path, name: str) -> str:
    """The address of a database in the cluster."""
    return f"postgresql://owner@/{name}?host={directory}"


def opened(url: str) -> Database:
    """The database, upgraded."""
    database = connect(url)
    upgrade(database)
    return database


def _migrate_template(directory: Path) -> None:
    _command(directory, f"CREATE DATABASE {TEMPLATE}")
    opened(address(directory, TEMPLATE)).close()


def _command(directory: Path, statement: str) -> None:
    with psycopg.connect(host=str(directory), user="owner", dbname="postgres", autocommit=True) as connection:
        connection.execute(statement.encode())


def _account() -> int | None:
    """PostgreSQL refuses to run as root: its own account, or nobody."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_uid
    except KeyError:
        return pwd.getpwnam("nobody").pw_uid
