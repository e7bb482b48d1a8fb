"""Signing in and out, the session document, sessions elsewhere, and changing the password."""

from __future__ import annotations

import math
import unicodedata
from http import HTTPStatus
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from sqlalchemy import Connection
from starlette.responses import Response

from collector.api import accounts, lockout, passwords, sessions
from collector.api.accounts import Account
from collector.api.exceptions import ProblemError
from collector.api.routes import Call, Route
from collector.api.sessions import Session


class SignIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sign-in; the user name is compared without regard to case."""

    user: Annotated[str, Meta(min_length=1, max_length=64)]
    password: Annotated[str, Meta(min_length=1, max_length=passwords.MAX_CHARACTERS)]


class SessionDocument(Struct, frozen=True, kw_only=True):
    """Who is signed in. `csrf` goes back in X-CSRF-Token with every change; `permissions` is what some role of
    the person carries somewhere; `expires_us` is when the session ends in any case (µs UTC)."""

    user: str
    display_name: str
    csrf: str
    must_change_password: bool
    language: str
    permissions: list[str]
    expires_us: int


class PasswordChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The old password and the new one."""

    old: Annotated[str, Meta(min_length=1, max_length=passwords.MAX_CHARACTERS)]
    new: Annotated[str, Meta(min_length=1, max_length=1_024)]


class SessionRow(Struct, frozen=True, kw_only=True):
    """One of the person's sessions; `current` is the one that asks. Times are µs UTC."""

    id: str
    peer: str
    made_us: int
    used_us: int
    expires_us: int
    current: bool


class SessionList(Struct, frozen=True, kw_only=True):
    """The person's sessions, the last used first."""

    items: list[SessionRow]
    total: int


async def sign_in(call: Call) -> Response:
    """Check the password and open a session. An attempt counts before it is checked."""
    user = unicodedata.normalize("NFC", call.body.user).casefold()
    database = call.services.database
    locked_s = await database.writing(lambda c: lockout.attempt(c, user, call.peer))
    if locked_s:
        detail = "too many attempts for this account or from this address; wait and try again"
        wait = {"Retry-After": str(math.ceil(locked_s))}
        raise ProblemError(HTTPStatus.TOO_MANY_REQUESTS, "locked", detail, wait)
    account = await database.reading(lambda c: accounts.find(c, user))
    right = await call.services.passwords.right(account.password if account else None, call.body.password)
    if account is None or not right or account.disabled:
        raise ProblemError(HTTPStatus.UNAUTHORIZED, "bad_credentials", "check both and try again")
    token, session = await database.writing(lambda c: _open(c, call, account))
    document = await _document(call, account, session, sessions.csrf_token(token))
    return _with_cookie(document, token, call.services.policy.absolute_s)


async def show(call: Call) -> SessionDocument:
    """The session that asks."""
    return await _document(call, call.who.account, call.who.session, call.who.csrf)


async def sign_out(call: Call) -> Response:
    """End the session that asks."""
    await call.services.database.writing(lambda c: sessions.revoke(c, call.who.session.id))
    await call.services.hub.session_ended()
    response = Response(status_code=HTTPStatus.NO_CONTENT, headers={"Cache-Control": "no-store"})
    response.delete_cookie(sessions.COOKIE, path="/", secure=True, httponly=True, samesite="strict")
    return response


async def change_password(call: Call) -> None:
    """Set a new password; the person's other sessions end. Guessing the old one counts like a sign-in."""
    account, change = call.who.account, call.body
    weakness = passwords.weakness(change.new, account.user, change.old)
    if weakness:
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "weak_password", weakness)
    database = call.services.database
    locked_s = await database.writing(lambda c: lockout.attempt(c, account.user, call.peer))
    if locked_s:
        wait = {"Retry-After": str(math.ceil(locked_s))}
        raise ProblemError(HTTPStatus.TOO_MANY_REQUESTS, "locked", "too many attempts; wait and try again", wait)
    if not await call.services.passwords.right(account.password, change.old):
        raise ProblemError(HTTPStatus.FORBIDDEN, "bad_credentials", "the old password is not right")
    stored = await call.services.passwords.hashed(change.new)
    await database.writing(lambda c: _store(c, call, stored))
    await call.services.hub.session_ended()


async def list_sessions(call: Call) -> SessionList:
    """Where the person is signed in."""
    person = call.who
    found = await call.services.database.reading(lambda c: sessions.listed(c, person.account.user))
    rows = [
        SessionRow(
            id=s.id, peer=s.peer, made_us=s.made_us, used_us=s.used_us, expires_us=s.expires_us,
            current=s.id == person.session.id,
        )
        for s in found
    ]  # fmt: skip
    return SessionList(items=rows, total=len(rows))


async def end_session(call: Call) -> None:
    """End one of the person's own sessions."""
    wanted = call.request.path_params["id"]

    def end(connection: Connection) -> bool:
        mine = {s.id for s in sessions.listed(connection, call.who.account.user)}
        if wanted in mine:
            sessions.revoke(connection, wanted)
        return wanted in mine

    if not await call.services.database.writing(end):
        raise ProblemError(HTTPStatus.NOT_FOUND, "not_found", "you have no such session")
    await call.services.hub.session_ended()


def _open(connection: Connection, call: Call, account: Account) -> tuple[str, Session]:
    lockout.succeeded(connection, account.user, call.peer)
    return sessions.open_session(connection, account.user, call.peer, call.services.policy)


def _store(connection: Connection, call: Call, stored: str) -> None:
    user = call.who.account.user
    lockout.succeeded(connection, user, call.peer)
    accounts.set_password(connection, user, stored)
    sessions.revoke_all(connection, user, spare=call.who.session.id)


async def _document(call: Call, account: Account, session: Session, csrf: str) -> SessionDocument:
    access = await call.services.database.reading(lambda c: accounts.access(c, account.user))
    return SessionDocument(
        user=account.user,
        display_name=account.display_name,
        csrf=csrf,
        must_change_password=account.must_change,
        language=account.language,
        permissions=access.permissions(),
        expires_us=session.expires_us,
    )


def _with_cookie(document: SessionDocument, token: str, lifetime_s: float) -> Response:
    response = Response(
        msgspec.json.encode(document), headers={"Cache-Control": "no-store"}, media_type="application/json"
    )
    response.set_cookie(
        sessions.COOKIE, token, max_age=int(lifetime_s), path="/", secure=True, httponly=True, samesite="strict"
    )
    return response


ROUTES = (
    Route(
        "POST", "/api/v1/session", "public", sign_in, "Sign in",
        body=SignIn, answer=SessionDocument, problems=("bad_credentials", "locked", "busy"),
    ),
    Route(
        "GET", "/api/v1/session", "signed_in", show, "Who is signed in",
        answer=SessionDocument, before_password_change=True,
    ),
    Route(
        "DELETE", "/api/v1/session", "signed_in", sign_out, "Sign out",
        status=HTTPStatus.NO_CONTENT, before_password_change=True,
    ),
    Route(
        "POST", "/api/v1/account/password", "signed_in", change_password, "Change the password",
        body=PasswordChange, status=HTTPStatus.NO_CONTENT, before_password_change=True,
        problems=("weak_password", "bad_credentials", "locked", "busy"),
    ),
    Route(
        "GET", "/api/v1/account/sessions", "signed_in", list_sessions, "Where the person is signed in",
        answer=SessionList,
    ),
    Route(
        "DELETE", "/api/v1/account/sessions/{id}", "signed_in", end_session, "End one of the person's sessions",
        status=HTTPStatus.NO_CONTENT, problems=("not_found",),
    ),
)  # fmt: skip
