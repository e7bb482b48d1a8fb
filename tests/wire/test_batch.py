"""Batches: put together, taken apart, and refused when they do not add up."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import batch, block, codec
from wire.batch import BatchHeader, Problem
from wire.errors import MalformedError, TooLargeError, WireError


def header(blocks=(), **fields):
    base = {"agent": "a" * 16, "stream": "b" * 26, "sent": 1}
    return BatchHeader(**base, blocks=list(blocks), **fields)


parts = st.lists(
    st.tuples(st.sampled_from(block.LANES), st.integers(1, 2**53), st.binary(min_size=1, max_size=300)),
    max_size=20,
)


@given(parts)
def test_round_trip(some):
    refs = [block.announce(lane, number, 1, data) for lane, number, data in some]
    packed = [data for _, _, data in some]
    sent = header(refs)
    assert batch.split(batch.join(sent, packed)) == (sent, packed)


@given(parts.filter(bool), st.binary(min_size=1, max_size=5))
def test_lengths_must_add_up(some, tail):
    refs = [block.announce(lane, number, 1, data) for lane, number, data in some]
    body = batch.join(header(refs), [data for _, _, data in some])
    for wrong in (body + tail, body[:-1]):
        with pytest.raises(MalformedError, match="add up"):
            batch.split(wrong)


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_in_our_words(data):
    with pytest.raises(WireError):
        batch.split(data)


def test_the_first_line_is_for_people():
    line, _, rest = batch.join(header(), []).partition(b"\n")
    assert codec.decode(line, BatchHeader, "header") == header()
    assert rest == b""


def test_limits():
    ref = block.announce("urgent", 1, 1, b"x")
    with pytest.raises(TooLargeError, match="batch of"):
        batch.split(b"x" * (batch.MAX_BATCH_BYTES + 1))
    with pytest.raises(MalformedError, match="no header line"):
        batch.split(b"x" * (batch.MAX_HEADER_BYTES + 1) + b"\n")
    with pytest.raises(MalformedError, match=r"\$.blocks"):
        batch.split(batch.join(header([ref] * (batch.MAX_BLOCKS + 1)), [b"x"] * (batch.MAX_BLOCKS + 1)))
    with pytest.raises(MalformedError, match="size"):
        batch.split(batch.join(header([msgspec.structs.replace(ref, size=block.MAX_PACKED_BYTES + 1)]), []))


def test_a_full_header_fits():
    gap = block.Gap(lane="security", first=2**53, last=2**53, events=2**40, reason="evicted")
    refs = [block.announce("security", 2**53, 8_192, b"x")] * batch.MAX_BLOCKS
    full = header(refs, gaps=[gap] * batch.MAX_GAPS, boot="b" * 36, mono=2**60)
    assert len(codec.encode(full)) < batch.MAX_HEADER_BYTES
    assert batch.split(batch.join(full, [b"x"] * batch.MAX_BLOCKS))[0] == full


@pytest.mark.parametrize("status", [200, 418, 502])
def test_a_problem_has_a_known_status(status):
    with pytest.raises(MalformedError):
        codec.decode(b'{"code":"x","title":"t","status":%d}' % status, Problem, "problem")
