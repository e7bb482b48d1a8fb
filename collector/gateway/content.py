"""Judges the blocks of a batch before any of them is stored: each is what it says, whole, and the sender's own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor

from msgspec import Struct

from collector.inbox import Arrival
from wire import block
from wire.batch import BatchHeader, Refusal
from wire.block import MAX_EVENTS, BlockRef
from wire.errors import MalformedError, WireError

INLINE_BYTES = 8 << 10
"""Packed bytes up to which a batch is judged on the event loop, in half a millisecond."""

MAX_COUNT = 2**32
"""Events that one gap may name. Far above any spool, far below where sums of them leave 64 bits."""

MAX_TIME = 2**53


class Judged(Struct, frozen=True):
    """What may be stored, and what never will be."""

    arrivals: list[Arrival]
    refused: list[Refusal]


def check_header(header: BatchHeader) -> None:
    """Bounds that the wire's types do not state.

    Raises:
        MalformedError: a gap that ends before it begins, or numbers beyond use.
    """
    if header.sent > MAX_TIME:
        raise MalformedError(f"batch header: sent is {header.sent}, beyond any clock")
    for gap in header.gaps:
        if gap.last < gap.first:
            raise MalformedError(f"batch header: a gap of {gap.lane} from {gap.first} to {gap.last}")
        if gap.events > min(MAX_COUNT, (gap.last - gap.first + 1) * 2 * MAX_EVENTS):
            raise MalformedError(f"batch header: a gap of {gap.lane} with {gap.events} events")


async def judge(executor: Executor, header: BatchHeader, packed: Sequence[bytes]) -> Judged:
    """Judge a batch, on a thread if it is large."""
    if sum(map(len, packed)) <= INLINE_BYTES:
        return judge_blocks(header, packed)
    return await asyncio.get_running_loop().run_in_executor(executor, judge_blocks, header, packed)


def judge_blocks(header: BatchHeader, packed: Sequence[bytes]) -> Judged:
    """Judge each block by itself: a bad one does not hold up the good ones beside it."""
    arrivals: list[Arrival] = []
    refused: list[Refusal] = []
    for ref, content in zip(header.blocks, packed, strict=True):
        try:
            code, reason = _check(header, ref, content)
        except WireError as error:
            code, reason = error.code, str(error)
        if code:
            refused.append(Refusal(lane=ref.lane, block=ref.block, code=code, reason=reason))
            continue
        arrivals.append(
            Arrival(lane=ref.lane, block=ref.block, sha256=ref.sha256, events=ref.events, packed=content)
        )
    return Judged(arrivals, refused)


def _check(header: BatchHeader, ref: BlockRef, content: bytes) -> tuple[str, str]:
    """Code and reason of a refusal, or two empty texts."""
    block.verify(ref, content)
    inside = block.unpack(content)
    if inside.agent != header.agent:
        return "foreign_block", f"the block was cut by agent {inside.agent}"
    if (inside.stream, inside.lane, inside.block) != (header.stream, ref.lane, ref.block):
        return "malformed", f"inside, the block is {inside.stream}/{inside.lane}/{inside.block}"
    count = len(inside.events) + len(inside.health)
    if count != ref.events:
        return "malformed", f"the block holds {count} events, its reference says {ref.events}"
    return "", ""
