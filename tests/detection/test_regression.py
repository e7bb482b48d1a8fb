"""Public event logs of real attacks: each finds the rule that was written for it."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from collector.detection.engine import Engine
from collector.detection.offline import detect
from tests.detection.conftest import DATA, needs_data

pytestmark = needs_data


def manifest() -> list[dict[str, Any]]:
    return json.loads((DATA / "regression" / "manifest.json").read_text()) if DATA.is_dir() else []


def test_every_log_finds_its_rule(public_engine: Engine) -> None:
    missed = []
    for entry in manifest():
        found: Counter[str] = Counter()
        for result in detect(public_engine, [str(DATA / "regression" / entry["evtx"])]):
            assert not result.failure
            assert not result.refused
            found.update(public_engine.ruleset.rules[match.rule].id for match in result.found)
        if found[entry["rule_id"]] < entry["at_least"]:
            missed.append(entry)
    assert len(manifest()) == 101
    assert missed == []


def test_the_whole_rule_set_is_accounted_for(public_engine: Engine) -> None:
    report = public_engine.report([])
    assert len(report.active) + len(report.inactive) + len(report.refused) == public_engine.ruleset.found
    assert report.refused == ()
    assert len(report.active) > 2_800
    assert all(idle.reason for idle in report.inactive)
