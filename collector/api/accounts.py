"""People's accounts and what they were granted."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, insert, select, update

from collector.api import passwords
from collector.api.access import EVERYWHERE, Access, Grant
from collector.api.exceptions import AccountError
from collector.api.tables import accounts, grants
from collector.state import connect, upgrade

ADMINISTRATORS_FORCE = "ict"
FIRST_ROLES: tuple[Any, ...] = ("administrator", "analyst")
"""The first person sets everything up and must see that alerts arrive; both roles can be taken away later."""


class Account(Struct, frozen=True, kw_only=True):
    """A person who can sign in; `password` is the stored hash."""

    user: str
    display_name: str
    language: str
    password: str
    must_change: bool
    disabled: bool


def create_admin(state_url: str, user: str = "admin") -> str:
    """Make the first administrator while no responder runs (`init`); returns the one-time password, which must be
    changed at the first sign-in.

    Raises:
        AccountError: the account is there already.
        StateError: the state database cannot be opened or written.
    """
    password = passwords.one_time()
    rights = [Grant(force=ADMINISTRATORS_FORCE, role=role, subtree=EVERYWHERE) for role in FIRST_ROLES]
    database = connect(state_url)
    try:
        upgrade(database)
        with database.write() as connection:
            create(connection, user, user, passwords.hashed(password), rights, must_change=True)
    finally:
        database.close()
    return password


def create(
    connection: Connection,
    user: str,
    display_name: str,
    password: str,
    rights: Iterable[Grant],
    *,
    must_change: bool,
) -> None:
    """Make an account; `password` is a hash.

    Raises:
        AccountError: there is an account of this name.
    """
    if find(connection, user) is not None:
        raise AccountError(f"there is an account {user} already")
    now = time.time_ns() // 1000
    connection.execute(
        insert(accounts).values(
            user=user,
            display_name=display_name,
            language="vi",
            password=password,
            must_change=must_change,
            disabled=False,
            made_us=now,
            changed_us=now,
        )
    )
    given = [{"user": user, "force": g.force, "role": g.role, "subtree": g.subtree} for g in rights]
    if given:
        connection.execute(insert(grants), given)


def find(connection: Connection, user: str) -> Account | None:
    """The account, disabled or not."""
    row = connection.execute(select(accounts).where(accounts.c.user == user)).mappings().first()
    return None if row is None else Account(**{name: row[name] for name in Account.__struct_fields__})


def access(connection: Connection, user: str) -> Access:
    """Everything the person was granted."""
    rows = connection.execute(select(grants).where(grants.c.user == user)).mappings()
    given = (Grant(force=row["force"], role=row["role"], subtree=row["subtree"]) for row in rows)
    return Access(user=user, grants=tuple(given))


def set_password(connection: Connection, user: str, password: str) -> None:
    """Store a new hash, chosen by the person."""
    values = {"password": password, "must_change": False, "changed_us": time.time_ns() // 1000}
    connection.execute(update(accounts).where(accounts.c.user == user).values(**values))
