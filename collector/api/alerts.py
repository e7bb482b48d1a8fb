"""The alert queue: pages, one alert, actions on several by id, and the live stream."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct
from starlette.responses import StreamingResponse

from collector import incidents
from collector.api import sessions
from collector.api.exceptions import ProblemError
from collector.api.routes import Call, Route, find_person
from collector.api.stream import MAX_PER_PERSON
from collector.incidents import AlertDetail, AlertPage, Delta, Filters, Outcome
from collector.incidents.documents import Action
from collector.incidents.triage import MAX_IDS
from collector.messages import LEVELS, Level


class AlertQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which alerts. `level` is a comma-separated list; every word of `q` must occur in title, host, user, node,
    rule id or summary, without regard to case and accents."""

    status: Literal["open", "acknowledged", "closed", "all"] = "open"
    level: Annotated[str, Meta(max_length=64)] = ""
    q: Annotated[str, Meta(max_length=256)] = ""
    host: Annotated[str, Meta(max_length=255)] = ""
    rule: Annotated[str, Meta(max_length=128)] = ""
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    cursor: Annotated[str, Meta(max_length=256)] = ""


class ActionRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An action on alerts, named one by one: never on whatever a query finds by then."""

    ids: Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(min_length=1, max_length=MAX_IDS)]
    action: Action
    note: Annotated[str, Meta(max_length=2_000)] = ""


class StreamQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`after` is the version the client already has, e.g. a list's; Last-Event-ID goes before it."""

    after: Annotated[int, Meta(ge=0)] | None = None


async def list_alerts(call: Call) -> AlertPage:
    """A page of the queue."""
    query: AlertQuery = call.query
    filters = Filters(
        statuses=() if query.status == "all" else (query.status,),
        levels=_levels(query.level),
        text=query.q,
        host=query.host,
        rule=query.rule,
    )
    try:
        return await call.services.database.reading(
            lambda c: incidents.page(c, call.scopes, filters, query.limit, query.cursor)
        )
    except incidents.BadCursorError as error:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "bad_cursor", str(error)) from error


async def show_alert(call: Call) -> AlertDetail:
    """One alert, whole."""
    alert = call.request.path_params["id"]
    try:
        return await call.services.database.reading(lambda c: incidents.detail(c, call.scopes, alert))
    except incidents.UnknownAlertError as error:
        detail = "there is no such alert in the part of the tree that you may see"
        raise ProblemError(HTTPStatus.NOT_FOUND, "not_found", detail) from error


async def act(call: Call) -> Outcome:
    """Acknowledge, close or reopen."""
    asked: ActionRequest = call.body
    person = call.who.account.user
    outcome = await call.services.database.writing(
        lambda c: incidents.act(c, asked.ids, asked.action, asked.note, person, call.scopes)
    )
    if outcome.changed:
        call.services.hub.announce()
    return outcome


async def stream(call: Call) -> StreamingResponse:
    """Deltas as server-sent events until the session ends or the client goes."""
    token = call.request.cookies[sessions.COOKIE]

    async def alive() -> bool:
        person = await find_person(call.services, token)
        return person is not None and person.access == call.who.access

    user = call.who.account.user
    if not call.services.hub.has_place(user):
        detail = f"{MAX_PER_PERSON} streams for one person are served; close a tab"
        raise ProblemError(HTTPStatus.TOO_MANY_REQUESTS, "too_many_streams", detail, {"Retry-After": "30"})
    return StreamingResponse(
        call.services.hub.frames(user, call.scopes, _known(call), alive),
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        media_type="text/event-stream",
    )


def _known(call: Call) -> int | None:
    last = call.request.headers.get("last-event-id", "")
    if last.isdecimal() and len(last) < 19:
        return int(last)
    query: StreamQuery = call.query
    return query.after


def _levels(given: str) -> tuple[Level, ...]:
    wanted = [word for word in given.split(",") if word]
    unknown = [word for word in wanted if word not in LEVELS]
    if unknown:
        detail = f"level: {unknown[0]!r} is none of {', '.join(LEVELS)}"
        raise ProblemError(HTTPStatus.BAD_REQUEST, "bad_query", detail)
    return msgspec.convert(wanted, tuple[Level, ...])


ROUTES = (
    Route(
        "GET", "/api/v1/alerts", "alerts.read", list_alerts, "A page of the alert queue",
        query=AlertQuery, answer=AlertPage, problems=("bad_query", "bad_cursor"),
    ),
    Route(
        "POST", "/api/v1/alerts/actions", "alerts.act", act, "Acknowledge, close or reopen alerts",
        body=ActionRequest, answer=Outcome,
    ),
    Route(
        "GET", "/api/v1/alerts/{id}", "alerts.read", show_alert, "One alert with its events and history",
        answer=AlertDetail, problems=("not_found",),
    ),
    Route(
        "GET", "/api/v1/stream", "alerts.read", stream, "Live deltas of the queue",
        query=StreamQuery, answer=Delta, media="text/event-stream", problems=("bad_query", "too_many_streams"),
    ),
)  # fmt: skip
