"""`detect` over real files of every form: what it finds, what it cannot read, and the account it gives."""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import zstandard

from collector.detection import inputs
from collector.detection.command import add_arguments, run
from tests.detection.conftest import DATA, needs_data, rule, write_rules

ROOT = Path(__file__).parents[2]
SYSMON = "Microsoft-Windows-Sysmon/Operational"
FLAT = {"Channel": SYSMON, "EventID": 1, "Image": "C:\\nc.exe", "SystemTime": "2024-01-02T03:04:05.678Z"}
QUIET = {"Channel": SYSMON, "EventID": 1, "Image": "C:\\other.exe"}
NESTED = {
    "Event": {
        "System": {
            "Provider": {"#attributes": {"Name": "Microsoft-Windows-Sysmon"}},
            "EventID": {"#attributes": {"Qualifiers": 0}, "#text": 1},
            "Channel": SYSMON,
            "TimeCreated": {"#attributes": {"SystemTime": "2024-01-02T03:04:05.678Z"}},
        },
        "EventData": {"Image": "C:\\nc.exe"},
    }
}
LINUX = {"logsource": {"product": "linux", "category": "process_creation"}, "Image": "/bin/nc", "a": {"b": [1]}}


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    windows = {"product": "windows", "category": "process_creation"}
    return write_rules(
        tmp_path / "rules.yml",
        rule({"s": {"Image|endswith": "\\nc.exe"}, "condition": "s"}, title="Windows nc", logsource=windows),
        rule({"s": {"Image|endswith": "/nc"}, "condition": "s"}, title="Linux nc"),
        {"title": "broken"},
    )


class Run:
    """One run of the command: its exit code, its matches, its summary and what it told people."""

    def __init__(self, capsys: pytest.CaptureFixture[str], tmp_path: Path, *arguments: str) -> None:
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        summary = tmp_path / "summary.json"
        self.code = run(parser.parse_args([*arguments, "--format", "json", "--summary", str(summary)]))
        printed = capsys.readouterr()
        self.matches = [json.loads(line) for line in printed.out.splitlines()]
        self.told = printed.err
        self.summary = json.loads(summary.read_text()) if summary.exists() else {}


def lines(*events: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def test_matches_and_account(tmp_path: Path, rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(lines(QUIET, FLAT, NESTED, LINUX, QUIET))
    found = Run(capsys, tmp_path, str(path), "--rules", str(rules))
    assert found.code == 0
    assert [(each["title"], each["index"]) for each in found.matches] == [
        ("Windows nc", 1),
        ("Windows nc", 2),
        ("Linux nc", 3),
    ]
    assert set(found.matches[0]) == {"rule_id", "title", "level", "file", "index", "time"}
    assert found.matches[0]["time"] == found.matches[1]["time"] == "2024-01-02T03:04:05.678000Z"
    assert found.matches[2]["time"] is None
    summary = found.summary
    assert (summary["events"], summary["matches"], summary["rules"]) == (5, 3, 3)
    assert sum(len(summary[name]) for name in ("rules_active", "rules_inactive", "rules_refused")) == 3
    assert summary["rules_refused"][0]["line"] == 1 + rules.read_text()[
        : rules.read_text().index("title: broken")
    ].count("\n")
    assert summary["rules_refused"][0]["reason"]
    assert summary["load_cpu_seconds"] > 0


@pytest.mark.parametrize(
    "form", ["jsonl", "json", "jsonl.gz", "jsonl.zst", "array.json", "array.json.zst", "crlf.jsonl"]
)
def test_every_form_gives_the_same(
    form: str, tmp_path: Path, rules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = [QUIET, FLAT, NESTED, LINUX] * 300
    content = json.dumps(events, indent=1).encode() if form.startswith("array") else lines(*events)
    if form.startswith("crlf"):
        content = b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n")
    if form.endswith(".gz"):
        content = gzip.compress(content)
    if form.endswith(".zst"):
        half = len(content) // 2
        content = zstandard.compress(content[:half]) + zstandard.compress(content[half:])
    path = tmp_path / f"events.{form}"
    path.write_bytes(content)
    for jobs in ("1", "2"):
        found = Run(capsys, tmp_path, str(path), "--rules", str(rules), "--jobs", jobs)
        assert [each["index"] for each in found.matches] == [number for number in range(1_200) if number % 4 != 0]
        assert found.summary["events"] == 1_200


def test_directories_are_searched_and_standard_input_is_read(
    tmp_path: Path, rules: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    below = tmp_path / "logs" / "below"
    below.mkdir(parents=True)
    (below / "a.jsonl.gz").write_bytes(gzip.compress(lines(FLAT)))
    (tmp_path / "logs" / "b.json").write_bytes(lines(LINUX))
    (tmp_path / "logs" / "c.txt").write_bytes(b"not an event file")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(lines(FLAT, FLAT)))))
    found = Run(capsys, tmp_path, str(tmp_path / "logs"), "-", "--rules", str(rules))
    assert [Path(each["file"]).name for each in found.matches] == ["b.json", "a.jsonl.gz", "-", "-"]


def test_bad_lines_are_counted_told_and_passed_over(
    tmp_path: Path, rules: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "MAX_LINE", 2_000_000)
    path = tmp_path / "bad.jsonl"
    path.write_bytes(
        lines(FLAT)
        + b"{broken\n\n[1]\n42\n"
        + b'{"a":' * 100_000
        + b"\n"
        + b"\xff\n"
        + b"x" * 5_000_000
        + b"\n"
        + lines(FLAT)
    )
    found = Run(capsys, tmp_path, str(path), "--rules", str(rules))
    assert found.code == 0
    assert [each["index"] for each in found.matches] == [0, 7]
    assert found.summary["events"] == 2
    assert found.summary["events_refused"] == 6
    assert [each["line"] for each in found.summary["bad_events"]] == [2, 4, 5, 6, 7, 8]
    assert f"{path}:4: an event must be an object, not a list" in found.told


def test_what_cannot_be_read_is_told_and_fails(
    tmp_path: Path, rules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(lines(*[FLAT] * 500))[:-20])
    (tmp_path / "cut.jsonl.zst").write_bytes(b"\x28\xb5\x2f\xfd broken")
    (tmp_path / "good.jsonl").write_bytes(lines(FLAT))
    names = [str(tmp_path / name) for name in ("absent.jsonl", "cut.jsonl.gz", "cut.jsonl.zst", "good.jsonl")]
    found = Run(capsys, tmp_path, *names, "--rules", str(rules))
    assert found.code == 1
    assert [each["file"] for each in found.summary["files_failed"]] == names[:3]
    assert found.matches[-1]["file"] == names[3]


@pytest.mark.timeout(60)
def test_a_decompression_bomb_costs_time_but_no_memory(tmp_path: Path, rules: Path) -> None:
    compressor = zstandard.ZstdCompressor().compressobj()
    with (tmp_path / "bomb.jsonl.zst").open("wb") as file:
        for _ in range(2_000):
            file.write(compressor.compress(bytes(1024 * 1024)))
        file.write(compressor.flush())
    command = [sys.executable, "-c", PEAK, str(tmp_path / "bomb.jsonl.zst"), str(rules)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    code, peak_mib = done.stdout.split()
    assert code == "1"
    assert "does not end within" in done.stderr
    assert int(peak_mib) < 400


PEAK = """
import argparse, resource, sys
from collector.detection.command import add_arguments, run
parser = argparse.ArgumentParser()
add_arguments(parser)
code = run(parser.parse_args([sys.argv[1], "--rules", sys.argv[2]]))
print(code, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_events_that_name_no_source_are_told_or_given_one(
    tmp_path: Path, rules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bare.jsonl"
    path.write_bytes(
        lines({"Image": "/bin/nc"}, {"Image": "/bin/nc", "product": "linux", "category": "process_creation"})
    )
    bare = Run(capsys, tmp_path, str(path), "--rules", str(rules))
    assert [each["index"] for each in bare.matches] == [1]
    assert bare.summary["events_unrouted"] == 1
    assert "name neither a Windows channel nor a log source" in bare.told
    source = "product=linux,category=process_creation"
    given = Run(capsys, tmp_path, str(path), "--rules", str(rules), "--logsource", source)
    assert [each["index"] for each in given.matches] == [0, 1]


def test_rules_that_cannot_be_read_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert Run(capsys, tmp_path, "x.jsonl", "--rules", str(tmp_path / "absent")).code == 1
    (tmp_path / "empty").mkdir()
    assert "no rules in" in Run(capsys, tmp_path, "x.jsonl", "--rules", str(tmp_path / "empty")).told


def test_placeholders_come_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = write_rules(tmp_path / "p.yml", rule({"s": {"Image|expand": "%tools%"}, "condition": "s"}))
    (tmp_path / "values.yml").write_text("tools: [/bin/nc, /bin/ncat]\n")
    (tmp_path / "events.jsonl").write_bytes(lines(LINUX))
    arguments = [str(tmp_path / "events.jsonl"), "--rules", str(rules)]
    assert not Run(capsys, tmp_path, *arguments).matches
    assert Run(capsys, tmp_path, *arguments, "--placeholders", str(tmp_path / "values.yml")).matches


@needs_data
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_event_log_and_its_remains(
    jobs: str, tmp_path: Path, rules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = next(path for path in sorted((DATA / "regression").glob("*.evtx")) if path.stat().st_size < 80_000)
    content = log.read_bytes()
    (tmp_path / "packed.evtx.gz").write_bytes(gzip.compress(content))
    (tmp_path / "cut.evtx").write_bytes(content[:5_000])
    (tmp_path / "damaged.evtx").write_bytes(content[:4_096] + bytes(2_000) + content[6_096:])
    whole = Run(capsys, tmp_path, str(log), "--rules", str(rules), "--jobs", jobs)
    assert whole.code == 0
    assert whole.summary["events"] >= 1
    packed = Run(capsys, tmp_path, str(tmp_path / "packed.evtx.gz"), "--rules", str(rules), "--jobs", jobs)
    assert packed.summary["events"] == whole.summary["events"]
    for name in ("cut.evtx", "damaged.evtx"):
        harmed = Run(capsys, tmp_path, str(tmp_path / name), "--rules", str(rules), "--jobs", jobs)
        assert harmed.code == 1
        assert name in harmed.summary["files_failed"][0]["reason"]
        assert harmed.summary["events"] == 0


def test_cpu_time_is_accounted_for(tmp_path: Path, rules: Path) -> None:
    (tmp_path / "events.jsonl").write_bytes(
        lines(*[FLAT | {"n": n, "Image": f"C:\\{n}.exe"} for n in range(60_000)])
    )
    program = "import argparse, sys; from collector.detection.command import add_arguments, run; " \
        "p = argparse.ArgumentParser(); add_arguments(p); sys.exit(run(p.parse_args()))"  # fmt: skip
    arguments = [str(tmp_path / "events.jsonl"), "--rules", str(rules), "--summary", str(tmp_path / "s.json")]
    spent = cpu_of([sys.executable, "-c", program, *arguments, "--jobs", "2"])
    start = cpu_of([sys.executable, "-c", "import argparse"])
    summary = json.loads((tmp_path / "s.json").read_text())
    told = summary["load_cpu_seconds"] + summary["match_cpu_seconds"]
    assert told >= 0.9 * (spent - start)
    assert told <= spent + 0.05


def cpu_of(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
