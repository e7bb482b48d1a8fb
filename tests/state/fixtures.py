"""Fixtures that several rooms' tests take over in their conftest: an empty, upgraded database of either kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.state import Database
from tests.state import databases


@pytest.fixture(scope="session")
def postgres() -> Iterator[Path]:
    """The socket directory of a PostgreSQL cluster."""
    with databases.cluster() as directory:
        yield directory


@pytest.fixture(params=["sqlite", "postgresql"])
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty, upgraded state database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'state.sqlite'}"
        return
    directory: Path = request.getfixturevalue("postgres")
    url = databases.new_database(directory)
    yield url
    databases.drop_database(directory, url)


@pytest.fixture
def database(state_url: str) -> Iterator[Database]:
    """An open state database."""
    opened = databases.opened(state_url)
    yield opened
    opened.close()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    """An open state database in SQLite, for what does not depend on the kind."""
    opened = databases.opened(f"sqlite:///{tmp_path / 'sqlite-only.sqlite'}")
    yield opened
    opened.close()
