"""The engine on wire blocks: the same event is the same match, with its evidence, however often it comes."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.detection.live import LiveDetector, match_id
from collector.messages import InboxBlock
from tests.detection.conftest import rule, write_rules
from wire import block as wire_block
from wire.block import Block
from wire.event import Event, Logsource
from wire.identity import Identity

AGENT, STREAM = "a" * 16, "b" * 26
SSHD = Logsource(product="linux", service="sshd")


@pytest.fixture
def live(tmp_path: Path) -> LiveDetector:
    return LiveDetector.load(
        [
            write_rules(
                tmp_path / "rules.yml",
                rule({"s": {"User": "root"}, "condition": "s"}, title="Root", logsource={"product": "linux"}),
                rule({"s": ["invalid user"], "condition": "s"}, title="Line", logsource={"product": "linux"}),
                {"title": "broken"},
            )
        ]
    )


def block_of(*events: Event) -> InboxBlock:
    packed = wire_block.pack(Block(agent=AGENT, stream=STREAM, lane="security", block=7, events=list(events)))
    return InboxBlock(
        seq=1,
        identity=Identity(agent=AGENT, node="tinh/xa", label="ict", role="host"),
        host="web-1",
        stream=STREAM,
        lane="security",
        block=7,
        sha256="0" * 64,
        received=5,
        skew=0,
        packed=packed,
    )


def test_matches_carry_identity_and_evidence(live: LiveDetector) -> None:
    quiet = Event(time=1, source=SSHD, fields={"User": "www"})
    root = Event(time=2, source=SSHD, fields={"User": "root"})
    matches = live.matches(block_of(quiet, root))
    assert [match.event_id for match in matches] == [f"{AGENT}/{STREAM}/security/7/1"]
    assert matches[0].id == match_id(matches[0].rule_hash, matches[0].event_id)
    assert matches[0].fields == {"User": "root"}
    assert live.matches(block_of(quiet, root))[0].id == matches[0].id
    assert live.card(matches[0].rule_hash).titles["en"] == "Root"


def test_keywords_are_looked_for_in_the_original_line(live: LiveDetector) -> None:
    matches = live.matches(block_of(Event(time=1, source=SSHD, fields={"a": "b"}, raw="Invalid user x from y")))
    assert [match.fields for match in matches] == [{"raw": "Invalid user x from y"}]


def test_every_rule_is_reported(live: LiveDetector) -> None:
    report = live.report()
    assert (report.active, report.inactive, report.refused) == (2, 0, 1)
    assert report.refused_rules[0].reason
