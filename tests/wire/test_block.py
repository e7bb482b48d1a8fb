"""Blocks: packed once, read by anybody, refused beyond their limits."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import block, codec
from wire.block import Block
from wire.errors import HashMismatchError, MalformedError, TooLargeError, WireError
from wire.event import Event, Logsource
from wire.health import HealthSample

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
integers = st.integers(-(2**63), 2**63 - 1)
floats = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.one_of(texts, integers, floats, st.booleans(), st.none())
events = st.builds(
    Event,
    time=st.integers(0, 2**62),
    mono=st.integers(0, 2**62),
    source=st.builds(Logsource, product=texts, category=texts, service=texts),
    origin=st.sampled_from(["kernel", "log", "probe", "agent"]),
    fields=st.dictionaries(texts, st.one_of(scalars, st.lists(scalars, max_size=5)), max_size=8),
    raw=st.none() | texts,
)
samples = st.builds(
    HealthSample,
    time=st.integers(0, 2**62),
    metrics=st.dictionaries(st.sampled_from(["load1", "disk_free_bytes./var", "a.b c".replace(" ", "")]), floats),
    facts=st.dictionaries(texts, texts, max_size=4),
)


def a_block(**fields):
    base = {"agent": "a" * 16, "stream": "b" * 26, "lane": "urgent", "block": 1}
    return Block(**{**base, **fields})


AN_EVENT = Event(time=1, source=Logsource(), fields={})


@given(st.lists(events, max_size=5), st.lists(samples, max_size=3))
def test_round_trip_and_the_encoded_way_is_the_same(some_events, some_samples):
    whole = a_block(events=some_events, health=some_samples)
    head = a_block()
    encoded = block.pack_encoded(
        head, [codec.encode(event) for event in some_events], [codec.encode(sample) for sample in some_samples]
    )
    if not some_events and not some_samples:
        with pytest.raises(MalformedError, match="holds nothing"):
            block.unpack(encoded)
        return
    assert block.unpack(block.pack(whole)) == block.unpack(encoded) == whole


@given(st.lists(events, min_size=1, max_size=5))
def test_packing_is_deterministic(some_events):
    whole = a_block(events=some_events)
    assert block.pack(whole) == block.pack(block.unpack(block.pack(whole)))


def test_identity_counts_events_first():
    whole = a_block(
        events=[AN_EVENT], health=[HealthSample(time=2, metrics={"load1": 1.0}, facts={"Hostname": "h"})]
    )
    first, second = whole.all_events()
    assert first == AN_EVENT
    assert second.source == Logsource(product="lienphong", category="health")
    assert second.origin == "probe"
    assert second.fields == {"Hostname": "h", "load1": 1.0}


def test_a_reference_holds_its_bytes():
    whole = a_block(events=[AN_EVENT])
    packed = block.pack(whole)
    ref = block.reference(whole, packed)
    block.verify(ref, packed)
    for wrong in (packed + b"x", packed[:-1], packed[:-1] + bytes([packed[-1] ^ 1])):
        with pytest.raises(HashMismatchError, match="urgent/1"):
            block.verify(ref, wrong)


BAD = {
    "agent": b'"agent":"A"',
    "stream": b'"stream":"short"',
    "lane": b'"lane":"other"',
    "number zero": b'"block":0',
    "number": b'"block":99007199254740993',
    "time": b'"events":[{"time":-1,"source":{},"fields":{}}]',
    "origin": b'"events":[{"time":1,"origin":"me","source":{},"fields":{}}]',
    "nested": b'"events":[{"time":1,"source":{},"fields":{"a":{"b":1}}}]',
    "nested list": b'"events":[{"time":1,"source":{},"fields":{"a":[[1]]}}]',
    "long name": b'"events":[{"time":1,"source":{},"fields":{"' + b"n" * 129 + b'":1}}]',
    "long text": b'"events":[{"time":1,"source":{},"fields":{"a":"' + b"t" * 65_537 + b'"}}]',
    "integer": b'"events":[{"time":1,"source":{},"fields":{"a":9223372036854775808}}]',
    "metric name": b'"health":[{"time":1,"metrics":{"Load 1":1}}]',
    "metric text": b'"health":[{"time":1,"metrics":{"load1":"1"}}]',
}


@pytest.mark.parametrize("change", BAD.values(), ids=BAD.keys())
def test_fields_out_of_bounds_are_named(change):
    plain = codec.encode(a_block(events=[AN_EVENT]))
    fields = msgspec.json.decode(plain) | msgspec.json.decode(b"{" + change + b"}")
    packed = codec.compress(msgspec.json.encode(fields))
    with pytest.raises(MalformedError, match=r"^block: .* (at|in) `\$"):
        block.unpack(packed)


def test_too_many_fields_and_events():
    many = Event(time=1, source=Logsource(), fields={f"f{i}": i for i in range(257)})
    for events_ in ([many], [AN_EVENT] * (block.MAX_EVENTS + 1)):
        with pytest.raises(MalformedError):
            block.unpack(block.pack(a_block(events=events_)))
    assert len(block.unpack(block.pack(a_block(events=[AN_EVENT] * block.MAX_EVENTS))).events) == block.MAX_EVENTS


def test_a_zip_bomb_stops_at_the_limit():
    with pytest.raises(TooLargeError):
        block.unpack(codec.compress(b" " * (block.MAX_PLAIN_BYTES + 1)))


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_our_words(data):
    with pytest.raises(WireError):
        block.unpack(data)
    with pytest.raises(WireError):
        block.unpack(codec.compress(data))
