"""What is wrong with files of events, and what is nevertheless read of them; outputs that cannot be written."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from collector.detection.exceptions import EventFileError
from collector.detection.inputs import TooLong, blocks, head_of, opened
from tests.detection.conftest import rule, write_rules

ROOT = Path(__file__).parents[2]
EVENT = b'{"product": "linux", "category": "process_creation", "Image": "x"}'
PROGRAM = """
import argparse, sys
from collector.detection.command import add_arguments, run
parser = argparse.ArgumentParser()
add_arguments(parser)
sys.exit(run(parser.parse_args()))
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    return write_rules(tmp_path / "rules.yml", rule({"s": {"Image": "x"}, "condition": "s"}))


def detect(tmp_path: Path, rules: Path, *names: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own; its summary is written beside the rules."""
    command = [sys.executable, "-c", PROGRAM, *names, "--rules", str(rules), "--format", "json",
               "--summary", str(tmp_path / "s.json")]  # fmt: skip
    settings: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
    return subprocess.run(command, text=True, cwd=ROOT, check=False, **{**settings, **options})


def failures(tmp_path: Path) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads((tmp_path / "s.json").read_text())["files_failed"]
    return found


def events_of(path: Path) -> tuple[list[bytes], str]:
    """The events before the fault, and the fault."""
    texts: list[bytes] = []
    try:
        with opened(str(path)) as stream:
            for part in blocks(stream, head_of(stream)):
                assert not isinstance(part, TooLong)
                texts += part.texts
    except EventFileError as error:
        return texts, str(error)
    return texts, ""


def noise(count: int) -> list[bytes]:
    """Events that compress badly, so that a file has many blocks."""
    chance = random.Random(1)
    return [b'{"n": %d, "x": "%s"}' % (number, chance.randbytes(200).hex().encode()) for number in range(count)]


@pytest.mark.parametrize(
    ("suffix", "pack", "unit"),
    [("gz", gzip.compress, "gzip member"), ("zst", zstandard.compress, "zstd frame")],
)
def test_a_cut_file_is_told_and_all_before_the_cut_is_read(
    suffix: str, pack: Callable[[bytes], bytes], unit: str, tmp_path: Path
) -> None:
    events = noise(3_000)
    path = tmp_path / f"events.jsonl.{suffix}"
    halves = pack(b"\n".join(events[:2_000]) + b"\n"), pack(b"\n".join(events[2_000:]) + b"\n")
    path.write_bytes(b"".join(halves))
    assert events_of(path) == (events, "")
    for kept in (len(halves[0]) - 1, len(halves[0]) + 9, len(halves[0]) + len(halves[1]) // 2):
        path.write_bytes(b"".join(halves)[:kept])
        texts, fault = events_of(path)
        assert f"ends in the middle of a {unit}" in fault
        assert str(path) in fault
        assert texts == events[: len(texts)]
        assert len(texts) >= (2_000 if kept > len(halves[0]) else 1_000)


def test_a_last_event_without_a_line_end_is_read_before_the_fault(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl.gz"
    path.write_bytes(gzip.compress(EVENT + b"\n" + EVENT) + gzip.compress(b"")[:12])
    assert events_of(path)[0] == [EVENT, EVENT]
    path.write_bytes(gzip.compress(EVENT + b"\n" + EVENT[:-1]) + b"garbage")
    texts, fault = events_of(path)
    assert texts == [EVENT]
    assert "broken compression" in fault


def test_gzip_may_be_padded_and_frames_may_be_skippable_or_empty(tmp_path: Path) -> None:
    packed = tmp_path / "a.jsonl.gz"
    packed.write_bytes(gzip.compress(EVENT + b"\n") + bytes(3_000) + gzip.compress(EVENT) + bytes(10))
    assert events_of(packed) == ([EVENT, EVENT], "")
    framed = tmp_path / "b.jsonl.zst"
    skippable = b"\x50\x2a\x4d\x18\x04\x00\x00\x00skip"
    frame = zstandard.compress
    framed.write_bytes(frame(EVENT + b"\n") + frame(b"") + skippable + frame(EVENT))
    assert events_of(framed) == ([EVENT, EVENT], "")


def test_failures_name_their_file_and_the_next_file_is_read(tmp_path: Path, rules: Path) -> None:
    (tmp_path / "deep.json").write_bytes(b"[" * 100_000)
    (tmp_path / "cut.jsonl.zst").write_bytes(zstandard.compress(EVENT + b"\n")[:-3])
    (tmp_path / "good.jsonl").write_bytes(EVENT)
    names = [str(tmp_path / name) for name in ("deep.json", "cut.jsonl.zst", "good.jsonl")]
    done = detect(tmp_path, rules, *names)
    assert done.returncode == 1
    assert [json.loads(line)["file"] for line in done.stdout.splitlines()] == names[2:]
    assert f"not read to the end: {names[0]}: a JSON array nested too deeply" in done.stderr
    assert [each["file"] for each in failures(tmp_path)] == names[:2]
    assert "ends in the middle of a zstd frame" in failures(tmp_path)[1]["reason"]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_named(encoding: str, tmp_path: Path, rules: Path) -> None:
    path = tmp_path / "wide.jsonl"
    path.write_bytes(("\ufeff" + EVENT.decode()).encode(encoding))
    assert detect(tmp_path, rules, str(path)).returncode == 1
    assert failures(tmp_path)[0]["reason"].startswith(f"{path}: UTF-16: convert to UTF-8")


def test_a_file_of_which_every_event_is_refused_has_failed(tmp_path: Path, rules: Path) -> None:
    contents = {"bad.jsonl": b"x\ny\n", "mixed.jsonl": b"x\n" + EVENT, "empty.jsonl": b"", "last.jsonl": b"{"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    done = detect(tmp_path, rules, *[str(tmp_path / name) for name in contents])
    assert done.returncode == 1
    assert [Path(each["file"]).name for each in failures(tmp_path)] == ["bad.jsonl", "last.jsonl"]
    assert "none of its events could be read (2 refused)" in done.stderr
    assert detect(tmp_path, rules, str(tmp_path / "mixed.jsonl"), str(tmp_path / "empty.jsonl")).returncode == 0


def test_a_full_output_is_a_sentence(tmp_path: Path, rules: Path) -> None:
    for count in (1, 5_000):
        (tmp_path / "events.jsonl").write_bytes((EVENT + b"\n") * count)
        with Path("/dev/full").open("wb") as full:
            done = detect(tmp_path, rules, str(tmp_path / "events.jsonl"), stdout=full)
        assert done.returncode == 1
        assert done.stderr == "detect: standard output cannot be written: No space left on device\n"


@pytest.mark.parametrize(
    ("closed", "names", "told"),
    [
        (1, ["events.jsonl"], "standard output is closed"),
        (0, ["-"], "-: standard input is closed"),
        (2, ["-"], ""),
    ],
)
def test_closed_streams_are_a_sentence(
    closed: int, names: list[str], told: str, tmp_path: Path, rules: Path
) -> None:
    (tmp_path / "events.jsonl").write_bytes(EVENT)
    done = detect(tmp_path, rules, *names, preexec_fn=lambda: os.close(closed))
    assert done.returncode == (0 if closed == 2 else 1)
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_unpacked_streams_are_read_in_any_sizes(tmp_path: Path) -> None:
    content = b"\n".join(noise(500))
    path = tmp_path / "a.zst"
    path.write_bytes(zstandard.compress(content[:7_000]) + zstandard.compress(content[7_000:]))
    for size in (1, 4_096, 1_000_000):
        with opened(str(path)) as stream:
            whole = io.BytesIO()
            while chunk := stream.read(size):
                whole.write(chunk)
        assert whole.getvalue() == content
