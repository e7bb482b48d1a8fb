"""The messages of the golden files, for every test of the wire."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("shared cores", deadline=None)
settings.load_profile("shared cores")

_spec = importlib.util.spec_from_file_location("make_golden", Path(__file__).with_name("make_golden.py"))
golden_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(golden_module)


@pytest.fixture(scope="session")
def golden():
    """The script that made the golden files."""
    return golden_module
