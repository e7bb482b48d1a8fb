"""Every rule of ours: well formed, in both languages, active, and true to its recorded samples."""

from __future__ import annotations

import re
import tarfile
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import re2
import yaml
from sigma.collection import SigmaCollection
from sigma.validation import SigmaValidator
from sigma.validators.core import validators

from agent.own import AGENT
from agent.sensors.changes import SOURCE as FILE_SOURCE
from agent.sensors.logs import SOURCES as LOG_SOURCES
from agent.sensors.process import SOURCE as PROCESS_SOURCE
from collector.detection.card import card
from collector.detection.engine import Engine
from collector.detection.load import load
from tests.rules.samples import MAINTENANCE, ORDINARY_SESSION, RULES, read, rule_files, samples
from tests.rules.steps.catalogue import STEPS
from wire.event import Event
from wire.health import HEALTH

PROJECT = Path(__file__).resolve().parents[2]
SIGMAHQ = PROJECT.parent / "shared" / "data" / "sigma" / "sigmahq-rules.tar.gz"

EMITTED = {PROCESS_SOURCE, FILE_SOURCE, *LOG_SOURCES.values(), HEALTH, AGENT}
"""What the agent's sensors and the agent itself state as their log source."""

NEED_A_DOWNLOAD = {"attacktag", "d3_fendtag"}
"""Validators that fetch ATT&CK and D3FEND from the internet; `test_tags_are_known` stands in for them."""

NEEDED = {"title", "id", "status", "description", "references", "author", "date", "tags", "level"}

ALSO = {
    "ssh_attempts_exhausted": {"ssh_login_failed"},
    "ssh_login_unknown_account": {"ssh_login_failed"},
}
"""Rule → other rules that rightly match its negative samples."""

DESERVED = {("protection_stopped", "apt-get purge"), ("protection_stopped", "/usr/bin/dpkg ")}
"""What rules rightly say of the ordinary sessions: rule, and how the command line begins."""

FILES = rule_files()
by_rule = pytest.mark.parametrize("rule", FILES, ids=lambda path: path.stem)


@cache
def engine() -> Engine:
    return Engine(load([RULES]))


def document(rule: Path) -> Mapping[str, Any]:
    return yaml.safe_load(rule.read_text())


def matched(event: Event) -> set[str]:
    """File names of the rules that the event satisfies."""
    return {Path(match.rule.file).stem for match in engine().match(event.fields, event.source)}


def shown(event: Event) -> object:
    return event.fields.get("CommandLine") or event.raw or event.fields


def test_there_are_rules():
    assert len(FILES) >= 12


def test_all_are_active_for_what_the_agent_emits():
    report = engine().report(EMITTED)
    assert [Path(rule.file).stem for rule in report.refused] == []
    assert [(Path(rule.file).stem, rule.reason) for rule in report.inactive] == []
    assert len(report.active) == len(FILES)


def test_sigma_cli_has_nothing_to_say():
    chosen = [validator for name, validator in validators.items() if name not in NEED_A_DOWNLOAD]
    collection = SigmaCollection.load_ruleset(FILES)
    assert [str(issue) for issue in SigmaValidator(chosen).validate_rules(iter(collection))] == []


@pytest.mark.skipif(not SIGMAHQ.is_file(), reason="the rule archive in ../shared/data is absent")
def test_tags_are_known():
    with tarfile.open(SIGMAHQ) as archive:
        texts = [archive.extractfile(member) for member in archive.getmembers() if member.name.endswith(".yml")]
        known = {tag for file in texts if file for tag in re.findall(r"attack\.[a-z0-9.-]+", file.read().decode())}
    assert {tag for rule in FILES for tag in document(rule)["tags"]} - known == set()


@by_rule
def test_says_what_people_need(rule):
    stated = document(rule)
    assert stated.keys() >= NEEDED
    assert stated["falsepositives"]
    assert all(reference.startswith("https://") for reference in stated["references"])
    words = stated["lienphong"]["vi"]
    assert words.keys() == {"title", "description", "falsepositives"}
    assert len(words["falsepositives"]) == len(stated["falsepositives"])
    for text in (words["title"], words["description"], *words["falsepositives"]):
        assert unicodedata.is_normalized("NFC", text)
        assert re.search(r"[^\x00-\x7f]", text), f"no Vietnamese: {text}"


def test_the_console_gets_both_languages():
    for rule in engine().ruleset.rules:
        shown_card = card(rule)
        assert shown_card.titles["vi"] != shown_card.titles["en"]
        assert shown_card.descriptions["vi"] != shown_card.descriptions["en"]


def test_titles_are_told_apart():
    documents = [document(rule) for rule in FILES]
    for titles in ([d["title"] for d in documents], [d["lienphong"]["vi"]["title"] for d in documents]):
        assert len(set(titles)) == len(FILES)
        assert all(len(title) <= 80 for title in titles)


@by_rule
def test_regexes_are_linear(rule):
    for pattern in _regexes(document(rule)["detection"]):
        re2.compile(pattern)


def _regexes(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if isinstance(name, str) and name.endswith("|re"):
                yield from value if isinstance(value, list) else [value]
            else:
                yield from _regexes(value)
    elif isinstance(node, list):
        for value in node:
            yield from _regexes(value)


@by_rule
def test_has_samples_and_no_strays(rule):
    assert samples(rule, "positive")
    assert samples(rule, "negative")
    known = {*samples(rule, "positive"), *samples(rule, "negative")}
    assert set(rule.with_suffix("").iterdir()) == known


def test_every_recorded_sample_can_be_recorded_again():
    recorded = {(rule.stem, path.stem) for rule in FILES for path in rule.with_suffix("").iterdir()
                if "lienphong" not in rule.parts}  # fmt: skip
    assert {(step.rule, step.sample) for step in STEPS} == recorded


@by_rule
def test_finds_its_positive_samples(rule):
    for path in samples(rule, "positive"):
        for event in read(path):
            assert rule.stem in matched(event), f"{path.name}: {shown(event)}"


@by_rule
def test_lets_near_misses_pass(rule):
    for path in samples(rule, "negative"):
        for event in read(path):
            assert matched(event) <= ALSO.get(rule.stem, set()), f"{path.name}: {shown(event)}"


@by_rule
def test_a_near_miss_is_of_the_same_log_source(rule):
    sources = {event.source for path in samples(rule, "positive") for event in read(path)}
    assert {event.source for path in samples(rule, "negative") for event in read(path)} <= sources


def test_no_two_find_the_same():
    events = [event for rule in FILES for path in samples(rule, "positive") for event in read(path)]
    matches = [matched(event) for event in events]
    found = {rule.stem: frozenset(i for i, names in enumerate(matches) if rule.stem in names) for rule in FILES}
    assert len(set(found.values())) == len(FILES)
    for name, own in found.items():
        swallowed = [other for other, theirs in found.items() if other != name and own < theirs]
        assert not swallowed, f"{name} finds nothing that {swallowed} does not"


@by_rule
def test_asks_only_for_fields_that_exist(rule):
    """A field that no sensor fills would make a condition that is never, or always, true."""
    logsource = document(rule)["logsource"]
    filled = {
        name
        for other in FILES
        if document(other)["logsource"] == logsource
        for path in other.with_suffix("").iterdir()
        for event in read(path)
        for name in event.fields
    }
    asked = {name.partition("|")[0] for name in _fields(document(rule)["detection"])}
    mount_points = {name for name in asked if name.startswith("disk_used_percent.")}
    assert asked - mount_points - filled == set()


def _fields(detection: Mapping[str, Any]) -> Iterator[str]:
    for name, value in detection.items():
        if name != "condition":
            for part in value if isinstance(value, list) else [value]:
                yield from part


@pytest.mark.parametrize("session", [ORDINARY_SESSION, MAINTENANCE], ids=lambda path: path.stem)
def test_an_ordinary_session_is_quiet(session):
    events = read(session)
    assert len(events) > 100
    loud = {(name, str(shown(event))) for event in events for name in matched(event)}
    assert [
        (name, text) for name, text in loud if not any(name == r and text.startswith(t) for r, t in DESERVED)
    ] == []


def test_samples_speak_of_the_sandbox_alone():
    for path in (ORDINARY_SESSION, MAINTENANCE, *RULES.rglob("*.jsonl")):
        text = path.read_text()
        assert not re.search(r"/work\b|pytest|\.venv|/tmp/lienphong|overlay", text), path
        for event in read(path):
            assert event.fields.get("LogHost", "may-chu-1") == "may-chu-1"


def test_every_rule_is_in_the_documentation():
    text = (PROJECT / "docs" / "rules.md").read_text()
    missing = [rule.stem for rule in FILES if f"`{rule.stem}`" not in text]
    assert missing == []
