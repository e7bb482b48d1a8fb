"""What the root helper can fail with."""

from __future__ import annotations

from agent.exceptions import HelperError


class AuditError(HelperError):
    """The kernel's audit system refused something, or cannot be used as it stands."""


class SplitError(HelperError):
    """The agent cannot be divided into helper and main process here."""


class OpenRefusedError(HelperError):
    """The helper did not open a file. `absent` tells a file that is not there (yet) from one it will not open."""

    def __init__(self, message: str, absent: bool = False) -> None:
        super().__init__(message)
        self.absent = absent
