"""Enrolment tokens: bounded by uses, time and place, kept as a hash only."""

from __future__ import annotations

import secrets
import time
from hashlib import sha256
from hmac import compare_digest
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update

from collector.fleet import nodes
from collector.fleet.exceptions import (
    BadTokenError,
    NotPossibleError,
    TokenExpiredError,
    TokenRevokedError,
    TokenUsedUpError,
    UnknownTokenError,
)
from collector.fleet.tables import tokens
from collector.messages import TokenCard, TokenCreate
from wire.identity import EnrolToken

DAY_US = 86_400 * 1_000_000
LISTED = 1_000


def create(connection: Connection, wanted: TokenCreate, ca_sha256: str) -> EnrolToken:
    """Make a token. Its 256-bit secret is random, so a plain SHA-256 of it is as good as a slow hash."""
    nodes.ensure(connection, wanted.node)
    token = EnrolToken(id=secrets.token_hex(8), secret=secrets.token_urlsafe(32), ca_sha256=ca_sha256)
    now = time.time_ns() // 1000
    connection.execute(
        insert(tokens).values(
            id=token.id,
            secret_sha256=_hash(token.secret),
            node=wanted.node,
            label=wanted.label,
            role=wanted.role,
            uses=wanted.uses,
            used=0,
            made_us=now,
            expires_us=now + int(wanted.days * DAY_US),
            revoked_us=0,
            allow_reenrol=wanted.allow_reenrol,
            person=wanted.person,
        )
    )
    return token


def verify(connection: Connection, token_id: str, secret: str) -> RowMapping:
    """The token's row, when the secret is its own. Whether it may still be used is `consume`'s question.

    Raises:
        BadTokenError: unknown id or wrong secret.
    """
    row = connection.execute(select(tokens).where(tokens.c.id == token_id)).mappings().first()
    expected = row["secret_sha256"] if row is not None else _hash("")
    if not compare_digest(_hash(secret), expected) or row is None:
        raise BadTokenError("the enrolment token is not valid here; ask for a new one")
    return row


def consume(connection: Connection, row: RowMapping) -> None:
    """Take one use of a verified token.

    Raises:
        TokenRevokedError, TokenExpiredError, TokenUsedUpError: it may not be used any more.
    """
    if row["revoked_us"]:
        raise TokenRevokedError("the enrolment token was revoked; ask for a new one")
    if row["expires_us"] <= time.time_ns() // 1000:
        raise TokenExpiredError("the enrolment token has expired; ask for a new one")
    if row["used"] >= row["uses"]:
        raise TokenUsedUpError(
            f"the enrolment token has been used {row['uses']} times, which is all; get a new one"
        )
    connection.execute(update(tokens).where(tokens.c.id == row["id"]).values(used=tokens.c.used + 1))


def allows_reenrol(connection: Connection, token_id: str) -> bool:
    """Whether a person meant this token to replace an agent that is still admitted."""
    return bool(connection.scalar(select(tokens.c.allow_reenrol).where(tokens.c.id == token_id)))


def listed(connection: Connection) -> list[TokenCard]:
    """The newest thousand tokens, newest first; their secrets cannot be told any more."""
    order = select(tokens).order_by(tokens.c.made_us.desc(), tokens.c.id).limit(LISTED)
    return [_card(row) for row in connection.execute(order).mappings()]


def revoke(connection: Connection, token_id: str) -> None:
    """End a token.

    Raises:
        UnknownTokenError: no such token.
        NotPossibleError: it is revoked already.
    """
    row = connection.execute(select(tokens.c.revoked_us).where(tokens.c.id == token_id)).first()
    if row is None:
        raise UnknownTokenError(f"there is no token {token_id}; see: lienphong-collector token list")
    if row.revoked_us:
        raise NotPossibleError(f"token {token_id} is revoked already")
    connection.execute(update(tokens).where(tokens.c.id == token_id).values(revoked_us=time.time_ns() // 1000))


def _card(row: RowMapping) -> TokenCard:
    fields: dict[str, Any] = {
        name: row[name] for name in ("id", "node", "label", "role", "uses", "used", "person")
    }
    return TokenCard(
        **fields,
        made=row["made_us"],
        expires=row["expires_us"],
        revoked=row["revoked_us"],
        allow_reenrol=bool(row["allow_reenrol"]),
    )


def _hash(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
