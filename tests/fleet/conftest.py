"""A database, a signer with real keys, and machines that ask to be enrolled."""

from __future__ import annotations

import pytest

from collector import layout as house
from collector.fleet import Enrolment
from collector.layout import Layout
from collector.settings import Settings
from collector.state import Database
from collector.trust import ceremony
from tests.fleet.machines import Signing
from tests.state.fixtures import database, postgres, sqlite, state_url

__all__ = ["database", "postgres", "sqlite", "state_url"]


@pytest.fixture(scope="session")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """Directories with every key and certificate in them."""
    made = Layout(tmp_path_factory.mktemp("trust") / "data")
    house.create(made, Settings(hostnames=["localhost"]))
    ceremony.hold(made, ["localhost"])
    return made


@pytest.fixture
def signing(layout: Layout) -> Signing:
    """The real signer, which a test can make fail."""
    return Signing(layout)


@pytest.fixture
def enrolment(database: Database, signing: Signing) -> Enrolment:
    """Enrolment on a database of either kind."""
    return Enrolment(database, signing)
