"""Token buckets, room for bodies, and open requests."""

from __future__ import annotations

from contextlib import ExitStack, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.gateway import limits
from collector.gateway.exceptions import Refused
from collector.gateway.limits import Buckets, Room, Turns


def test_a_bucket_gives_its_burst_then_its_rate() -> None:
    now = [0.0]
    buckets = Buckets(2, 4, lambda: now[0])
    for _ in range(4):
        buckets.take("a")
    with pytest.raises(Refused) as refused:
        buckets.take("a")
    assert (refused.value.code, refused.value.retry_after) == ("rate_limited", 0.51)
    buckets.take("b")
    now[0] += refused.value.retry_after
    buckets.take("a")


def test_more_than_a_burst_is_taken_from_a_full_bucket_and_waited_for() -> None:
    now = [0.0]
    buckets = Buckets(1, 10, lambda: now[0])
    buckets.take("a", 25)
    now[0] = 15.5
    with pytest.raises(Refused):
        buckets.take("a", 1)
    now[0] = 16.5
    buckets.take("a", 1)


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0.1, 20)), max_size=60))
def test_over_any_time_no_more_passes_than_rate_and_burst(steps: list[tuple[float, float]]) -> None:
    now, passed = [0.0], 0.0
    buckets = Buckets(3, 8, lambda: now[0])
    for pause, amount in steps:
        now[0] += pause
        with suppress(Refused):
            buckets.take("a", amount)
            passed += amount
    assert passed <= 8 + 3 * now[0] + 20


def test_buckets_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_KEYS", 10)
    buckets = Buckets(1, 1, lambda: 0.0)
    for number in range(1_000):
        buckets.take(str(number))
    assert len(buckets._levels) == 10


def test_room_is_for_all_and_for_each() -> None:
    room = Room(100, 40)
    with ExitStack() as held:
        held.enter_context(room.body("a", 40))
        with pytest.raises(Refused) as refused, room.body("a", 1):
            pass
        assert refused.value.code == "rate_limited"
        held.enter_context(room.body("b", 40))
        with pytest.raises(Refused) as refused, room.body("c", 21):
            pass
        assert refused.value.code == "busy"
        held.enter_context(room.body("c", 20))
    with room.body("a", 40), room.body("b", 40), room.body("c", 20):
        pass
    assert not room._held


def test_turns_are_given_back_even_after_an_error() -> None:
    turns = Turns(2)
    for _ in range(5):
        with suppress(ZeroDivisionError), turns.request("a"), turns.request("a"):
            with pytest.raises(Refused), turns.request("a"):
                pass
            raise ZeroDivisionError
    assert not turns._open
