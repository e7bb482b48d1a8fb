"""What a rule means, field by field: the cases that engines get wrong."""

from __future__ import annotations

import random
from typing import Any

import pytest

from collector.detection.engine import Engine
from tests.detection.conftest import Build, rule
from wire.event import Logsource

LINUX = Logsource(product="linux", category="process_creation")
SYSMON = "Microsoft-Windows-Sysmon/Operational"


def titles(engine: Engine, event: dict[str, Any], source: Logsource | None = LINUX) -> set[str]:
    return {match.rule.title for match in engine.match(event, source)}


def matches(build: Build, selection: Any, event: dict[str, Any]) -> bool:
    engine = build(rule({"selection": selection, "condition": "selection"}))
    assert engine.report().active, engine.report()
    found = bool(titles(engine, event))
    assert bool(titles(engine, event)) == found, "from memory"
    assert bool(engine.explain(engine.ruleset.rules[0].id, event)) == found
    return found


@pytest.mark.parametrize(
    ("selection", "yes", "no"),
    [
        ({"F": "cmd"}, ["cmd", "CMD", ["x", "Cmd"]], ["cmdx", None, "", 1]),
        ({"F": "a*c?"}, ["abcd", "ACX", "a\nc."], ["abc", "xacd"]),
        ({"F": "a\\*b"}, ["A*b"], ["axb"]),
        ({"F": "a\\\\b"}, ["a\\b"], ["a\\\\b"]),
        ({"F|contains": "\\temp\\"}, ["C:\\Temp\\x"], ["C:\\Temporary"]),
        ({"F|contains|all": ["a", "b"]}, ["xbya", ["a", "b"]], ["a", "b"]),
        ({"F|startswith": "/bin"}, ["/BIN/sh"], ["x/bin"]),
        ({"F|endswith": "\\nc.exe"}, ["C:\\NC.EXE"], ["nc.exe.bak"]),
        ({"F|cased": "Cmd"}, ["Cmd"], ["cmd", "CMD"]),
        ({"F|contains|cased": "Cm"}, ["xCmx"], ["xcmx"]),
        ({"F": 4688}, [4688, "4688", 4688.0], ["4688.0", "04688", 46880]),
        ({"F": "4688"}, [4688, "4688"], [4689]),
        ({"F": 1}, [1, "1", 1.0], [True, "true"]),
        ({"F": True}, [True, "true", "True"], [1, "1", False]),
        ({"F": None}, [None, "", []], ["x", 0, False]),
        ({"F": ""}, [""], [None, "x"]),
        ({"F": "*"}, ["x", "", 0], [None]),
        ({"F|exists": True}, ["", "x", 0, False], [None]),
        ({"F|exists": False}, [None], ["", 0]),
        ({"F": "straße"}, ["STRAßE", "STRAẞE"], ["strasse"]),
        ({"F|contains": "ΣΑΣ"}, ["xσας", "σασx"], ["σα"]),
        ({"F|endswith": "\u212a"}, ["k", "K"], ["x"]),
        ({"F|re": "a.c$"}, ["xabc", "abc\n"], ["abcd", "ABC"]),
        ({"F|re|i": "a.c"}, ["ABC"], ["a\nc"]),
        ({"F|re|s": "a.c"}, ["a\nc"], ["ac"]),
        ({"F|re": "(?=ab)a"}, ["ab"], ["ac"]),
        ({"F|cidr": "10.0.0.0/8"}, ["10.1.2.3", "::ffff:10.0.0.1"], ["11.0.0.1", "10.1.2", "", "x"]),
        ({"F|cidr": "fe80::/10"}, ["fe80::1", "fe80::1%eth0"], ["fec0::1"]),
        ({"F|gt": 5}, [6, "6", "5.1"], [5, "x", None, True, "0x10", "inf", "nan"]),
        ({"F|lte": 5}, [5, "-1", 4.5], [6, "١"]),
        ({"F|windash|contains": " -f "}, ["x -f y", "x /f y", "x –f y"], ["x f y"]),
        ({"F|base64": "foo"}, ["Zm9v"], ["foo"]),
        ({"F|base64offset|contains": "foobar"}, ["xZm9vYmFyx", "AAAZvb2Jhc"], ["foobar"]),
        ({"F|wide|base64offset|contains": "ping"}, ["cABpAG4AZw"], ["cGluZw"]),
        ({"F|hour": 7}, ["2024-01-01T07:59:59Z", "2024-01-01T14:00:00+07:00"], ["2024-01-01T08:00:00Z", "07"]),
        ({"F|hour|gte": 22}, ["2024-01-01 22:00:00"], ["2024-01-01 21:59:59.9"]),
        ({"F|neq": "root"}, ["www", None], ["root", "ROOT"]),
        ([{"F": "a"}, {"F": "b"}], ["a", "b"], ["c"]),
        (["needle"], ["a NEEDLE b", ["x", "needle"]], ["need le"]),
        ({"|all": ["one", "two"]}, ["one two"], ["one"]),
        ([4688], [4688, "x4688x"], [468]),
    ],
)
def test_values(build: Build, selection: Any, yes: list[Any], no: list[Any]) -> None:
    engine = build(rule({"selection": selection, "condition": "selection"}))
    assert engine.report().active, engine.report()
    rule_id = engine.ruleset.rules[0].id
    for expected, values in ((True, yes), (False, no)):
        for value in [*values, *values]:
            assert bool(titles(engine, {"F": value})) == expected, value
            assert not engine.explain(rule_id, {"F": value}) or expected


def test_a_missing_field_is_null_and_nothing_else(build: Build) -> None:
    assert matches(build, {"F": None, "G": "x"}, {"G": "x"})
    assert not matches(build, {"F": "*", "G": "x"}, {"G": "x"})


def test_spaces_in_field_names_do_not_count(build: Build) -> None:
    assert matches(build, {"ThreatName": "x"}, {"Threat Name": "x"})
    assert matches(build, {"Threat Name": "x"}, {"ThreatName": "x"})


def test_a_field_compared_with_another(build: Build) -> None:
    assert matches(build, {"A|fieldref": "B"}, {"A": "Same", "B": "SAME"})
    assert not matches(build, {"A|fieldref": "B"}, {"A": "Same"})
    assert matches(build, {"A|fieldref|startswith": "B"}, {"A": "Same thing", "B": "same"})


def test_conditions(build: Build) -> None:
    detection = {"sel_a": {"F": "a"}, "sel_b": {"G": "b"}, "filter": {"H": None}}
    engine = build(
        *[
            rule({**detection, "condition": condition}, title=condition)
            for condition in (
                "1 of sel_*",
                "all of sel_*",
                "sel_a and not filter",
                "not 1 of sel_*",
                "all of them",
            )
        ]
    )
    assert titles(engine, {"F": "a", "G": "b", "H": "x"}) == {
        "1 of sel_*",
        "all of sel_*",
        "sel_a and not filter",
    }
    assert titles(engine, {"F": "a", "G": "b"}) == {"1 of sel_*", "all of sel_*", "all of them"}
    assert titles(engine, {}) == {"not 1 of sel_*"}


def test_a_log_source_reaches_the_rules_of_wider_ones_only(build: Build) -> None:
    def one(title: str, **source: str) -> dict[str, Any]:
        return rule({"s": {"F": "x"}, "condition": "s"}, title=title, logsource=source)

    engine = build(
        one("linux", product="linux"),
        one("exact", product="linux", category="process_creation"),
        one("category", category="process_creation"),
        one("sshd", product="linux", service="sshd"),
        one("auth", product="linux", service="auth"),
        one("windows", product="windows", category="process_creation"),
    )
    assert titles(engine, {"F": "x"}) == {"linux", "exact", "category"}
    assert titles(engine, {"F": "x"}, Logsource(product="linux", service="sshd")) == {"linux", "sshd", "auth"}
    assert titles(engine, {"F": "x"}, None) == set()
    assert engine.unrouted == 1
    report = engine.report([LINUX])
    assert {idle.title for idle in report.inactive} == {"sshd", "auth"}
    assert "product=linux service=sshd" in {idle.title: idle.reason for idle in report.inactive}["sshd"]
    assert len(report.active) + len(report.inactive) + len(report.refused) == engine.ruleset.found


WINDOWS = {"product": "windows", "category": "process_creation"}


@pytest.mark.parametrize(
    ("event", "found"),
    [
        ({"Channel": SYSMON, "EventID": 1, "Image": "C:\\nc.exe"}, True),
        ({"Channel": SYSMON, "EventID": "1", "Image": "C:\\nc.exe"}, True),
        ({"Channel": SYSMON.upper(), "EventID": 1, "Image": "C:\\nc.exe"}, True),
        ({"Channel": SYSMON, "EventID": 5, "Image": "C:\\nc.exe"}, False),
        ({"Channel": SYSMON, "EventID": True, "Image": "C:\\nc.exe"}, False),
        ({"Channel": "Security", "EventID": 4688, "NewProcessName": "C:\\nc.exe"}, True),
        ({"Channel": "Security", "EventID": 4688, "Image": "C:\\nc.exe"}, False),
        ({"Channel": "Security", "EventID": 4624, "NewProcessName": "C:\\nc.exe"}, False),
        ({"Channel": ["Security"], "EventID": 4688, "NewProcessName": "C:\\nc.exe"}, False),
    ],
)
def test_a_generic_log_source_is_met_by_sysmon_and_by_the_audit_log(
    build: Build, event: dict[str, Any], found: bool
) -> None:
    engine = build(rule({"s": {"Image|endswith": "\\nc.exe"}, "condition": "s"}, logsource=WINDOWS))
    assert bool(titles(engine, event, None)) == found


def test_a_windows_event_may_name_its_category_instead_of_its_channel(build: Build) -> None:
    engine = build(
        rule(
            {"s": {"F": "x"}, "condition": "s"},
            title="set",
            logsource={"product": "windows", "category": "registry_set"},
        ),
        rule(
            {"s": {"EventID": 7}, "condition": "s"},
            title="security",
            logsource={"product": "windows", "service": "security"},
        ),
    )
    assert titles(engine, {"F": "x"}, Logsource(product="windows", category="registry_set")) == {"set"}
    assert titles(engine, {"F": "x"}, Logsource(product="windows", category="registry_add")) == set()
    assert titles(engine, {"EventID": 7}, Logsource(product="windows", service="security")) == {"security"}


def test_negated_channels_and_numbers_hold_elsewhere(build: Build) -> None:
    engine = build(
        rule({"s": {"F": "x"}, "n": {"EventID": 5}, "condition": "s and not n"}, logsource={"product": "windows"}),
        rule(
            {"s": {"F": "y"}, "n": {"Channel": "Security"}, "condition": "s and not n"},
            logsource={"product": "windows"},
        ),
    )
    assert titles(engine, {"Channel": "System", "EventID": 4, "F": "x"}, None)
    assert not titles(engine, {"Channel": "System", "EventID": 5, "F": "x"}, None)
    assert titles(engine, {"Channel": "System", "EventID": 4, "F": "y"}, None)
    assert not titles(engine, {"Channel": "Security", "EventID": 4, "F": "y"}, None)


def test_a_rule_matches_once_however_many_of_its_conditions_hold(build: Build) -> None:
    engine = build(rule({"a": {"F": "x"}, "b": {"G": "x"}, "condition": ["a", "b"]}))
    assert len(engine.match({"F": "x", "G": "x"}, LINUX)) == 1


def test_explanations_show_field_value_and_pattern(build: Build) -> None:
    engine = build(
        rule(
            {
                "s": {"Image|endswith": "/NC", "User": ["root", "toor"]},
                "f": {"A": "b"},
                "condition": "s and not f",
            }
        )
    )
    found = engine.explain(engine.ruleset.rules[0].id, {"Image": "/usr/bin/nc", "User": "root"})
    assert [tuple(each) for each in found] == [("Image", "/usr/bin/nc", "*/NC"), ("User", "root", "root")]
    assert engine.explain(engine.ruleset.rules[0].id, {"Image": "/usr/bin/nc", "User": "root", "A": "b"}) == []


@pytest.mark.parametrize("memo_bytes", [0, 2_000, 1 << 20])
def test_what_is_remembered_stays_within_its_bound_and_changes_nothing(build: Build, memo_bytes: int) -> None:
    engine = build(rule({"s": {"F|contains": ["needle", "pin"]}, "condition": "s"}), memo_bytes=memo_bytes)
    for number in random.Random(3).choices(range(400), k=2_000):
        text = f"value {number} {'needle' if number % 7 == 0 else ''}"
        assert bool(titles(engine, {"F": text, "G": number})) == (number % 7 == 0)
        assert engine.memory.used <= memo_bytes
    assert (engine.memory.resets > 0) == (memo_bytes == 2_000)


def test_a_new_engine_is_built_beside_the_old(build: Build) -> None:
    old = build(rule({"s": {"F": "x"}, "condition": "s"}, title="old"))
    new = build(rule({"s": {"F": "x"}, "condition": "s"}, title="new"))
    assert (titles(old, {"F": "x"}), titles(new, {"F": "x"})) == ({"old"}, {"new"})


@pytest.mark.timeout(30)
def test_a_pattern_that_backtracks_for_ever_is_stopped_and_told(build: Build) -> None:
    slow = rule({"s": {"F|re": "^(?=a)(a|aa)+$"}, "condition": "s"}, title="slow")
    quick = rule({"s": {"F|re": "^(a+)+$"}, "condition": "s"}, title="quick")
    other = rule({"s": {"F|contains": "b"}, "condition": "s"}, title="other")
    engine = build(slow, quick, other)
    for number in range(5):
        assert titles(engine, {"F": f"{'a' * 60}b{number}"}) == {"other"}
    assert engine.regex_timeouts() == {"re: ^(?=a)(a|aa)+$": 3}


@pytest.mark.timeout(30)
def test_a_huge_event_is_matched_like_any_other(build: Build) -> None:
    engine = build(rule({"s": {"F|contains": "needle"}, "condition": "s"}))
    assert titles(engine, {"F": "x" * 8_000_000 + "needle"}) == {"A rule"}
    assert titles(engine, {f"name{number}": "x" for number in range(50_000)} | {"F": "needle"}) == {"A rule"}
    assert titles(engine, {"F": ["x"] * 100_000 + ["needle"]}) == {"A rule"}


def test_ten_thousand_values(build: Build) -> None:
    values = [f"value{number}" for number in range(10_000)]
    engine = build(rule({"s": {"F|contains": values}, "condition": "s"}))
    assert titles(engine, {"F": "xx VALUE9999 xx"})
    assert not titles(engine, {"F": "value"})
