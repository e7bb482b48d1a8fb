"""Databases, and a responder that all tests of the directory share; each uses people and agents of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.responder_process import Browser, Running, running_in
from tests.state.fixtures import database, postgres, sqlite, state_url

__all__ = ["database", "postgres", "sqlite", "state_url"]


@pytest.fixture(scope="session")
def console_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built files of a console, as few as can be."""
    directory = tmp_path_factory.mktemp("dist")
    (directory / "assets").mkdir()
    (directory / "index.html").write_text("<!doctype html><title>console</title>")
    (directory / "assets" / "index-abc123.js").write_text("export const x = 1;\n" * 200)
    (directory / "icon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (directory / ".secret").write_text("hidden")
    (directory / "link").symlink_to("/etc/passwd")
    return directory


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory, console_dir: Path) -> Iterator[Running]:
    """A responder on SQLite."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONSOLE_DIR", str(console_dir))
        yield from running_in(tmp_path_factory.mktemp("responder"))


@pytest.fixture
def stranger(running: Running) -> Iterator[Browser]:
    """A browser that is not signed in."""
    browser = running.browser()
    yield browser
    browser.close()


@pytest.fixture
def analyst(running: Running) -> Iterator[Browser]:
    """A browser signed in as an analyst of everything."""
    browser = running.browser("analyst.police")
    yield browser
    browser.close()
