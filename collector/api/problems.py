"""Refusals as problem documents (RFC 9457), with a code that clients act on and titles people understand."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from msgspec import Struct
from starlette.responses import Response

from collector.api.exceptions import ProblemError

CONTENT_TYPE = "application/problem+json"

TITLES: dict[str, str] = {
    "bad_body": "The body is not what this address takes",
    "bad_credentials": "User name or password is wrong",
    "bad_csrf": "The request does not come from a page of this session",
    "bad_cursor": "The cursor is not valid",
    "bad_host": "This server is not known by that name",
    "bad_origin": "The request comes from another site",
    "bad_query": "A query parameter is unknown or out of range",
    "busy": "Too much at this moment",
    "forbidden": "Not permitted",
    "internal": "The server failed",
    "locked": "Too many attempts",
    "method_not_allowed": "This address does not take that method",
    "must_change_password": "The password must be changed first",
    "not_found": "There is nothing here",
    "signed_out": "Not signed in",
    "slow_body": "The body did not arrive in time",
    "too_large": "The body is too large",
    "too_many_streams": "Too many streams are open",
    "unavailable": "The state database cannot be used now",
    "unsupported_media_type": "The body is not JSON",
    "weak_password": "The password is too weak",
}
"""Every code the API can answer with; a test compares the list with docs/api.md."""


class Problem(Struct, frozen=True, kw_only=True):
    """Why a request was refused. `code` is stable; `detail` is for people."""

    type: str
    title: str
    status: int
    detail: str
    code: str


def problem(status: HTTPStatus, code: str, detail: str = "", headers: Mapping[str, str] | None = None) -> Response:
    """The answer for a refusal."""
    document = Problem(
        type=f"urn:lienphong:problem:{code}", title=TITLES[code], status=status, detail=detail, code=code
    )
    return Response(
        msgspec.json.encode(document),
        status,
        {"Cache-Control": "no-store", **(headers or {})},
        media_type=CONTENT_TYPE,
    )


def from_error(error: ProblemError) -> Response:
    """The answer for a raised refusal."""
    return problem(error.status, error.code, error.detail, error.headers)
