"""Each process that answers others, killed twenty times during ingest."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journeys.harness import Collector
from tests.journeys.killing import prove


@pytest.mark.timeout(900)
@pytest.mark.parametrize("role", ["signer", "responder", "gateway"])
def test_nothing_acknowledged_is_lost_and_nothing_is_there_twice(
    collector: Collector, tmp_path: Path, role: str
) -> None:
    prove(collector, tmp_path, role)
