"""Raw events on disk: one line of JSON an event, in zstd files by scope and hour of receipt.

A file is written beside its place, fsynced and renamed; only then the cursor moves. What is written is planned in
the cursor's file first, so that a run that was cut short between rename and cursor writes the same files again,
byte for byte, instead of new ones beside them: each event is there once.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import zstandard
from msgspec import Struct

from collector.consumer import Cursor
from collector.messages import InboxBlock
from wire import block as wire_block
from wire.errors import WireError
from wire.event import Event

LEVEL = 9
"""Raw files are written once and kept: a fifth smaller than at level 3, for 3 µs an event."""

SCHEMA = "CREATE TABLE IF NOT EXISTS plan (one INTEGER PRIMARY KEY CHECK (one = 1), through INTEGER NOT NULL)"

log = logging.getLogger(__name__)


class ArchivedEvent(Struct, frozen=True, kw_only=True):
    """One line: an event, who reported it, and when it was received (µs UTC)."""

    id: str
    agent: str
    host: str
    node: str
    label: str
    received: int
    skew: int
    boot: str
    event: Event


class RawArchive:
    """Writes blocks under `directory`; `cursor` is the archiver's own."""

    def __init__(self, directory: Path, cursor: Cursor) -> None:
        self._directory, self._cursor = directory, cursor
        cursor.connection.execute(SCHEMA)
        self.unreadable = 0

    def take(self, blocks: Sequence[InboxBlock]) -> None:
        """Make these blocks, which follow the cursor, durable and move it.

        Blocks beyond a plan that was cut short wait for the next call.
        """
        through = self._planned(blocks[-1].seq)
        blocks = [block for block in blocks if block.seq <= through]
        for path, content in self._files(blocks):
            _write(path, content)
        with self._cursor.connection:
            self._cursor.move(blocks[-1].seq)
            self._cursor.connection.execute("DELETE FROM plan")

    def idle(self) -> None:
        """Nothing to do between fetches."""

    def _planned(self, through: int) -> int:
        """The end of the plan that was not finished, or a new plan through `through`."""
        connection = self._cursor.connection
        row = connection.execute("SELECT through FROM plan").fetchone()
        if row is not None:
            return int(row[0])
        connection.execute("INSERT INTO plan VALUES (1, ?)", (through,))
        return through

    def _files(self, blocks: Sequence[InboxBlock]) -> Iterator[tuple[Path, bytes]]:
        parts: dict[Path, list[InboxBlock]] = {}
        for block in blocks:
            parts.setdefault(self._directory / partition(block), []).append(block)
        for directory, members in parts.items():
            name = f"{members[0].seq:016d}-{members[-1].seq:016d}.jsonl.zst"
            lines = b"".join(line for member in members for line in self._lines(member))
            if lines:
                yield directory / name, zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compress(lines)

    def _lines(self, block: InboxBlock) -> Iterator[bytes]:
        try:
            content = wire_block.unpack(block.packed)
        except WireError as error:
            self.unreadable += 1
            log.error(
                "block %d of agent %s cannot be read and is kept as it came: %s",
                block.seq,
                block.identity.agent,
                error,
            )
            _write(self._directory / "unreadable" / f"{block.seq:016d}.block", block.packed)
            return
        prefix = f"{block.identity.agent}/{block.stream}/{block.lane}/{block.block}"
        for index, event in enumerate(content.all_events()):
            line = ArchivedEvent(
                id=f"{prefix}/{index}",
                agent=block.identity.agent,
                host=block.host,
                node=block.identity.node,
                label=block.identity.label,
                received=block.received,
                skew=block.skew,
                boot=content.boot,
                event=event,
            )
            yield msgspec.json.encode(line) + b"\n"


def partition(block: InboxBlock) -> Path:
    """Where a block's events lie: `NODE/LABEL/HOUR`, the node's tiers joined by `~`, the hour in UTC."""
    hour = datetime.fromtimestamp(block.received // 3_600_000_000 * 3_600, UTC)
    return Path(block.identity.node.replace("/", "~"), block.identity.label, f"{hour:%Y-%m-%dT%H}")


def _write(path: Path, content: bytes) -> None:
    """Whole and durable, or not there."""
    _make_directory(path.parent)
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    _sync_directory(path.parent)


def _make_directory(directory: Path) -> None:
    if not directory.is_dir():
        _make_directory(directory.parent)
        directory.mkdir(exist_ok=True)
        _sync_directory(directory.parent)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
