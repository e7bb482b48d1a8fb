"""Every refusal the agents' door knows, with its HTTP status: one table, shown in docs/gateway.md."""

from __future__ import annotations

import math
import random
from typing import Literal, NamedTuple

from starlette.responses import Response

from collector.gateway.exceptions import Refused
from collector.messages import Fault
from wire import codec
from wire.batch import Problem

Status = Literal[400, 401, 403, 404, 408, 409, 413, 415, 429, 500, 503]


class Refusal(NamedTuple):
    """What a code means over HTTP and in a few words."""

    status: Status
    title: str


REFUSALS: dict[str, Refusal] = {
    "no_certificate": Refusal(403, "No client certificate of ours on this connection."),
    "expired_certificate": Refusal(403, "The certificate has expired; enrol again."),
    "unknown_agent": Refusal(403, "This agent is not enrolled here."),
    "revoked": Refusal(403, "This agent was revoked."),
    "quarantined": Refusal(403, "This agent is held back until a person releases it."),
    "superseded_certificate": Refusal(403, "A newer certificate was issued to this agent."),
    "foreign_block": Refusal(403, "The batch is in another agent's name."),
    "cloned_stream": Refusal(403, "Two live streams speak under this agent's identity."),
    "not_ready": Refusal(503, "The list of admitted agents is not at hand."),
    "malformed": Refusal(400, "The request cannot be read."),
    "version": Refusal(400, "Another version of the protocol."),
    "length_required": Refusal(400, "The request must state its length."),
    "content_type": Refusal(415, "Not the content type of this route."),
    "too_large": Refusal(413, "Over the size limit."),
    "timeout": Refusal(408, "The request did not arrive in time."),
    "rate_limited": Refusal(429, "Too much in too short a time."),
    "busy": Refusal(503, "Too many requests at once."),
    "inbox_full": Refusal(503, "The inbox is full for now; keep your spool."),
    "unavailable": Refusal(503, "A part of the collector does not answer."),
    "not_found": Refusal(404, "No such route."),
    "internal": Refusal(500, "The collector failed; the error is in its log."),
    "bad_token": Refusal(401, "The enrolment token is not valid."),
    "token_expired": Refusal(401, "The enrolment token has expired."),
    "token_used_up": Refusal(403, "The enrolment token has been used up."),
    "token_revoked": Refusal(403, "The enrolment token was revoked."),
    "already_enrolled": Refusal(409, "This machine is enrolled already."),
    "bad_request": Refusal(400, "The certificate request is not acceptable."),
}

PAUSE_S = 5.0
"""Named to agents when the collector cannot take what they have."""


def pause() -> float:
    """`PAUSE_S` with jitter, so that agents that were sent away together do not return together."""
    return round(random.uniform(0.5, 1.5) * PAUSE_S, 2)  # noqa: S311 - jitter


def from_fault(fault: Fault) -> Refused:
    """What the responder's refusal is to the agent. A code that is not of the table stays inside."""
    known = REFUSALS.get(fault.code)
    if known is not None and known.status < 500:
        return Refused(fault.code, fault.detail)
    return Refused("unavailable", "try again later", pause())


def response(refused: Refused, *, close: bool = False) -> Response:
    """The refusal as an answer (RFC 9457, with `wire.batch.Problem`); `close` ends the connection with it."""
    status, title = REFUSALS[refused.code]
    problem = Problem(
        code=refused.code, title=title, status=status, detail=refused.detail, retry_after=refused.retry_after
    )
    headers = {"Retry-After": str(math.ceil(refused.retry_after))} if refused.retry_after else {}
    if close:
        headers["Connection"] = "close"
    return Response(codec.encode(problem), status, headers, "application/problem+json")
