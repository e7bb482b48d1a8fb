"""What can be wrong with rules and events offered for detection, under one base."""

from __future__ import annotations

from collector.exceptions import CollectorError


class DetectionError(CollectorError):
    """Base of the room's errors: the text says what is wrong, where, and what to do."""


class SourceError(DetectionError):
    """A rule file, directory or archive that cannot be read at all."""


class RuleError(DetectionError):
    """One rule that cannot be used. `line` is 1-based within its document; 0 where it is not known."""

    def __init__(self, reason: str, line: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


class UnsupportedRuleError(RuleError):
    """A sound rule that this engine or this context cannot run: it is listed as inactive, not as refused."""


class EventFileError(DetectionError):
    """A file of events that cannot be read any further."""


class EventError(DetectionError):
    """One event that cannot be decoded."""
