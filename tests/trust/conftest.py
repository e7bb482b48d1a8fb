"""A data directory after the key ceremony."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector import layout as house
from collector.layout import Layout
from collector.settings import Settings
from collector.trust import ceremony

HOSTNAMES = ["collector.test", "localhost", "127.0.0.1"]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Directories of one account, with every key and certificate in them."""
    made = Layout(tmp_path / "data")
    house.create(made, Settings(hostnames=HOSTNAMES))
    ceremony.hold(made, HOSTNAMES)
    return made
