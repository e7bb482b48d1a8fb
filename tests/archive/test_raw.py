"""The raw archive: each event once, by scope and hour, through `kill -9` and a full disk."""

from __future__ import annotations

import io
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from collector.archive.raw import RawArchive
from collector.consumer import Cursor
from tests.inbox_door import AGENT, STREAM, InboxDoor

ROOT = Path(__file__).parents[2]
KILLS = 20
HOUR = 3_600_000_000


@pytest.fixture
def door(tmp_path: Path) -> Iterator[InboxDoor]:
    made = InboxDoor(tmp_path)
    yield made
    made.close()


def lines(directory: Path) -> Iterator[dict[str, object]]:
    for path in sorted(directory.rglob("*.jsonl.zst")):
        with zstandard.open(path, "rb") as stream:
            yield from map(json.loads, io.TextIOWrapper(stream, "utf-8"))


def commands(directory: Path) -> Counter[str]:
    return Counter(str(line["event"]["fields"]["CommandLine"]) for line in lines(directory))  # type: ignore[index]


def test_events_lie_by_scope_and_hour_with_their_identity(door: InboxDoor, tmp_path: Path) -> None:
    door.put(1, ["a", "b"])
    door.put(2, ["c"], node="tinh/hai", label="cong-khai")
    door.put(3, ["d"], received=1_700_000_000_000_000 + HOUR)
    cursor = Cursor(tmp_path / "archiver.sqlite")
    RawArchive(tmp_path / "raw", cursor).take(door.inbox.fetch(0, 10)[0])
    files = sorted(str(p.relative_to(tmp_path / "raw")) for p in (tmp_path / "raw").rglob("*") if p.is_file())
    assert files == [
        "tinh~hai/cong-khai/2023-11-14T22/0000000000000002-0000000000000002.jsonl.zst",
        "tinh~mot/noi-bo/2023-11-14T22/0000000000000001-0000000000000001.jsonl.zst",
        "tinh~mot/noi-bo/2023-11-14T23/0000000000000003-0000000000000003.jsonl.zst",
    ]
    first = next(line for line in lines(tmp_path / "raw") if line["node"] == "tinh/mot")
    assert first["id"] == f"{AGENT}/{STREAM}/security/1/0"
    assert (first["host"], first["received"]) == ("may-1", 1_700_000_000_000_000)
    assert cursor.seq == 3


def test_a_run_cut_short_after_the_rename_is_repeated_byte_for_byte(door: InboxDoor, tmp_path: Path) -> None:
    door.put(1, ["a"])
    cursor = Cursor(tmp_path / "archiver.sqlite")
    archive = RawArchive(tmp_path / "raw", cursor)
    blocks = door.inbox.fetch(0, 10)[0]
    cursor.connection.execute(
        "CREATE TEMP TRIGGER cut BEFORE INSERT ON cursor BEGIN SELECT raise(ABORT, 'cut'); END"
    )
    with pytest.raises(Exception, match="cut"):
        archive.take(blocks)
    assert len(list((tmp_path / "raw").rglob("*.zst"))) == 1
    cursor.connection.execute("DROP TRIGGER cut")
    door.put(2, ["b"])
    archive.take(door.inbox.fetch(0, 10)[0])
    assert cursor.seq == 1
    archive.take(door.inbox.fetch(1, 10)[0])
    assert commands(tmp_path / "raw") == Counter({"a": 1, "b": 1})


def test_a_block_that_cannot_be_read_is_kept_as_it_came(door: InboxDoor, tmp_path: Path) -> None:
    door.put(1, ["a"])
    block = door.inbox.fetch(0, 1)[0][0]
    broken = type(block)(**{f: getattr(block, f) for f in block.__struct_fields__} | {"packed": b"not zstd"})
    archive = RawArchive(tmp_path / "raw", Cursor(tmp_path / "archiver.sqlite"))
    archive.take([broken])
    assert archive.unreadable == 1
    assert [p.read_bytes() for p in (tmp_path / "raw/unreadable").iterdir()] == [b"not zstd"]


def start(tmp_path: Path, directory: Path) -> subprocess.Popen[bytes]:
    code = (
        "import sys; from pathlib import Path; from collector.archiver import run;"
        "run(Path(sys.argv[1]), Path(sys.argv[2]), lambda: None)"
    )
    with (tmp_path / "log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-c", code, str(directory), str(tmp_path / "gateway.sock")], cwd=ROOT, stderr=log
        )


def until(done: object, what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not done():  # type: ignore[operator]
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)


def test_killed_twenty_times_each_event_is_there_once(door: InboxDoor, tmp_path: Path) -> None:
    directory = tmp_path / "archive"
    directory.mkdir()
    chance = random.Random(11)
    number = 0
    for _ in range(KILLS):
        process = start(tmp_path, directory)
        seen = door.fetches
        until(lambda seen=seen: door.fetches > seen, "the first fetch")
        for _ in range(chance.randrange(1, 12)):
            number += 1
            door.put(number, [f"echo {number}.{i}" for i in range(20)])
            time.sleep(chance.uniform(0, 0.01))
        process.kill()
        process.wait(10)
    process = start(tmp_path, directory)
    seen = door.fetches
    until(lambda: door.fetches > seen, "the last process's first fetch")
    wanted = Counter(f"echo {n}.{i}" for n in range(1, number + 1) for i in range(20))
    until(lambda: door.inbox.usage().done["archiver"] == number, "the last block archived")
    process.terminate()
    assert process.wait(20) == 0
    assert commands(directory) == wanted
    assert not list(directory.rglob("*.tmp"))


@pytest.mark.root
def test_a_full_disk_loses_nothing(door: InboxDoor, tmp_path: Path) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(mount)], check=True)
    chance = random.Random(3)
    try:
        process = start(tmp_path, mount)
        for number in range(1, 41):
            door.put(number, [chance.randbytes(6_000).hex()])
        until(lambda: "nothing is lost" in (tmp_path / "log").read_text(), "the complaint about the disk")
        subprocess.run(["mount", "-o", "remount,size=64m", str(mount)], check=True)
        until(lambda: door.inbox.usage().done["archiver"] == 40, "everything archived")
        process.terminate()
        assert process.wait(20) == 0
        assert sorted(commands(mount).values()) == [1] * 40
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)
