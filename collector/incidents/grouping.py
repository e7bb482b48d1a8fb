"""Which alert a match belongs to, and what an alert's row says: pure functions of the match."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from hashlib import sha256

from collector.messages import Match
from wire.event import Event, Value

WINDOW_US = 3_600 * 1_000_000
"""One alert for a rule, an agent and a group an hour, by the collector's clock: an agent whose clock is wrong, or
that was cut off for a day, neither splits nor hides an alert."""

USER_FIELDS = ("User", "TargetUser", "TargetUserName", "SubjectUserName")
SUMMARY_FIELDS = ("CommandLine", "Command", "message", "Message", "TargetFilename", "Image")

GROUP_FIELDS: Mapping[str, tuple[str, ...]] = {"sshd": ("SourceIp", *USER_FIELDS)}
"""By service, the fields whose first present one groups matches. Guesses at passwords come from one address under
many user names, so sshd groups by the address; everything else by the user."""

SUMMARY_CHARACTERS = 8_192
SEARCH_CHARACTERS = 4_096


def alert_id(match: Match) -> str:
    """The id of the match's alert: a hash of rule, agent, group and window, so that a repeat finds it again."""
    parts = (match.rule_id, match.identity.agent, group_key(match.event), str(window(match)))
    return sha256(b"".join(b"%d:%b" % (len(p.encode()), p.encode()) for p in parts)).hexdigest()[:32]


def window(match: Match) -> int:
    """Start of the hour (µs UTC) in which the collector detected it."""
    return match.detected - match.detected % WINDOW_US


def group_key(event: Event) -> str:
    """What else the alert is about beside rule and agent: `User=root`, `SourceIp=192.0.2.7`, or nothing."""
    for name in GROUP_FIELDS.get(event.source.service, USER_FIELDS):
        value = _text(event.fields.get(name))
        if value:
            return f"{name}={value[:256]}"
    return ""


def user(event: Event) -> str:
    """The account that the event names, or nothing."""
    return _first(event, USER_FIELDS)[:256]


def summary(event: Event) -> str:
    """The line that a person reads first: the whole command line, else the message, else what is there."""
    line = _first(event, SUMMARY_FIELDS) or _text(event.raw)
    target = _text(event.fields.get("TargetFilename"))
    if event.source.category == "file_event" and target and line != target:
        line = f"{target} ← {line}"  # what was written says more than who wrote: a shell's line is only its name
    if not line:
        line = " ".join(f"{name}={_text(value)}" for name, value in event.fields.items())
    return line[:SUMMARY_CHARACTERS]


def searchable(words: Iterable[str]) -> str:
    """The words as a search compares them: one text, without case and without accents."""
    return "\n".join(map(fold, words))[:SEARCH_CHARACTERS]


def with_lines(search: str, lines: Iterable[str]) -> str:
    """The search text with these events' lines added where they are new, so that a person finds an alert by any
    command in it; when it is full, the lines that came first stay."""
    for line in lines:
        folded = fold(line[:SEARCH_CHARACTERS])
        if len(search) >= SEARCH_CHARACTERS:
            return search
        if folded not in search:
            search = f"{search}\n{folded}"[:SEARCH_CHARACTERS]
    return search


def fold(text: str) -> str:
    """Without case and accents, and with đ as d: what someone types on a keyboard without Vietnamese input."""
    if text.isascii():
        return text.casefold()
    plain = unicodedata.normalize("NFD", text.casefold()).replace("đ", "d")
    return "".join(c for c in plain if c.isascii() or not unicodedata.combining(c))


def _first(event: Event, names: Iterable[str]) -> str:
    return next((text for name in names if (text := _text(event.fields.get(name)))), "")


def _text(value: Value) -> str:
    """The value in one text; NUL, which PostgreSQL keeps in no text, is replaced."""
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value)
    return "" if value is None else str(value).replace("\0", "\ufffd")
