"""The spool's table of blocks: put in, read out with their hashes checked, given up least urgent first."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Set
from hashlib import sha256
from itertools import product
from typing import NamedTuple

from wire.block import LANES, BlockRef, Lane

AT_ONCE = 64
"""Rows looked at per step of an eviction."""


class Key(NamedTuple):
    """A block within the file: the stream's number there, the lane's place in `LANES`, the block's number."""

    stream: int
    lane: int
    block: int


def key(stream: int, ref: BlockRef) -> Key:
    """Where the block of `ref` stands."""
    return Key(stream, LANES.index(ref.lane), ref.block)


def insert(db: sqlite3.Connection, stream: int, ref: BlockRef, packed: bytes) -> None:
    """Put a block in; part of the caller's transaction."""
    db.execute(
        "INSERT INTO blocks (stream, lane, block, events, size, sha256, packed) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (*key(stream, ref), ref.events, ref.size, ref.sha256, packed),
    )


def delete(db: sqlite3.Connection, stream: int, refs: Iterable[BlockRef]) -> None:
    """Take blocks out; part of the caller's transaction."""
    keys = [key(stream, ref) for ref in refs]
    db.executemany("DELETE FROM blocks WHERE stream = ? AND lane = ? AND block = ?", keys)


def first(db: sqlite3.Connection, stream: int, count: int, max_bytes: int) -> list[Key]:
    """What to send next: the most urgent lane's oldest, at most `count` of `max_bytes` in all, at least one."""
    rows = db.execute(
        "SELECT lane, block, size FROM blocks WHERE stream = ? ORDER BY lane, block LIMIT ?", (stream, count)
    )
    found: list[Key] = []
    total = 0
    for lane, block, size in rows:
        total += size
        if found and total > max_bytes:
            break
        found.append(Key(stream, lane, block))
    return found


def read(db: sqlite3.Connection, at: Key) -> tuple[BlockRef, bytes, bool]:
    """A block's reference and bytes, and whether these are still what was stored."""
    row = db.execute(
        "SELECT events, size, sha256, packed FROM blocks WHERE stream = ? AND lane = ? AND block = ?", at
    ).fetchone()
    events, size, digest, packed = row
    ref = BlockRef(lane=LANES[at.lane], block=at.block, events=events, size=size, sha256=digest)
    return ref, packed, len(packed) == size and sha256(packed).hexdigest() == digest


def least_urgent(db: sqlite3.Connection, keep: Set[Key]) -> Iterator[tuple[int, BlockRef]]:
    """Streams and blocks in the order in which they may be given up, without those to `keep`. The caller may
    delete them as they come; the references carry no hash."""
    streams = [row[0] for row in db.execute("SELECT id FROM streams ORDER BY id")]
    for lane, stream in product(reversed(range(len(LANES))), streams):
        block = 0
        while rows := db.execute(
            "SELECT block, events, size FROM blocks WHERE stream = ? AND lane = ? AND block > ?"
            " ORDER BY block LIMIT ?",
            (stream, lane, block, AT_ONCE),
        ).fetchall():
            for block, events, size in rows:
                if Key(stream, lane, block) not in keep:
                    yield stream, BlockRef(lane=LANES[lane], block=block, events=events, size=size, sha256="")


def held(db: sqlite3.Connection) -> dict[Lane, tuple[int, int]]:
    """Blocks and events by lane."""
    rows = db.execute("SELECT lane, count(*), sum(events) FROM blocks GROUP BY lane")
    return {LANES[lane]: (blocks, events) for lane, blocks, events in rows}
