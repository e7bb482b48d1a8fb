"""What a detection run came to: matches as they are found, and the account at the end that leaves nothing out."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TextIO

import msgspec
from msgspec import Struct

from collector.detection.engine import Engine
from collector.detection.exceptions import DetectionError
from collector.detection.offline import Result
from wire.event import Logsource

MAX_LISTED = 1_000
"""Refused events that the summary file describes."""
MAX_TOLD = 10
"""Refused events and rules that are described on the terminal."""


class MatchLine(Struct):
    """A match as `--format json` writes it. `index` is the event's 0-based position in its file."""

    rule_id: str
    title: str
    level: str
    file: str
    index: int
    time: str | None


class Summary:
    """Counts results while they come. Times are CPU seconds, user and system, children included."""

    def __init__(self, engine: Engine, load_cpu_seconds: float) -> None:
        self._engine = engine
        self._rules = engine.ruleset.rules
        self._encode = msgspec.json.Encoder().encode
        self._sources: set[Logsource] = set()
        self._bad: list[dict[str, object]] = []
        self.load_cpu_seconds = load_cpu_seconds
        self.match_cpu_seconds = 0.0
        self.events = self.matches = self.refused = self.unrouted = 0
        self.failures: list[dict[str, str]] = []
        self._file = ""
        self._file_events = 0
        self._file_refused = 0

    def add(self, result: Result) -> None:
        """Account for a result; those of one file come one after another."""
        if result.file != self._file:
            self.end_file()
            self._file = result.file
        self._file_events += result.events
        self._file_refused += result.refused
        self.events += result.events
        self.matches += len(result.found)
        self.refused += result.refused
        self.unrouted += result.unrouted
        self._sources.update(result.sources)
        room = MAX_LISTED - len(self._bad)
        self._bad += [{"file": result.file, "line": bad.line, "index": bad.index, "reason": bad.reason}
                      for bad in result.bad[:room]]  # fmt: skip
        if result.failure:
            self.failures.append({"file": result.file, "reason": result.failure})

    def end_file(self) -> None:
        """No more results of the latest file come: one of which every event was refused has failed."""
        failed = self.failures and self.failures[-1]["file"] == self._file
        if self._file_refused and not self._file_events and not failed:
            reason = f"{self._file}: none of its events could be read ({self._file_refused:,} refused)"
            self.failures.append({"file": self._file, "reason": reason})
        self._file, self._file_events, self._file_refused = "", 0, 0

    def write_matches(self, result: Result, out: TextIO, form: Literal["text", "json"]) -> None:
        """Write a result's matches, one a line."""
        lines: list[str] = []
        for found in result.found:
            rule = self._rules[found.rule]
            line = MatchLine(rule.id, rule.title, rule.level, result.file, found.index, found.time)
            lines.append(self._encode(line).decode() if form == "json" else _in_words(line))
        if lines:
            out.write("\n".join(lines) + "\n")

    def tell(self, out: TextIO) -> None:
        """Tell people in a few lines what was done, and all that was not."""
        report = self._engine.report(self._sources)
        print(
            f"{self.events:,} events, {self.matches:,} matches; rules: {len(report.active):,} active, "
            f"{len(report.inactive):,} inactive, {len(report.refused):,} refused",
            file=out,
        )
        for refused in report.refused[:MAX_TOLD]:
            print(f"refused rule {refused.file}:{refused.line}: {refused.reason}", file=out)
        _tell_rest(len(report.refused) - MAX_TOLD, "refused rules", out)
        for bad in self._bad[:MAX_TOLD]:
            place = f"{bad['file']}:{bad['line']}" if bad["line"] else f"{bad['file']}: event {bad['index']}"
            print(f"refused event {place}: {bad['reason']}", file=out)
        _tell_rest(self.refused - MAX_TOLD, "refused events", out)
        if self.unrouted:
            print(
                f"{self.unrouted:,} events name neither a Windows channel nor a log source: no rule saw them",
                file=out,
            )
        for failure in self.failures:
            print(f"not read to the end: {failure['reason']}", file=out)

    def save(self, path: Path) -> None:
        """Write the account as JSON.

        Raises:
            DetectionError: the file cannot be written.
        """
        try:
            path.write_bytes(msgspec.json.format(self._encode(self._account()), indent=1) + b"\n")
        except OSError as error:
            raise DetectionError(f"{path}: the summary cannot be written: {error.strerror or error}") from error

    def _account(self) -> dict[str, object]:
        report = self._engine.report(self._sources)
        return {
            "events": self.events,
            "events_refused": self.refused,
            "events_unrouted": self.unrouted,
            "matches": self.matches,
            "rules": self._engine.ruleset.found,
            "load_cpu_seconds": round(self.load_cpu_seconds, 3),
            "match_cpu_seconds": round(self.match_cpu_seconds, 3),
            "regex_timeouts": self._engine.regex_timeouts(),
            "files_failed": self.failures,
            "bad_events": self._bad,
            "rules_active": [
                {"rule_id": rule.id, "title": rule.title, "file": rule.file} for rule in report.active
            ],
            "rules_inactive": [
                {"rule_id": idle.rule_id, "title": idle.title, "file": idle.file, "reason": idle.reason}
                for idle in report.inactive
            ],
            "rules_refused": [
                {"rule_id": bad.rule_id, "file": bad.file, "line": bad.line, "reason": bad.reason}
                for bad in report.refused
            ],
        }


def _tell_rest(count: int, what: str, out: TextIO) -> None:
    if count > 0:
        print(f"… and {count:,} more {what}", file=out)


def _in_words(line: MatchLine) -> str:
    place = f"{line.file}, event {line.index}, {line.rule_id}"
    return f"{line.time or '-':27}  {line.level or '-':13}  {line.title}  ({place})"
