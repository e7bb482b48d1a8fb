"""A rule's texts in both languages, and what stands in where a translation is missing or does not fit."""

from __future__ import annotations

from pathlib import Path

from collector.detection.card import card
from collector.detection.load import load
from collector.detection.rules import Rule

RULE = """\
title: Example
id: 5a0f1ed5-6c8c-4f0a-9d0e-0c4a7e9f1b17
description: What it means
logsource: {product: linux}
detection: {selection: {a: b}, condition: selection}
falsepositives: [one, two]
"""


def rule(directory: Path, extra: str = "") -> Rule:
    (directory / "rule.yml").write_text(RULE + extra)
    (loaded,) = load([directory]).rules
    return loaded


def test_a_translated_rule_speaks_both_languages(tmp_path: Path) -> None:
    made = card(
        rule(
            tmp_path,
            "lienphong: {vi: {title: Ví dụ, description: Ý nghĩa, falsepositives: [một, hai]}}\nlevel: low\n",
        )
    )
    assert made.titles == {"en": "Example", "vi": "Ví dụ"}
    assert made.descriptions == {"en": "What it means", "vi": "Ý nghĩa"}
    assert made.falsepositives == [{"en": "one", "vi": "một"}, {"en": "two", "vi": "hai"}]
    assert made.level == "low"


def test_without_a_translation_english_stands_in(tmp_path: Path) -> None:
    made = card(rule(tmp_path))
    assert made.titles == {"en": "Example", "vi": "Example"}
    assert made.falsepositives == [{"en": "one", "vi": "one"}, {"en": "two", "vi": "two"}]
    assert made.level == "medium"


def test_notes_that_do_not_pair_up_are_not_paired(tmp_path: Path) -> None:
    made = card(rule(tmp_path, "lienphong: {vi: {falsepositives: [một]}}\n"))
    assert [note["vi"] for note in made.falsepositives] == ["one", "two"]


def test_texts_of_the_wrong_kind_harm_nothing(tmp_path: Path) -> None:
    made = card(rule(tmp_path, "lienphong: {vi: [1, 2]}\n"))
    assert made.titles["vi"] == "Example"
