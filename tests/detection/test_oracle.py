"""Engine and oracle agree on every (event, rule) pair: generated ones, and samples of real ones."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
import yaml
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.detection.engine import Engine
from collector.detection.load import load
from tests.detection.conftest import DATA, needs_data
from tests.detection.oracle import OracleRule
from wire.event import Logsource

SOURCE = Logsource(product="linux", category="process_creation")
FIELDS = ["Image", "CommandLine", "User", "Extra Field", "a.b"]
# Characters that fold in every awkward way, escapes, wildcards, numbers and separators.
ALPHABET = "aAkKsSiI\u212a\u017f\u00df\u1e9e\u03c2\u03c3\u03a3\u0130\u0131\ufb01\u1f88\u0390 *?\\-/\n.01ex"
texts = st.text(ALPHABET, max_size=7)
words = st.sampled_from(
    ["cmd.exe", "C:\\Win\\cmd.exe", " -enc ", "/bin/sh", "Straße", "ΣΑΣ", "true", "4688", "0", "1"]
)
scalars = st.one_of(texts, words, st.integers(-3, 5), st.booleans(), st.floats(-2, 2, width=16), st.none())
rule_texts = st.one_of(texts, words)
plain = st.one_of(rule_texts, st.integers(-3, 5), st.booleans(), st.none(), st.sampled_from([0.5, 1.0, -1.5]))
TEXT_MODIFIERS = [
    "contains", "startswith", "endswith", "contains|all", "cased", "contains|cased", "windash", "windash|contains",
    "windash|contains|all", "base64", "base64offset|contains", "neq", "contains|neq", "startswith|cased",
    "all",
]  # fmt: skip
ASCII_ONLY = ["wide|contains", "utf16be|contains", "utf16|base64offset|contains"]
PATTERNS = [
    "a", "^a", "k$", "[aA]k", "a.*s", "(?:a|k)s?", "\\d+", "a{2}", "s|k", "(?=a)ak", "(a)\\1", "^$", "[^a]",
    "\\\\cmd",
    "cmd\\.exe$", "-e(nc)?", "x?", "[]a]k", "(?i)AK", "a+k*", "^\\s", "(ab|cd)?e", "\\.", "1{0,2}0", "e(x|n)[ec]",
]  # fmt: skip
NETWORKS = ["10.0.0.0/8", "192.168.1.0/24", "::1/128", "fe80::/10", "0.0.0.0/0", "127.0.0.1/32"]
ADDRESSES = ["10.1.2.3", "192.168.1.7", "::1", "fe80::1%eth0", "::ffff:10.0.0.1", "127.0.0.1", "10.1.2.3.4", ""]
TIMES = [
    "2024-02-29T23:59:59Z", "2020-06-10 02:50:54.631", "2021-01-03T00:30:00+07:00", "1709251199", 1700000000000,
]  # fmt: skip
PARTS = ["minute", "hour", "day", "week", "month", "year"]


@st.composite
def items(draw: st.DrawFn) -> tuple[str, Any]:
    """One field with its modifiers and values."""
    field = draw(st.sampled_from(FIELDS))
    kind = draw(st.integers(0, 11))
    if kind <= 3:
        return field, draw(st.one_of(plain, st.lists(plain, max_size=4)))
    if kind <= 6:
        value = draw(st.one_of(rule_texts, st.lists(rule_texts, min_size=1, max_size=3)))
        return f"{field}|{draw(st.sampled_from(TEXT_MODIFIERS))}", value
    if kind == 7:
        flags = draw(st.sampled_from(["", "|i", "|m", "|s", "|i|m|s"]))
        pattern = st.sampled_from(PATTERNS)
        return f"{field}|re{flags}", draw(st.one_of(pattern, st.lists(pattern)))
    if kind == 8:
        sign = draw(st.sampled_from(["gt", "gte", "lt", "lte"]))
        return f"{field}|{sign}", draw(st.sampled_from([-1, 0, 1, 2.5, 4688]))
    if kind == 9:
        return f"{field}|cidr", draw(st.lists(st.sampled_from(NETWORKS), min_size=1, max_size=3))
    if kind == 10:
        if draw(st.booleans()):
            return f"{field}|exists", draw(st.booleans())
        reference = draw(st.sampled_from(["fieldref", "fieldref|contains", "fieldref|startswith"]))
        return f"{field}|{reference}", draw(st.sampled_from(FIELDS))
    if draw(st.booleans()):
        modifiers = draw(st.sampled_from(ASCII_ONLY))
        return f"{field}|{modifiers}", draw(st.text("akAK -", min_size=1, max_size=4))
    sign = draw(st.sampled_from(["", "|gte", "|lt"]))
    return f"{field}|{draw(st.sampled_from(PARTS))}{sign}", draw(st.sampled_from([0, 2, 6, 10, 23, 53, 59, 2020]))


selections = st.one_of(
    st.lists(items(), min_size=1, max_size=3).map(dict),
    st.lists(st.lists(items(), min_size=1, max_size=2).map(dict), min_size=1, max_size=3),
    st.lists(st.one_of(rule_texts, st.integers(0, 5)), min_size=1, max_size=3),
    st.lists(rule_texts, min_size=1, max_size=3).map(lambda values: {"|all": values}),
)
CONDITIONS = [
    "sel_a", "not sel_a", "sel_a and sel_b", "sel_a or sel_b", "sel_a and not sel_b", "1 of sel_*", "all of sel_*",
    "any of them", "all of them", "not 1 of sel_*", "(sel_a or sel_b) and not sel_c",
    "not (sel_a and not sel_b) or sel_c",
    "1 of sel_* and not all of them", ["sel_a", "sel_b and sel_c"],
]  # fmt: skip


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    number = draw(st.integers(0, 2**64))
    return {
        "title": "Generated",
        "id": str(UUID(int=number)),
        "logsource": {"product": "linux", "category": "process_creation"},
        "detection": {
            "sel_a": draw(selections),
            "sel_b": draw(selections),
            "sel_c": draw(selections),
            "condition": draw(st.sampled_from(CONDITIONS)),
        },
    }


rule_sets = st.lists(rules(), min_size=1, max_size=4, unique_by=lambda each: each["id"])
values = st.one_of(
    scalars,
    st.lists(scalars, max_size=3),
    st.sampled_from([*ADDRESSES, *TIMES, "YWs=", "a\x00k\x00", "–enc x", "a/k b"]),
)
events = st.dictionaries(st.sampled_from([*FIELDS, "ExtraField", "Other"]), values, max_size=6)


def engine_for(documents: list[dict[str, Any]]) -> Engine:
    with tempfile.NamedTemporaryFile("w", suffix=".yml", encoding="utf-8") as file:
        file.write("---\n".join(yaml.safe_dump(document, allow_unicode=True) for document in documents))
        file.flush()
        return Engine(load([Path(file.name)]))


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rule_sets, st.lists(events, max_size=6))
def test_generated_rules_on_generated_events(
    documents: list[dict[str, Any]], sample: list[dict[str, Any]]
) -> None:
    engine = engine_for(documents)
    assert engine.ruleset.found == len(documents)
    usable = {each.id for each in engine.ruleset.rules}
    oracles = [OracleRule(document) for document in documents if document["id"] in usable]
    for event in [*sample, *sample]:  # the second time from memory
        wanted = {each.id for each in oracles if each.matches(event, ("linux", "process_creation", ""))}
        found = {match.rule.id for match in engine.match(event, SOURCE)}
        assert found == wanted, event
        for each in usable:
            explained = engine.explain(each, event)
            assert not explained or each in wanted


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rule_sets)
def test_a_refusal_is_never_without_a_reason(documents: list[dict[str, Any]]) -> None:
    ruleset = engine_for(documents).ruleset
    assert all(trouble.reason for trouble in [*ruleset.inactive, *ruleset.refused])
    assert not [trouble for trouble in ruleset.refused if "Error" in trouble.reason]


def sample_of(name: str, kinds: int) -> Iterator[dict[str, Any]]:
    """One event of each of the first kinds (channel and number) of a data file, and then one in a few hundred."""
    seen: set[tuple[Any, Any]] = set()
    decompressor = zstandard.ZstdDecompressor()
    with (DATA / name).open("rb") as raw, decompressor.stream_reader(raw) as stream:
        text = stream.read(24 * 1024 * 1024)
    for number, line in enumerate(text.split(b"\n")[:-1]):
        event = msgspec.json.decode(line)
        kind = (event.get("Channel"), event.get("EventID"))
        if (kind not in seen and len(seen) < kinds) or number % 2_000 == 0:
            seen.add(kind)
            yield event


@needs_data
@pytest.mark.parametrize(("name", "kinds"), [("evtx-hayabusa.jsonl.zst", 60), ("otrf-200k.jsonl.zst", 25)])
def test_public_rules_on_real_events(name: str, kinds: int, public: tuple[Engine, list[OracleRule]]) -> None:
    engine, oracles = public
    asked = {each.id for each in oracles}
    for event in sample_of(name, kinds):
        wanted = {each.id for each in oracles if each.matches(event)}
        assert {match.rule.id for match in engine.match(event)} & asked == wanted, event


@pytest.fixture(scope="module")
def public(public_engine: Engine) -> tuple[Engine, list[OracleRule]]:
    windows = [each for each in public_engine.ruleset.rules if each.logsource.product == "windows"]
    oracles = [OracleRule(each.document) for each in windows[::3]]
    return public_engine, [each for each in oracles if each.mapped]


def test_folding_in_the_oracle_is_the_engines_own() -> None:
    from collector.detection.fold import fold
    from tests.detection.oracle import folded

    assert fold(ALPHABET) == folded(ALPHABET)
    assert len(fold(ALPHABET)) == len(ALPHABET)
