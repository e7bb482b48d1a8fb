"""Collectors for the journeys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.harness import RULE, Collector


@pytest.fixture
def marker_rules(tmp_path: Path) -> Path:
    """A rule that the ledger's events satisfy."""
    directory = tmp_path / "rules"
    directory.mkdir()
    (directory / "marker.yml").write_text(RULE)
    return directory


@pytest.fixture
def collector(tmp_path: Path, marker_rules: Path) -> Iterator[Collector]:
    """A running collector with the marker rule."""
    made = Collector(tmp_path / "collector", [marker_rules])
    made.start()
    yield made
    made.stop()
