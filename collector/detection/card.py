"""A rule as people see it: its texts in both languages, level, tags and source."""

from __future__ import annotations

from collections.abc import Mapping

from collector.detection.rules import Rule
from collector.messages import LEVELS, Level, RuleCard

LANGUAGES = ("vi",)
"""Beside English, which is the rule's own text. A rule carries others under `lienphong.LANGUAGE`."""

UNRATED: Level = "medium"
"""For rules that state no level: they are shown among those that somebody should look at."""

MAX_TEXT = 8_192


def card(rule: Rule) -> RuleCard:
    """What the console shows of a rule. A language that the rule lacks falls back to English."""
    document = rule.document
    translated = {language: _mapping(_mapping(document.get("lienphong")).get(language)) for language in LANGUAGES}
    return RuleCard(
        id=rule.id,
        hash=rule.hash,
        level=level(rule),
        titles=_texts("title", rule.title, translated),
        descriptions=_texts("description", _text(document.get("description")), translated),
        tags=_list(document.get("tags")),
        falsepositives=_notes(_list(document.get("falsepositives")), translated),
        source=rule.source[:MAX_TEXT],
    )


def level(rule: Rule) -> Level:
    """The rule's level, or `UNRATED`."""
    for known in LEVELS:
        if rule.level == known:
            return known
    return UNRATED


def _texts(name: str, english: str, translated: Mapping[str, Mapping[str, object]]) -> dict[str, str]:
    texts = {"en": english}
    for language, words in translated.items():
        texts[language] = _text(words.get(name)) or english
    return texts


def _notes(english: list[str], translated: Mapping[str, Mapping[str, object]]) -> list[dict[str, str]]:
    """Each note in every language; one with another number of notes than English is not trusted to match."""
    notes = [{"en": note} for note in english]
    for language, words in translated.items():
        own = _list(words.get("falsepositives"))
        for note, text in zip(notes, own if len(own) == len(english) else english, strict=True):
            note[language] = text
    return notes


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return str(value).strip()[:MAX_TEXT] if value is not None else ""


def _list(value: object) -> list[str]:
    return [_text(item) for item in value[:32]] if isinstance(value, list) else []
