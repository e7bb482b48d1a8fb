"""Whatever bytes come, judging them ends in an arrival or a refusal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collector.gateway import content
from wire import block, codec
from wire.batch import BatchHeader
from wire.block import Block, BlockRef
from wire.event import Event, Logsource

AGENT, STREAM = "a" * 16, "b" * 26
GOOD = block.pack(
    Block(
        agent=AGENT,
        stream=STREAM,
        lane="routine",
        block=1,
        events=[Event(time=1, source=Logsource(product="linux"), fields={"Image": "/bin/true"})],
    )
)


def judge(packed: bytes, ref: BlockRef | None = None) -> tuple[int, list[str]]:
    ref = ref or block.announce("routine", 1, 1, packed)
    header = BatchHeader(agent=AGENT, stream=STREAM, sent=0, blocks=[ref])
    judged = content.judge_blocks(header, [packed])
    return len(judged.arrivals), [refusal.code for refusal in judged.refused]


def test_a_good_block_arrives() -> None:
    assert judge(GOOD) == (1, [])


@given(st.binary(min_size=1, max_size=200))
def test_any_bytes(packed: bytes) -> None:
    assert judge(packed) == (0, ["malformed"])


@given(st.binary(max_size=400))
def test_any_content_of_a_frame(plain: bytes) -> None:
    arrived, codes = judge(codec.compress(plain))
    assert (arrived, len(codes)) == (0, 1)


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_any_damage_is_noticed_by_hash_or_by_checksum(position: int, change: int) -> None:
    damaged = bytearray(GOOD)
    damaged[position] ^= change
    assert judge(bytes(damaged), block.announce("routine", 1, 1, GOOD)) == (0, ["hash_mismatch"])
    arrived, _ = judge(bytes(damaged))
    assert not arrived or block.unpack(bytes(damaged)) == block.unpack(GOOD), "a bit of the frame without meaning"
