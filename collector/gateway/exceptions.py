"""Why the gateway cannot start, and how it turns a request down."""

from __future__ import annotations

from collector.exceptions import CollectorError


class GatewayError(CollectorError):
    """Base of the room."""


class ListenError(GatewayError):
    """A listener cannot be opened: its address or its certificate files are not usable."""


class Refused(GatewayError):  # noqa: N818 - it is an answer, not a failure of ours
    """The request is turned down; `code` is a key of `refusals.REFUSALS`. `retry_after` is in seconds, 0 when
    repeating the same request cannot succeed."""

    def __init__(self, code: str, detail: str = "", retry_after: float = 0) -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail
        self.retry_after = retry_after
