"""Sessions: a random token in a cookie, its hash in the database, an end when idle and an end in any case."""

from __future__ import annotations

import secrets
import time
from hashlib import sha256

from msgspec import Struct
from sqlalchemy import Connection, delete, insert, select, update

from collector.api.tables import sessions

COOKIE = "__Host-lienphong"
"""The prefix makes browsers insist on Secure, Path=/ and no Domain (RFC 6265bis, 4.1.3.2)."""

MAX_PER_PERSON = 16
TOUCH_US = 60 * 1_000_000
"""A session's last use is written at most once a minute."""


class Policy(Struct, frozen=True, kw_only=True):
    """How long a session lives without use, and at all (seconds)."""

    idle_s: float = 3_600.0
    absolute_s: float = 43_200.0


class Session(Struct, frozen=True, kw_only=True):
    """A live session. `id` is the hash of its token, by which it is listed and revoked."""

    id: str
    user: str
    peer: str
    made_us: int
    used_us: int
    expires_us: int


def open_session(connection: Connection, user: str, peer: str, policy: Policy) -> tuple[str, Session]:
    """Start a session; returns the token for the cookie, told once. A person's oldest sessions make way."""
    token = secrets.token_urlsafe(32)
    now = time.time_ns() // 1000
    connection.execute(delete(sessions).where(sessions.c.expires_us <= now))
    kept = select(sessions.c.token_sha256).where(sessions.c.user == user)
    kept = kept.order_by(sessions.c.used_us.desc()).limit(MAX_PER_PERSON - 1)
    surplus = sessions.c.token_sha256.not_in(list(connection.scalars(kept)))
    connection.execute(delete(sessions).where(sessions.c.user == user, surplus))
    session = Session(
        id=token_hash(token),
        user=user,
        peer=peer,
        made_us=now,
        used_us=now,
        expires_us=now + int(policy.absolute_s * 1_000_000),
    )
    values = {name: getattr(session, name) for name in ("user", "peer", "made_us", "used_us", "expires_us")}
    connection.execute(insert(sessions).values(token_sha256=session.id, **values))
    return token, session


def find(connection: Connection, session_id: str, policy: Policy) -> Session | None:
    """The live session of this id."""
    row = connection.execute(select(sessions).where(sessions.c.token_sha256 == session_id)).mappings().first()
    if row is None:
        return None
    session = Session(id=session_id, **{n: row[n] for n in ("user", "peer", "made_us", "used_us", "expires_us")})
    now = time.time_ns() // 1000
    idle = now - session.used_us > policy.idle_s * 1_000_000
    return None if idle or session.expires_us <= now else session


def is_stale(session: Session) -> bool:
    """Whether its last use is old enough to be written again."""
    return time.time_ns() // 1000 - session.used_us > TOUCH_US


def touch(connection: Connection, session_id: str) -> None:
    """Note that the session was used now."""
    now = time.time_ns() // 1000
    connection.execute(update(sessions).where(sessions.c.token_sha256 == session_id).values(used_us=now))


def listed(connection: Connection, user: str) -> list[Session]:
    """The person's sessions, the last used first."""
    query = select(sessions).where(sessions.c.user == user).order_by(sessions.c.used_us.desc())
    names = ("user", "peer", "made_us", "used_us", "expires_us")
    return [
        Session(id=row["token_sha256"], **{n: row[n] for n in names})
        for row in connection.execute(query).mappings()
    ]


def revoke(connection: Connection, session_id: str) -> None:
    """End one session."""
    connection.execute(delete(sessions).where(sessions.c.token_sha256 == session_id))


def revoke_all(connection: Connection, user: str, spare: str = "") -> None:
    """End the person's sessions, all but `spare`."""
    connection.execute(delete(sessions).where(sessions.c.user == user, sessions.c.token_sha256 != spare))


def token_hash(token: str) -> str:
    """The id of the session that the token opens."""
    return sha256(token.encode()).hexdigest()


def csrf_token(token: str) -> str:
    """What a page of the session sends back in X-CSRF-Token: it follows from the cookie, which no other site can
    read, and does not tell it."""
    return sha256(b"csrf\0" + token.encode()).hexdigest()
