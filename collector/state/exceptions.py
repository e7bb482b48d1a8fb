"""What can be wrong with the state database."""

from __future__ import annotations

from collector.exceptions import CollectorError


class StateError(CollectorError):
    """The state database cannot be opened, upgraded or written; the text says which and what to do."""
