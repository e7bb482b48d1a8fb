"""What the room of alerts refuses."""

from __future__ import annotations

from collector.exceptions import CollectorError


class IncidentError(CollectorError):
    """Base of the room."""


class UnknownAlertError(IncidentError):
    """There is no such alert within the asker's scopes."""


class BadCursorError(IncidentError):
    """A page's cursor that this release did not hand out."""
