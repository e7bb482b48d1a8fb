"""Rules and data for the detection tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from collector.detection.engine import Engine
from collector.detection.load import load

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "sigma"

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is absent: public rules and events")

Build = Callable[..., Engine]


def rule(detection: dict[str, Any] | None = None, /, **changes: Any) -> dict[str, Any]:
    """A rule document for Linux process starts; `changes` replaces its sections."""
    document: dict[str, Any] = {
        "title": "A rule",
        "logsource": {"product": "linux", "category": "process_creation"},
        "level": "high",
        "detection": detection or {"selection": {"Image": "x"}, "condition": "selection"},
    }
    return {name: value for name, value in {**document, **changes}.items() if value is not None}


def write_rules(path: Path, *documents: dict[str, Any]) -> Path:
    """Write documents into one rule file."""
    path.write_text("---\n".join(yaml.safe_dump(document, allow_unicode=True) for document in documents))
    return path


@pytest.fixture(scope="session")
def public_engine() -> Engine:
    """All public rules, compiled once."""
    return Engine(load([DATA / "sigmahq-rules.tar.gz"]))


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Builds an engine from rule documents."""

    def build(*documents: dict[str, Any], **options: Any) -> Engine:
        return Engine(load([write_rules(tmp_path / "rules.yml", *documents)]), **options)

    return build
