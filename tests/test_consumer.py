"""The loop of the detector and the archiver: what it says is done is done, and what is done it says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from collector.consumer import Cursor, Loop
from collector.door import Door
from collector.messages import InboxBlock
from tests.inbox_door import InboxDoor


class OneByOne:
    """Takes the first block of each fetch, as an archive does that has an old plan to finish."""

    def __init__(self, cursor: Cursor, last: int, before: Callable[[], None]) -> None:
        self.cursor, self.last, self.before = cursor, last, before
        self.taken: list[int] = []
        self.stopping = threading.Event()

    def take(self, blocks: Sequence[InboxBlock]) -> None:
        self.before()
        self.taken.append(blocks[0].seq)
        with self.cursor.connection:
            self.cursor.move(blocks[0].seq)

    def idle(self) -> None:
        if self.cursor.seq == self.last:
            self.stopping.set()


@pytest.fixture
def door(tmp_path: Path) -> Iterator[InboxDoor]:
    made = InboxDoor(tmp_path)
    for number in range(1, 6):
        made.put(number, [f"echo {number}"])
    yield made
    made.close()


def run(door: InboxDoor, cursor: Cursor, last: int = 5, before: Callable[[], None] = lambda: None) -> list[int]:
    """Until block `last` is taken; returns what was taken."""
    work = OneByOne(cursor, last, before)
    with Door(door.path) as source:
        Loop("detector", source, cursor, work, work.stopping).run()
    return work.taken


def test_no_block_is_called_done_before_the_cursor_is_past_it(door: InboxDoor, tmp_path: Path) -> None:
    cursor = Cursor(tmp_path / "cursor.sqlite")
    told: list[tuple[int, int]] = []
    taken = run(door, cursor, before=lambda: told.append((cursor.seq, door.inbox.usage().done["detector"])))
    assert taken == [1, 2, 3, 4, 5]
    assert told == [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]


def test_what_the_run_before_did_not_get_to_say_is_said(door: InboxDoor, tmp_path: Path) -> None:
    cursor = Cursor(tmp_path / "cursor.sqlite")
    cursor.move(5)
    assert run(door, cursor) == []
    assert door.inbox.usage().done["detector"] == 5


def test_a_hole_is_never_stepped_over_in_silence(
    door: InboxDoor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for consumer in ("detector", "archiver"):
        door.inbox.done(consumer, 5)
    deadline = time.monotonic() + 10
    while door.inbox.usage().blocks:
        assert time.monotonic() < deadline, "not forgotten"
        time.sleep(0.01)
    door.put(6, ["echo 6"])
    assert run(door, Cursor(tmp_path / "old-copy.sqlite"), 6) == [6]
    assert "skips from 0 to 6" in caplog.text
