"""Back-off: bounded, jittered, and never sooner than asked."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from agent.backoff import MAX_RETRY_AFTER, Backoff


@given(st.floats(0.01, 10), st.floats(10, 600), st.integers(1, 100))
def test_ceiling_doubles_up_to_the_limit(base, limit, failures):
    backoff = Backoff(base, limit)
    for n in range(failures):
        assert 0 <= backoff.next() <= min(limit, base * 2.0**n)
    assert backoff.failures == failures
    backoff.reset()
    assert backoff.next() <= base


@given(st.floats(0.1, 1e9))
def test_never_sooner_than_asked(asked):
    wait = Backoff(1, 60).next(asked)
    assert min(asked, MAX_RETRY_AFTER) <= wait <= min(asked, MAX_RETRY_AFTER) * 1.5 + 1


def test_a_crowd_is_spread():
    waits = sorted(Backoff(8, 60).next() for _ in range(400))
    assert waits[0] < 1
    assert waits[-1] > 7
    assert max(later - earlier for earlier, later in itertools.pairwise(waits)) < 0.5
