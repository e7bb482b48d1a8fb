"""A cloned agent is told from a reinstalled or restored one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.gateway import streams
from collector.gateway.streams import LIVE_S, Streams


class Spoken:
    """Streams heard at chosen times."""

    def __init__(self) -> None:
        self.now = 0.0
        self.streams = Streams(lambda: self.now)

    def __call__(self, stream: str, after: float = 1.0, began: float | None = None) -> bool:
        self.now += after
        return self.streams.cloned("agent", stream, self.now if began is None else began)


def test_a_reinstalled_agent_has_a_new_stream() -> None:
    heard = Spoken()
    assert not any(heard(stream) for stream in ("s1", "s1", "s2", "s2", "s3"))


def test_an_old_stream_beside_its_living_successor_is_a_clone() -> None:
    heard = Spoken()
    assert not any(heard(stream) for stream in ("s1", "s2"))
    assert heard("s1")
    assert not heard("s2")
    assert heard("s1")


def test_an_older_one_than_the_last_too() -> None:
    heard = Spoken()
    assert not any(heard(stream) for stream in ("s1", "s2", "s3"))
    assert heard("s1")


def test_a_machine_taken_back_to_a_snapshot_speaks_alone() -> None:
    heard = Spoken()
    assert not heard("s1")
    assert not heard("s2")
    assert not heard("s1", after=LIVE_S + 1)
    assert not heard("s1")


def test_a_request_that_was_under_way_when_the_new_stream_came_is_no_clone() -> None:
    heard = Spoken()
    heard("s1")
    began = heard.now
    assert not heard("s2")
    assert not heard("s1", began=began)
    assert heard("s1")


def test_agents_are_told_apart_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_AGENTS", 10)
    many = Streams(lambda: 0.0)
    for number in range(1_000):
        assert not many.cloned(str(number), "s1", 0)
    assert len(many._tracks) == 10


@given(st.lists(st.integers(1, 40), max_size=80))
def test_a_spool_that_never_returns_is_never_taken_for_a_clone(steps: list[int]) -> None:
    heard = Spoken()
    assert not any(heard(f"s{step}") for step in sorted(steps))
    assert len(heard.streams._tracks["agent"].former if steps else []) <= streams.REMEMBERED
