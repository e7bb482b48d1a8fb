"""Cutting into blocks keeps order and limits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent import cut
from wire import block
from wire.block import Block
from wire.event import Event, Logsource

HEAD = Block(agent="a" * 16, stream="b" * 26, lane="routine", block=1)
EVENT = Event(time=1, source=Logsource(), fields={"a": "b"})


@given(st.lists(st.integers(1, 300_000), max_size=60), st.lists(st.integers(1, 300_000), max_size=5))
def test_runs_keep_order_and_stay_below_the_target(sizes, sample_sizes):
    events = [b"%d" % i + b"x" * size for i, size in enumerate(sizes)]
    samples = [b"%d" % i + b"y" * size for i, size in enumerate(sample_sizes)]
    found = list(cut.runs(events, samples))
    assert [e for run in found for e in run.events] == events
    assert [s for run in found for s in run.samples] == samples
    for run in found:
        assert 1 <= len(run) <= block.MAX_EVENTS
        assert sum(map(len, run.events)) <= cut.TARGET_BYTES or len(run) == 1


@given(st.lists(st.sampled_from([EVENT, Event(time=1, source=Logsource(), fields={"a": "\ud800"})]), max_size=20))
def test_every_event_is_taken_or_counted(events):
    encoded, invalid = cut.encode_events(events)
    assert len(encoded) + invalid == len(events)
    assert invalid == sum(event is not EVENT for event in events)


def test_the_worst_event_still_fits_a_block():
    noise = "".join(chr(0x4E00 + i * 7919 % 20_000) for i in range(60_000))
    fields = {f"f{i}": noise[i:] for i in range(5)}
    encoded, invalid = cut.encode_events([Event(time=1, source=Logsource(), fields=fields)])
    assert invalid == 0
    assert len(encoded[0]) > 800 << 10
    ref, packed = cut.pack(HEAD, next(cut.runs(encoded, [])))
    assert ref.size <= block.MAX_PACKED_BYTES
    assert block.unpack(packed).events[0].fields == fields


def test_salvage_of_what_is_no_block():
    run, bad = cut.salvage(b"nonsense")
    assert (len(run), bad) == (0, 0)
