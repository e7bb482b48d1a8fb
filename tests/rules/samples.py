"""Where rules and their samples lie, and how samples are read and written: one wire event, as JSON, a line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from wire.event import Event

RULES = Path(__file__).resolve().parents[2] / "rules"
ORDINARY_SESSION = Path(__file__).with_name("ordinary-session.jsonl")
MAINTENANCE = Path(__file__).with_name("ordinary-maintenance.jsonl")


def rule_files() -> list[Path]:
    """Every rule, in order."""
    return sorted(RULES.rglob("*.yml"))


def samples(rule: Path, kind: str) -> list[Path]:
    """The rule's `positive` or `negative` sample files, in order."""
    return sorted(rule.with_suffix("").glob(f"{kind}-*.jsonl"))


def read(path: Path) -> list[Event]:
    """A file's events, in order."""
    return [msgspec.json.decode(line, type=Event) for line in path.read_bytes().splitlines()]


def write(path: Path, events: Iterable[Event]) -> None:
    """Make the file anew."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in events))
