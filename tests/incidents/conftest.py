"""The databases that these tests run on."""

from tests.state.fixtures import database, postgres, sqlite, state_url

__all__ = ["database", "postgres", "sqlite", "state_url"]
