"""The SQLite inbox: exactly once by identity, watermarks and gaps, quotas, pruning, `kill -9` at any moment."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.inbox import Arrival, Delivery, InboxError, InboxFullError, Outcome, Total
from collector.inbox.ledger import RECENT
from collector.inbox.sqlite import SqliteInbox
from wire.block import Gap
from wire.identity import Identity

IDENTITY = Identity(agent="a" * 16, node="tinh/mot", label="noi-bo", role="host")
KILLS = 20


def arrival(number: int, content: bytes = b"x") -> Arrival:
    return Arrival(lane="security", block=number, sha256=sha256(content).hexdigest(), events=1, packed=content)


def delivery(*arrivals: Arrival, gaps: tuple[Gap, ...] = (), stream: str = "s") -> Delivery:
    return Delivery(
        identity=IDENTITY, host="may-1", stream=stream, received=1, skew=0, arrivals=arrivals, gaps=gaps
    )


def gap(first: int, last: int, events: int) -> Gap:
    return Gap(lane="security", first=first, last=last, events=events, reason="evicted")


def put(inbox: SqliteInbox, *arrivals: Arrival, gaps: tuple[Gap, ...] = ()) -> Outcome:
    return inbox.append(delivery(*arrivals, gaps=gaps)).result(10)


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[SqliteInbox]:
    made = SqliteInbox(tmp_path / "inbox.sqlite", min_free=0)
    yield made
    made.close()


def test_a_block_is_stored_once_and_a_repeat_is_known(inbox: SqliteInbox) -> None:
    assert put(inbox, arrival(1)).verdicts == ["stored"]
    assert put(inbox, arrival(1), arrival(2)).verdicts == ["duplicate", "stored"]
    blocks, head = inbox.fetch(0, 10)
    assert [b.block for b in blocks] == [1, 2]
    assert head == blocks[-1].seq
    assert blocks[0].identity == IDENTITY


def test_other_content_under_the_same_identity_is_a_conflict(inbox: SqliteInbox) -> None:
    put(inbox, arrival(1, b"one"))
    assert put(inbox, arrival(1, b"other")).verdicts == ["conflict"]
    assert [b.packed for b in inbox.fetch(0, 10)[0]] == [b"one"]


def test_two_copies_in_one_delivery_are_one(inbox: SqliteInbox) -> None:
    assert put(inbox, arrival(1), arrival(1), arrival(1, b"y")).verdicts == ["stored", "duplicate", "conflict"]


def test_streams_are_sequences_of_their_own(inbox: SqliteInbox) -> None:
    put(inbox, arrival(1))
    assert inbox.append(delivery(arrival(1), stream="t")).result(10).verdicts == ["stored"]


def test_the_watermark_waits_for_what_is_missing(inbox: SqliteInbox) -> None:
    assert put(inbox, arrival(1), arrival(3)).through == {"security": 1}
    assert put(inbox, arrival(2)).through == {"security": 3}


def test_a_declared_gap_carries_the_watermark_over_and_is_counted_once(inbox: SqliteInbox) -> None:
    put(inbox, arrival(1))
    outcome = put(inbox, arrival(5), gaps=(gap(2, 4, 30),))
    assert (outcome.through, outcome.lost) == ({"security": 5}, 30)
    assert put(inbox, gaps=(gap(2, 4, 30),)).lost == 0


def test_a_gap_over_blocks_that_came_after_all_loses_nothing(inbox: SqliteInbox) -> None:
    put(inbox, arrival(1), arrival(2))
    assert put(inbox, gaps=(gap(1, 2, 9),)).lost == 0


def test_a_gap_as_wide_as_numbers_go_costs_nothing(inbox: SqliteInbox) -> None:
    started = time.process_time()
    assert put(inbox, gaps=(gap(1, 2**53, 5),)).through == {"security": 2**53}
    assert time.process_time() - started < 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 30), st.booleans()), max_size=60))
def test_whatever_the_order_each_block_is_there_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, bool]]
) -> None:
    inbox = SqliteInbox(tmp_path_factory.mktemp("inbox") / "inbox.sqlite", min_free=0)
    had: set[int] = set()
    covered: set[int] = set()
    try:
        for number, as_gap in steps:
            if as_gap and number not in had:
                outcome = put(inbox, gaps=(gap(number, number, 1),))
                covered.add(number)
            else:
                outcome = put(inbox, arrival(number, str(number).encode()))
                new = number not in had and not (number in covered and number <= before(had | covered))
                assert outcome.verdicts == ["stored" if new else "duplicate"]
                had |= {number} if new else set()
            assert outcome.through.get("security", 0) == before(had | covered)
        stored = [b.block for b in inbox.fetch(0, 1000)[0]]
        assert sorted(stored) == sorted(had)
    finally:
        inbox.close()


def before(numbers: set[int]) -> int:
    """The highest number up to which all are there."""
    through = 0
    while through + 1 in numbers:
        through += 1
    return through


def test_a_replay_is_known_after_the_blocks_are_forgotten_and_the_inbox_reopened(tmp_path: Path) -> None:
    path = tmp_path / "inbox.sqlite"
    inbox = SqliteInbox(path, min_free=0)
    last = 3 * RECENT
    for start in range(1, last + 1, 64):
        put(inbox, *(arrival(n, str(n).encode()) for n in range(start, min(start + 64, last + 1))))
    _, head = inbox.fetch(0, 1)
    inbox.done("detector", head)
    inbox.done("archiver", head)
    inbox.close()
    inbox = SqliteInbox(path, min_free=0)
    try:
        assert (inbox.usage().blocks, inbox.usage().bytes, inbox.usage().head) == (0, 0, head)
        assert put(inbox, arrival(1, b"1"), arrival(last, str(last).encode())).verdicts == ["duplicate"] * 2
        assert put(inbox, arrival(last, b"other")).verdicts == ["conflict"]
        assert put(inbox, arrival(last + 1)).verdicts == ["stored"]
        assert inbox.fetch(head, 10)[0][0].seq == head + 1
    finally:
        inbox.close()


def test_sums_of_a_stream_survive_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "inbox.sqlite"
    inbox = SqliteInbox(path, min_free=0)
    put(inbox, arrival(1), arrival(2), arrival(1), gaps=(gap(3, 4, 7),))
    inbox.close()
    inbox = SqliteInbox(path, min_free=0)
    try:
        assert put(inbox, arrival(5), arrival(2)).total == Total(events=3, gaps=1, lost=7)
    finally:
        inbox.close()


def test_nothing_is_forgotten_before_both_consumers_passed_it(inbox: SqliteInbox) -> None:
    put(inbox, arrival(1), arrival(2))
    inbox.done("detector", 2)
    put(inbox, arrival(3))
    assert [b.block for b in inbox.fetch(0, 10)[0]] == [1, 2, 3]


def test_over_its_quota_nothing_is_stored_and_what_is_there_can_be_read(tmp_path: Path) -> None:
    inbox = SqliteInbox(tmp_path / "inbox.sqlite", limit=1000, min_free=0)
    try:
        put(inbox, arrival(1, b"z" * 1000))
        with pytest.raises(InboxFullError, match="limit is 1000"):
            put(inbox, arrival(2))
        assert [b.block for b in inbox.fetch(0, 10)[0]] == [1]
        inbox.done("detector", 1)
        inbox.done("archiver", 1)
        deadline = time.monotonic() + 10
        while inbox.usage().bytes and time.monotonic() < deadline:
            time.sleep(0.01)
        assert put(inbox, arrival(2)).verdicts == ["stored"]
    finally:
        inbox.close()


def test_the_disks_reserve_is_kept(tmp_path: Path) -> None:
    inbox = SqliteInbox(tmp_path / "inbox.sqlite", min_free=1 << 62)
    try:
        with pytest.raises(InboxFullError, match="reserved"):
            put(inbox, arrival(1))
    finally:
        inbox.close()


@pytest.mark.root
def test_a_disk_that_is_really_full_refuses_and_recovers(tmp_path: Path) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(mount)], check=True)
    try:
        inbox = SqliteInbox(mount / "inbox.sqlite", min_free=0)
        stored, refused = [], 0
        for number in range(1, 40):
            try:
                put(inbox, arrival(number, os.urandom(200_000)))
                stored.append(number)
            except InboxFullError:
                refused += 1
        assert stored
        assert refused
        assert [b.block for b in inbox.fetch(0, 100)[0]] == stored
        subprocess.run(["mount", "-o", "remount,size=32m", str(mount)], check=True)
        assert put(inbox, arrival(100, b"again")).verdicts == ["stored"]
        inbox.close()
    finally:
        subprocess.run(["umount", str(mount)], check=True)


WRITER = """
import sys
from pathlib import Path
from tests.inbox.test_sqlite import arrival, delivery
from collector.inbox.sqlite import SqliteInbox

inbox = SqliteInbox(Path(sys.argv[1]), min_free=0)
waiting = []
for number in range(int(sys.argv[2]), 10**9):
    waiting.append((number, inbox.append(delivery(arrival(number, str(number).encode())))))
    if len(waiting) >= 8:
        first, future = waiting.pop(0)
        future.result()
        print(first, flush=True)
"""


def test_killed_twenty_times_nothing_acknowledged_is_lost_and_none_is_twice(tmp_path: Path) -> None:
    path = tmp_path / "inbox.sqlite"
    chance = random.Random(7)
    acknowledged: set[int] = set()
    start = 1
    for _ in range(KILLS):
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(start)],
            stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
        )  # fmt: skip
        assert child.stdout is not None
        first = child.stdout.readline()
        time.sleep(chance.uniform(0, 0.05))
        child.send_signal(signal.SIGKILL)
        said = [int(line) for line in (first + child.stdout.read()).split("\n")[:-1] if line]
        child.wait()
        child.stdout.close()
        acknowledged |= set(said)
        start = max(1, start, *(n - 4 for n in said))
    inbox = SqliteInbox(path, min_free=0)
    try:
        numbers = []
        after = 0
        while blocks := inbox.fetch(after, 500)[0]:
            numbers += [b.block for b in blocks]
            after = blocks[-1].seq
            assert all(b.packed == str(b.block).encode() for b in blocks)
    finally:
        inbox.close()
    assert len(numbers) == len(set(numbers))
    assert acknowledged <= set(numbers)
    assert len(acknowledged) > KILLS


def test_a_delivery_that_cannot_be_stored_stops_nobody_else(inbox: SqliteInbox) -> None:
    impossible = Delivery(
        identity=IDENTITY, host="may-1", stream="s", received=1 << 70, skew=0, arrivals=[arrival(1)]
    )
    with pytest.raises(InboxError):
        inbox.append(impossible).result(10)
    given_up = inbox.append(delivery(arrival(5)))
    given_up.cancel()
    assert put(inbox, arrival(1)).verdicts == ["stored"]


def test_the_file_is_as_durable_as_promised(inbox: SqliteInbox, tmp_path: Path) -> None:
    put(inbox, arrival(1))
    connection = apsw.Connection(str(tmp_path / "inbox.sqlite"))
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
    assert inbox._writer.execute("PRAGMA synchronous").fetchone() == (2,)
