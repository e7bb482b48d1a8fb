"""Following a file through whatever happens to it, with nothing twice and nothing missed."""

from __future__ import annotations

import gzip
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from agent.helper.files import AllowedFiles
from agent.sensors import tail
from agent.sensors.tail import Mark, Tail

MAX_LINE = 1_024


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path.resolve() / "auth.log"


Follow = Callable[..., Tail]


@pytest.fixture
def follow(log: Path, request: pytest.FixtureRequest) -> Follow:
    """Begin to follow, from a mark or from now."""

    def begin(mark: Mark | None = None) -> Tail:
        made = Tail(str(log), AllowedFiles([str(log)]).open, MAX_LINE, mark)
        request.addfinalizer(made.close)
        return made

    return begin


def write(path: Path, text: str | bytes) -> None:
    with path.open("ab") as file:
        file.write(text if isinstance(text, bytes) else text.encode())


def everything(tail_: Tail) -> list[bytes]:
    lines: list[bytes] = []
    while new := tail_.read():
        lines += new
    return lines


def test_it_begins_at_the_end_of_what_is_there_and_at_the_start_of_what_comes(log: Path, follow: Follow) -> None:
    waiting = follow()
    assert everything(waiting) == []
    assert waiting.mark() is None
    write(log, "one\ntwo\n")
    assert everything(waiting) == [b"one", b"two"]
    late = follow()
    write(log, "three\n")
    assert everything(late) == everything(waiting) == [b"three"]


def test_half_a_line_waits_for_its_other_half(log: Path, follow: Follow) -> None:
    log.touch()
    tail_ = follow()
    write(log, "one\nha")
    assert everything(tail_) == [b"one"]
    write(log, "lf\r\n")
    assert everything(tail_) == [b"half\r"]


def test_a_line_begun_before_us_is_not_taken_for_a_whole_one(log: Path, follow: Follow) -> None:
    write(log, "begun before ")
    tail_ = follow()
    write(log, "ended after\nnext\n")
    assert everything(tail_) == [b"next"]


def test_a_renamed_file_is_read_to_its_end_before_the_new_one(log: Path, follow: Follow) -> None:
    log.touch()
    tail_ = follow()
    write(log, "one\n")
    log.rename(log.with_name("auth.log.1"))
    log.touch()
    assert everything(tail_) == [b"one"]
    write(log.with_name("auth.log.1"), "the writer has not reopened yet\nno end")
    assert everything(tail_) == [b"the writer has not reopened yet"]
    write(log, "now it has\n")
    assert everything(tail_) == [b"no end", b"now it has"]
    assert tail_.counts == {"rotations": 1}


@pytest.mark.parametrize("refill", ["x\n", "longer than what was there before\n"])
def test_a_truncated_file_is_read_from_its_start(log: Path, follow: Follow, refill: str) -> None:
    write(log, "something\nthat was there\n")
    tail_ = follow()
    assert everything(tail_) == []
    log.write_text(refill)
    assert everything(tail_) == [refill.strip().encode()]
    assert tail_.counts == {"truncations": 1}


def test_it_goes_on_where_it_was_left(log: Path, follow: Follow) -> None:
    log.touch()
    first = follow()
    write(log, "one\nhal")
    assert everything(first) == [b"one"]
    mark = first.mark()
    assert mark is not None
    write(log, "f\ntwo\n")
    assert tail.decode(tail.encode(mark)) == mark
    assert everything(follow(mark)) == [b"half", b"two"]


@pytest.mark.parametrize("name", ["auth.log.1", "auth.log-20261124"])
def test_what_was_rotated_while_nobody_looked_is_found(log: Path, follow: Follow, name: str) -> None:
    log.touch()
    first = follow()
    write(log, "one\n")
    everything(first)
    mark = first.mark()
    write(log, "two\n")
    log.rename(log.with_name(name))
    write(log, "three\n")
    assert everything(follow(mark)) == [b"two", b"three"]


def rotated_twice(log: Path, between: bytes) -> None:
    """`two` at the end of the oldest, `between` in the middle, `four` in the newest; minutes apart."""
    write(log, "two\n")
    log.rename(log.with_name("auth.log.2"))
    write(log.with_name("auth.log.1"), between)
    write(log, "four\n")
    for name, minutes in (("auth.log.4", 9), ("auth.log.2", 6), ("auth.log.1", 3), ("auth.log.tmp", 2)):
        path = log.with_name(name)
        if minutes in (2, 9):
            path.write_text("" if minutes == 2 else "told long ago\n")
        when = time.time_ns() - minutes * 60_000_000_000
        os.utime(path, ns=(when, when))


@pytest.mark.parametrize("running", [True, False])
def test_every_file_between_two_looks_is_read(log: Path, follow: Follow, running: bool) -> None:
    log.touch()
    first = follow()
    write(log, "one\n")
    everything(first)
    rotated_twice(log, b"three\nno end")
    second = first if running else follow(first.mark())
    assert everything(second) == [b"two", b"three", b"no end", b"four"]
    assert second.counts == {"rotations": 2}


def test_what_was_packed_between_two_looks_is_counted_as_lost(log: Path, follow: Follow) -> None:
    log.touch()
    tail_ = follow()
    rotated_twice(log, gzip.compress(b"three\n"))
    assert everything(tail_) == [b"two", b"four"]
    assert tail_.counts == {"rotations": 1, "lost_files": 1}


def test_a_log_that_looks_packed_is_read_all_the_same(log: Path, follow: Follow) -> None:
    log.touch()
    tail_ = follow()
    rotated_twice(log, b"three\n")
    log.write_bytes(b"BZh is how it begins\n")
    assert everything(tail_) == [b"two", b"three", b"BZh is how it begins"]


def test_what_may_not_be_opened_between_two_looks_is_counted_as_lost(log: Path, follow: Follow) -> None:
    log.touch()
    tail_ = follow()
    rotated_twice(log, b"three\n")
    log.with_name("second-name").hardlink_to(log.with_name("auth.log.1"))
    assert everything(tail_) == [b"two", b"four"]
    assert tail_.counts == {"rotations": 1, "lost_files": 1}


def test_what_was_rotated_out_of_reach_is_counted_as_lost(log: Path, follow: Follow) -> None:
    write(log, "one\n")
    mark = follow().mark()
    log.rename(log.with_name("old.gz"))
    write(log, "two\n")
    second = follow(mark)
    assert everything(second) == [b"two"]
    assert second.counts == {"lost_files": 1}


def test_what_was_truncated_while_nobody_looked_is_read_from_its_start(log: Path, follow: Follow) -> None:
    write(log, "one\ntwo\n")
    mark = follow().mark()
    log.write_text("six\nseven and more\n")
    second = follow(mark)
    assert everything(second) == [b"six", b"seven and more"]
    assert second.counts == {"truncations": 1}


def test_a_line_without_end_is_cut_and_its_rest_skipped(log: Path, follow: Follow) -> None:
    log.touch()
    tail_ = follow()
    write(log, b"x" * (MAX_LINE + 1))
    assert everything(tail_) == [b"x" * MAX_LINE]
    write(log, b"y" * 5_000_000)
    assert everything(tail_) == []
    while tail_.read() or (mark := tail_.mark()) is None or mark.offset < log.stat().st_size:
        pass
    mark = tail_.mark()
    assert mark is not None
    assert mark.skipping
    write(log, "end\nnext\n" + "z" * 3_000 + "\nlast\n")
    assert everything(follow(mark)) == [b"next", b"z" * MAX_LINE, b"last"]
    assert tail_.counts == {"truncated_lines": 1}


def test_a_damaged_mark_is_none() -> None:
    assert tail.decode(b"\xff") is None
    assert tail.decode(b'{"device":1,"inode":2,"offset":-1}') is None


class Life(RuleBasedStateMachine):
    """Any order of writing, rotating, stopping and going on: every line arrives exactly once, in order."""

    @initialize()
    def begin(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.log = Path(self.directory.name).resolve() / "auth.log"
        self.log.touch()
        self.written: list[bytes] = []
        self.read: list[bytes] = []
        self.rotated = 0
        self.tail = self.follow(None)

    def follow(self, mark: Mark | None) -> Tail:
        return Tail(str(self.log), AllowedFiles([str(self.log)]).open, MAX_LINE, mark)

    @rule(
        lines=st.lists(st.binary(max_size=60).map(lambda line: line.replace(b"\n", b"")), min_size=1, max_size=4)
    )
    def write(self, lines: list[bytes]) -> None:
        marked = [b"%d:" % (len(self.written) + n) + line for n, line in enumerate(lines)]
        self.written += marked
        write(self.log, b"".join(line + b"\n" for line in marked))

    @rule()
    def rotate(self) -> None:
        """As logrotate does while the agent runs: it has looked since the last time."""
        self.look()
        self.rotated += 1
        self.log.rename(self.log.with_name(f"auth.log.{self.rotated}"))
        self.log.touch()

    @rule()
    def look(self) -> None:
        self.read += everything(self.tail)

    @rule()
    def stop_and_go_on(self) -> None:
        mark = self.tail.mark()
        self.tail.close()
        self.tail = self.follow(mark)

    @invariant()
    def nothing_twice_and_nothing_missed(self) -> None:
        assert self.read == self.written[: len(self.read)]

    def teardown(self) -> None:
        if hasattr(self, "tail"):
            self.look()
            assert self.read == self.written
            self.tail.close()
            self.directory.cleanup()


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
