"""Bounded decoding: what it takes, what it refuses before it costs memory."""

from __future__ import annotations

import subprocess
import sys

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from wire import codec
from wire.errors import MalformedError, TooLargeError, WireError
from wire.event import Event


@given(st.binary(max_size=5_000))
def test_round_trip(data):
    assert codec.decompress(codec.compress(data), 5_000) == data


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_in_our_words(data):
    with pytest.raises(WireError):
        codec.decompress(data, 1_000)
    with pytest.raises(MalformedError, match=r"^message: "):
        codec.decode(data + b"x", Event, "message")


@given(st.binary(min_size=1, max_size=400), st.data())
def test_a_flipped_bit_never_passes(content, data):
    packed = bytearray(codec.compress(content))
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        again = codec.decompress(bytes(packed), 1 << 20)
    except WireError:
        return
    assert again == content


def test_limit_is_exact():
    packed = codec.compress(b"x" * 100)
    assert len(codec.decompress(packed, 100)) == 100
    with pytest.raises(TooLargeError, match="100 bytes; the limit is 99"):
        codec.decompress(packed, 99)


def test_a_frame_that_hides_its_size_is_refused():
    hidden = zstandard.ZstdCompressor(write_content_size=False).compress(b"x" * 100)
    with pytest.raises(MalformedError, match="without a content size"):
        codec.decompress(hidden, 1_000)


def test_a_frame_that_lies_about_its_size_is_refused():
    bomb = bytearray(codec.compress(b"\0" * (64 << 20)))
    assert zstandard.frame_content_size(bytes(bomb)) == 64 << 20
    bomb[5:9] = (100).to_bytes(4, "little")
    with pytest.raises(WireError):
        codec.decompress(bytes(bomb), 1_000)


@pytest.mark.parametrize("tail", [b"x", codec.compress(b"more")])
def test_exactly_one_frame(tail):
    with pytest.raises(MalformedError, match="exactly one"):
        codec.decompress(codec.compress(b"one") + tail, 1_000)


def test_a_truncated_frame_is_refused():
    packed = codec.compress(bytes(range(256)) * 20)
    for length in range(0, len(packed), 7):
        with pytest.raises(WireError):
            codec.decompress(packed[:length], 1 << 20)


def test_a_huge_window_is_refused():
    parameters = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=1)
    packed = zstandard.ZstdCompressor(compression_params=parameters).compress(b"abc" * (6 << 20))
    with pytest.raises(WireError):
        codec.decompress(packed, 100 << 20)


def test_a_bomb_costs_no_memory():
    program = (
        "import resource, sys\n"
        "from wire import codec\n"
        "from wire.errors import WireError\n"
        "bomb = sys.stdin.buffer.read()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    codec.decompress(bomb, 8 << 20)\nexcept WireError as error:\n    print(error.code)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    bomb = codec.compress(b"\0" * (512 << 20))
    assert len(bomb) < 64 << 10
    done = subprocess.run([sys.executable, "-c", program], input=bomb, capture_output=True, check=True)
    code, grown = done.stdout.decode().split()
    assert code == "too_large"
    assert int(grown) < 2_048


def test_nesting_is_bounded():
    with pytest.raises(MalformedError):
        codec.decode(b'{"time":1,"source":{},"fields":{"a":' + b"[" * 100_000, Event, "event")
