"""What the API answers when it refuses: problem details (RFC 9457) with a stable code."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from collector.exceptions import CollectorError


class AccountError(CollectorError):
    """An account cannot be made or changed as asked."""


class ListenerError(CollectorError):
    """The web listener cannot start: its address or its certificate cannot be used."""


class ProblemError(CollectorError):
    """Ends a request with a problem document. `code` is what clients act on and translate."""

    def __init__(
        self, status: HTTPStatus, code: str, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
