"""Rules from every source; what is broken or hostile is refused with file, line and reason, and harms no other."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from collector.detection import sources
from collector.detection.exceptions import SourceError
from collector.detection.load import CORRELATION_REASON, load
from collector.detection.rules import RuleSet
from tests.detection.conftest import rule, write_rules

GOOD = """\
title: Good
id: 11111111-1111-4111-8111-111111111111
logsource: {product: linux, category: process_creation}
detection: {selection: {Image|endswith: /nc}, condition: selection}
"""


def load_text(path: Path, text: str | bytes) -> RuleSet:
    file = path / "some.yml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load([file])


def test_directories_and_archives_hold_the_same_rules(tmp_path: Path) -> None:
    tree = tmp_path / "tree" / "linux"
    tree.mkdir(parents=True)
    (tree / "a.yml").write_text(GOOD)
    (tree / "notes.txt").write_text("not a rule")
    (tmp_path / "tree" / ".git").mkdir()
    (tmp_path / "tree" / ".git" / "c.yml").write_text("hidden: true")
    write_rules(tree / "b.yaml", rule(title="B"))
    with tarfile.open(tmp_path / "rules.tar.gz", "w:gz") as packed:
        packed.add(tmp_path / "tree", "tree")
    with zipfile.ZipFile(tmp_path / "rules.zip", "w") as zipped:
        for file in tree.iterdir():
            zipped.write(file, file.name)
    by_source = {
        name: {each.hash for each in load([tmp_path / name]).rules} for name in ("tree", "rules.zip")
    }  # fmt: skip
    assert len(by_source["tree"]) == 2
    assert by_source["tree"] == by_source["rules.zip"]
    packed_rules = load([tmp_path / "rules.tar.gz"])
    assert {each.title for each in packed_rules.rules} == {"Good", "B"}
    assert packed_rules.rules[0].file == f"{tmp_path / 'rules.tar.gz'}:tree/linux/a.yml"
    assert [each.reason for each in packed_rules.refused] == [
        "not a Sigma rule: it has no title, logsource or detection"
    ]


def test_an_id_is_made_from_content_and_not_from_layout(tmp_path: Path) -> None:
    first = load_text(tmp_path, GOOD.replace("id: 11111111-1111-4111-8111-111111111111\n", "")).rules[0]
    moved = load_text(tmp_path, "# remark\n" + GOOD.replace("id: 11111111-1111-4111-8111-111111111111\n", ""))
    assert moved.rules[0].id == first.id
    assert moved.rules[0].hash == first.hash
    assert moved.rules[0].line == 2
    changed = load_text(
        tmp_path, GOOD.replace("id: 11111111-1111-4111-8111-111111111111\n", "").replace("nc", "ncat")
    )
    assert changed.rules[0].id != first.id


def test_the_second_rule_of_an_id_is_refused(tmp_path: Path) -> None:
    found = load_text(tmp_path, GOOD + "---\n" + GOOD.replace("Good", "Again"))
    assert [each.title for each in found.rules] == ["Good"]
    refused = found.refused[0]
    assert refused.rule_id == "11111111-1111-4111-8111-111111111111"
    assert refused.line == 6
    assert "already used by" in refused.reason
    assert found.found == 2


@pytest.mark.parametrize(
    ("broken", "line", "reason"),
    [
        ("title: [unclosed\nid: x\n", 2, "broken YAML"),
        ("title: a\ntitle: b\n", 2, "twice"),
        ("- a\n- list\n", 1, "not a map"),
        ("hello: world\n", 1, "no title"),
        ("title: No detection\nlogsource: {product: linux}\n", 1, "detection"),
        (
            GOOD.replace("condition: selection", "condition: other").replace("1111", "2222"),
            4,
            "'other' not defined",
        ),
        (GOOD.replace("Image|endswith", "Image|ends").replace("1111", "2222"), 4, "modifier"),
        (GOOD.replace("{Image|endswith: /nc}", "{Image|re: '('}").replace("1111", "2222"), 4, "invalid"),
        (GOOD.replace("11111111-1111", "not-a-uuid"), 2, "UUID"),
        (
            GOOD.replace("{product: linux, category: process_creation}", "{}").replace("1111", "2222"),
            3,
            "source",
        ),
        (
            GOOD.replace("{product: linux, category: process_creation}", "linux").replace("1111", "2222"),
            3,
            "logsource",
        ),
        (GOOD.replace("{Image|endswith: /nc}", "[]").replace("1111", "2222"), 4, "bound to a field"),
        (GOOD.replace("{Image|endswith: /nc}", "{Image|gt: many}").replace("1111", "2222"), 4, "incompatible"),
        (
            GOOD.replace("selection: {Image|endswith: /nc}", "selection: ['*']").replace("1111", "2222"),
            4,
            "keyword",
        ),
        (GOOD.replace("date: x", "").replace("1111", "2222") + "level: terrible\n", 5, "level"),
        ("action: jump\ntitle: x\n", 1, "unknown action"),
        ("title: x\nlogsource: {product: 5}\ndetection: {a: {b: c}, condition: a}\n", 2, "must be string"),
        ("title: x\nlogsource: {product: a}\ndetection: {a: {b: !!binary AA==}, condition: a}\n", 1, "type"),
        ("title: " + "9" * 5_000 + "\n", 0, "broken YAML"),
        ("? [a, b]\n: c\n", 1, "unhashable key"),
    ],
)
def test_a_broken_rule_is_refused_and_the_others_go_on(
    tmp_path: Path, broken: str, line: int, reason: str
) -> None:
    found = load_text(tmp_path, broken + "---\n" + GOOD)
    assert [each.title for each in found.rules] == ["Good"]
    assert len(found.refused) == 1
    refused = found.refused[0]
    assert refused.file.endswith("some.yml")
    assert reason in refused.reason
    assert refused.line == line or (line == 0 and refused.line <= 1)


def deep(levels: int) -> str:
    return "title: " + "[" * levels + "]" * levels + "\n"


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 10)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
DASHES = " ".join(f"-{letter}" for letter in "abcdefghijklmnop")


@pytest.mark.parametrize(
    ("hostile", "reason"),
    [
        (BOMB, "expands to more than"),
        ("title: &a [*a]\n", "names nothing"),
        (deep(50), "nested deeper"),
        (deep(200_000), "nest"),
        ("title:\n" + "".join(" " * level + "a:\n" for level in range(1, 200)), "nested deeper"),
        ("- " * 500 + "a\n", "nested deeper"),
        (GOOD.replace("{Image|endswith: /nc}", f"{{CommandLine|windash: '{DASHES}'}}"), "dashes under windash"),
        (GOOD.replace("Image|endswith", "Image" + "|base64offset" * 9), "modifiers"),
        (
            GOOD.replace("condition: selection", "condition: '" + "(" * 40 + "selection" + ")" * 40 + "'"),
            "parentheses",
        ),
        (
            GOOD.replace("condition: selection", "condition: '" + "selection or " * 2_000 + "selection'"),
            "characters",
        ),
        (GOOD.replace("condition: selection", "condition: 1 of *a*a*a*a*a*a*b"), "stars"),
        (GOOD.replace("condition: selection", f"condition: {['selection'] * 100}"), "conditions"),
        (GOOD.replace("{Image|endswith: /nc}", f"{{Image|re: '{'(a+)+' * 3_000}'}}"), "characters"),
    ],
)
@pytest.mark.timeout(20)
def test_a_hostile_rule_is_refused_in_time(tmp_path: Path, hostile: str, reason: str) -> None:
    found = load_text(tmp_path, hostile + "---\n" + GOOD.replace("1111", "3333"))
    assert [each.id for each in found.rules] == ["33333333-3333-4111-8111-333333333333"]
    assert reason in found.refused[0].reason


def test_bytes_that_are_no_text_are_refused_with_their_line(tmp_path: Path) -> None:
    refused = load_text(tmp_path, GOOD.encode() + b"\xff\xfe").refused[0]
    assert (refused.line, refused.reason) == (5, f"not UTF-8: byte {len(GOOD)} is 0xff")


def test_a_file_over_the_bound_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_FILE", 1_000)
    (tmp_path / "big.yml").write_text(GOOD + "#" * 1_000)
    (tmp_path / "small.yml").write_text(GOOD)
    found = load([tmp_path])
    assert len(found.rules) == 1
    assert "larger than" in found.refused[0].reason


def test_ten_thousand_values_are_a_rule_like_any_other(tmp_path: Path) -> None:
    values = [f"/opt/tool{number}" for number in range(10_000)]
    found = load([write_rules(tmp_path / "long.yml", rule({"s": {"Image": values}, "condition": "s"}))])
    assert len(found.rules) == 1


def test_sources_that_cannot_be_read_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        load([tmp_path / "absent.yml"])
    (tmp_path / "broken.tar.gz").write_bytes(b"\x1f\x8b nothing")
    with pytest.raises(SourceError, match=r"broken\.tar\.gz"):
        load([tmp_path / "broken.tar.gz"])
    (tmp_path / "broken.zip").write_bytes(b"PK nothing")
    with pytest.raises(SourceError, match=r"broken\.zip"):
        load([tmp_path / "broken.zip"])
    monkeypatch.setattr(sources, "MAX_ARCHIVE", 100_000)
    with tarfile.open(tmp_path / "bomb.tar.gz", "w:gz") as packed:
        member = tarfile.TarInfo("zeros.bin")
        member.size = 10_000_000
        packed.addfile(member, io.BytesIO(bytes(member.size)))
    with pytest.raises(SourceError, match="unpacks to more"):
        load([tmp_path / "bomb.tar.gz"])


def test_collections_lay_the_global_part_over_each_rule(tmp_path: Path) -> None:
    text = """\
action: global
title: Shared
logsource: {product: linux, category: process_creation}
detection: {condition: selection}
---
detection: {selection: {Image: a}}
---
detection: {selection: {Image: b}}
---
action: repeat
detection: {selection: {Image: c}}
---
action: reset
---
title: Alone
"""
    found = load_text(tmp_path, text)
    assert [each.title for each in found.rules] == ["Shared", "Shared", "Shared"]
    assert len({each.id for each in found.rules}) == 3
    assert [each.rule_id for each in found.refused] == [""]
    assert found.found == 4


def test_correlations_are_listed_as_inactive(tmp_path: Path) -> None:
    correlation: dict[str, Any] = {
        "title": "Many",
        "correlation": {"type": "event_count", "rules": ["x"], "group-by": ["User"], "timespan": "5m"},
    }
    found = load([write_rules(tmp_path / "c.yml", rule(name="x"), correlation)])
    assert [each.reason for each in found.inactive] == [CORRELATION_REASON]
    assert found.found == 2


def test_placeholders_need_values(tmp_path: Path) -> None:
    path = write_rules(tmp_path / "p.yml", rule({"s": {"User|expand": "%admins%"}, "condition": "s"}))
    assert load([path]).inactive[0].reason == "placeholder %admins% has no values"
    assert len(load([path], {"admins": ["root", "toor"]}).rules) == 1


def test_meta_filters_apply_to_the_rules_they_name(tmp_path: Path) -> None:
    named = rule(name="shells", id="44444444-4444-4444-8444-444444444444")
    meta = {
        "title": "Not on build machines",
        "logsource": {"product": "linux", "category": "process_creation"},
        "filter": {"rules": ["shells"], "selection": {"User": "builder"}, "condition": "not selection"},
    }
    plain = load([write_rules(tmp_path / "plain.yml", named)]).rules[0]
    found = load([write_rules(tmp_path / "filtered.yml", named, meta)])
    assert found.found == 1
    assert found.rules[0].hash != plain.hash


BOMB = GOOD.replace("Image|endswith: /nc", "CommandLine|re: '((a{1000}){1000}){1000}'").replace(
    "id: 1111", "id: 2222"
)
STARVED = """
import resource, sys
from pathlib import Path
from collector.detection import regexes
from collector.detection.load import load
regexes.EXPANSION_LIMIT = 10**12
resource.setrlimit(resource.RLIMIT_AS, (600 * 1024 * 1024,) * 2)
found = load([Path(sys.argv[1])])
print([rule.title for rule in found.rules], [(bad.line, bad.reason) for bad in found.refused])
"""


def test_an_expression_that_multiplies_too_far_costs_its_rule_only(tmp_path: Path) -> None:
    found = load_text(tmp_path, GOOD + "---\n" + BOMB)
    assert [each.title for each in found.rules] == ["Good"]
    (refused,) = found.refused
    assert (refused.file, refused.line) == (str(tmp_path / "some.yml"), 9)
    assert "repeats more than 10000 elements" in refused.reason


def test_a_rule_for_which_memory_runs_out_is_refused_and_the_others_run(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(BOMB + "---\n" + GOOD)
    command = [sys.executable, "-c", STARVED, str(tmp_path / "rules.yml")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)
    assert done.stdout.startswith("['Good'] [(4, "), done.stderr
    assert "needs more memory than there is" in done.stdout
