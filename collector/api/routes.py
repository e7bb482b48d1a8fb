"""A route's declaration, and the one way every request goes: who asks, may they, is what they send well formed.

A declaration names the permission, the structs of query, body and answer, and the codes of refusal: checks,
OpenAPI document and the tested access matrix all come from it.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

import msgspec
from msgspec import Struct
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from collector.api import accounts, sessions
from collector.api.access import Access, Permission
from collector.api.accounts import Account
from collector.api.exceptions import ProblemError
from collector.api.passwords import BusyError
from collector.api.problems import from_error, problem
from collector.api.services import Services
from collector.api.sessions import Session
from collector.state import StateError

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 64 << 10
BODY_S = 15.0
RETRY_S = "5"

Method = Literal["GET", "POST", "DELETE"]


@dataclass(frozen=True)
class Person:
    """Who asks: the session, the account behind it, and what it was granted."""

    session: Session
    csrf: str
    account: Account
    access: Access


@dataclass(frozen=True)
class Call:
    """One request that passed the checks. `query` and `body` are of the types that the route declares."""

    services: Services
    request: Request
    person: Person | None
    scopes: tuple[str, ...]
    query: Any
    body: Any

    @property
    def who(self) -> Person:
        """The person, on routes that are not public."""
        if self.person is None:
            raise RuntimeError("a public route has no person")
        return self.person

    @property
    def peer(self) -> str:
        """The address the request came from."""
        client = self.request.client
        return client.host if client else "unknown"


Handler = Callable[[Call], Awaitable[object]]


@dataclass(frozen=True)
class Route:
    """One method at one address. The handler returns a struct of type `answer`, a response of its own, or None.

    `before_password_change` marks the few routes that work while a one-time password is still to be changed.
    """

    method: Method
    path: str
    permission: Permission
    handler: Handler
    summary: str
    query: type[Struct] | None = None
    body: type[Struct] | None = None
    answer: Any = None
    status: HTTPStatus = HTTPStatus.OK
    media: str = "application/json"
    problems: tuple[str, ...] = ()
    before_password_change: bool = False

    async def serve(self, services: Services, request: Request) -> Response:
        """Answer one request; whatever goes wrong, the answer is a problem document."""
        try:
            return await self._serve(services, request)
        except ProblemError as error:
            return from_error(error)
        except BusyError as error:
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, "busy", str(error), {"Retry-After": RETRY_S})
        except StateError as error:
            log.error("%s %s: %s", self.method, self.path, error)
            detail = "nothing was changed; try again in a moment"
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", detail, {"Retry-After": RETRY_S})

    async def _serve(self, services: Services, request: Request) -> Response:
        person = None if self.permission == "public" else await self._identify(services, request)
        scopes = self._permit(person)
        call = Call(
            services=services,
            request=request,
            person=person,
            scopes=scopes,
            query=self._query(request),
            body=await self._body(request),
        )
        result = await self.handler(call)
        if isinstance(result, Response):
            return result
        content = b"" if result is None else msgspec.json.encode(result)
        return Response(content, self.status, {"Cache-Control": "no-store"}, media_type=self.media)

    async def _identify(self, services: Services, request: Request) -> Person:
        token = request.cookies.get(sessions.COOKIE, "")
        person = await find_person(services, token) if token else None
        if person is None:
            raise ProblemError(HTTPStatus.UNAUTHORIZED, "signed_out", "sign in first")
        given = request.headers.get("x-csrf-token", "")
        if request.method not in {"GET", "HEAD"} and not hmac.compare_digest(given.encode(), person.csrf.encode()):
            raise ProblemError(HTTPStatus.FORBIDDEN, "bad_csrf", "send X-CSRF-Token with the session's csrf value")
        if person.account.must_change and not self.before_password_change:
            detail = "the one-time password must be changed before anything else"
            raise ProblemError(HTTPStatus.FORBIDDEN, "must_change_password", detail)
        return person

    def _permit(self, person: Person | None) -> tuple[str, ...]:
        if person is None:
            return ()
        if not person.access.allows(self.permission):
            detail = f"this needs the permission {self.permission}, which no role of yours carries"
            raise ProblemError(HTTPStatus.FORBIDDEN, "forbidden", detail)
        return person.access.scopes(self.permission)

    def _query(self, request: Request) -> Any:
        given = dict(request.query_params)
        if self.query is None:
            return None
        try:
            return msgspec.convert(given, self.query, strict=False)
        except msgspec.ValidationError as error:
            raise ProblemError(HTTPStatus.BAD_REQUEST, "bad_query", str(error)) from error

    async def _body(self, request: Request) -> Any:
        if self.body is None:
            return None
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise ProblemError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "send application/json"
            )
        try:
            return msgspec.json.decode(await _read(request), type=self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "bad_body", str(error)) from error


async def find_person(services: Services, token: str) -> Person | None:
    """Who the session's token belongs to, if it is live and the account is not disabled."""
    session_id = sessions.token_hash(token)

    def look(connection: Any) -> Person | None:
        session = sessions.find(connection, session_id, services.policy)
        account = accounts.find(connection, session.user) if session else None
        if session is None or account is None or account.disabled:
            return None
        access = accounts.access(connection, account.user)
        return Person(session, sessions.csrf_token(token), account, access)

    person = await services.database.reading(look)
    if person is not None and sessions.is_stale(person.session):
        await services.database.writing(lambda c: sessions.touch(c, session_id))
    return person


async def _read(request: Request) -> bytes:
    """The body, if it is not too large and does not take too long."""
    too_large = ProblemError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", f"the limit is {MAX_BODY_BYTES} bytes"
    )
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise too_large
    except TimeoutError as error:
        detail = f"it has to arrive within {BODY_S:.0f} s"
        raise ProblemError(HTTPStatus.REQUEST_TIMEOUT, "slow_body", detail) from error
    except ClientDisconnect as error:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "bad_body", "the connection was closed") from error
    return bytes(body)
