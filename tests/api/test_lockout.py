"""The counts behind the sign-in: what many addresses may do to one account, and what they may not."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from collector.api import lockout
from collector.api.tables import attempts
from collector.state import Database, upgrade


@pytest.fixture
def state(database: Database) -> Database:
    upgrade(database)
    return database


def guess(state: Database, user: str, address: str, times: int = 1) -> list[float]:
    with state.write() as connection:
        return [lockout.attempt(connection, user, address) for _ in range(times)]


def sign_in(state: Database, user: str, address: str) -> float:
    with state.write() as connection:
        waits = lockout.attempt(connection, user, address)
        if not waits:
            lockout.succeeded(connection, user, address)
        return waits


def test_guessing_from_everywhere_slows_all_but_the_known_addresses(state: Database) -> None:
    assert sign_in(state, "admin", "10.0.0.1") == 0
    waits = [guess(state, "admin", f"192.0.2.{number}", 4)[-1] for number in range(30)]
    assert waits.count(0.0) == lockout.FREE_BY_ACCOUNT // 4
    assert sign_in(state, "admin", "10.0.0.2") > 0
    for _ in range(3):
        assert sign_in(state, "admin", "10.0.0.1") == 0
    assert guess(state, "admin", "203.0.113.1")[0] > 0
    assert sign_in(state, "other", "10.0.0.2") == 0


def test_a_known_address_that_guesses_is_locked_itself(state: Database) -> None:
    assert sign_in(state, "admin", "10.0.0.1") == 0
    assert [wait > 0 for wait in guess(state, "admin", "10.0.0.1", 7)] == [False] * 5 + [True] * 2


def test_signing_in_frees_nobody_who_guesses(state: Database) -> None:
    for number in range(24):
        guess(state, "admin", f"192.0.2.{number}", 4)
        assert sign_in(state, "admin", "10.0.0.1") == 0
    guess(state, "admin", "198.51.100.1", 4)
    assert guess(state, "admin", "198.51.100.2")[0] > 0


def test_the_address_used_longest_ago_is_no_longer_known(state: Database) -> None:
    for number in range(lockout.KNOWN_BY_ACCOUNT + 3):
        assert sign_in(state, "a_b", f"10.0.0.{number}") == 0
    sign_in(state, "axb", "10.0.0.1")
    with state.read() as connection:
        keys = list(connection.scalars(select(attempts.c.key)))
    known = [key for key in keys if key.startswith("known:3:a_b@")]
    assert "known:3:axb@10.0.0.1" in keys
    assert len(known) == lockout.KNOWN_BY_ACCOUNT
    assert "known:3:a_b@10.0.0.0" not in known


def test_many_names_push_no_known_address_out(state: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockout, "MAX_KEYS", 20)
    sign_in(state, "admin", "10.0.0.1")
    for number in range(60):
        guess(state, f"name-{number}", f"192.0.2.{number}")
    with state.read() as connection:
        assert (connection.scalar(select(func.count()).select_from(attempts)) or 0) <= 21
        found = connection.scalar(select(attempts.c.key).where(attempts.c.key == "known:5:admin@10.0.0.1"))
    assert found is not None
