"""Back-off of sign-ins: by account and address against guessing one password, by address against trying many
accounts, and by account against guessing from many addresses.

Whoever guesses at an account from elsewhere does not keep its owner out: the account's own bound is high, and does
not hold for the addresses from which the account was signed in to in the last month. Those are remembered for as
long, a few for each account.

An attempt is counted before its password is checked, so that a thousand at once get no further than a thousand in
a row. An account that does not exist is locked like one that does.
"""

from __future__ import annotations

import time

from sqlalchemy import Connection, delete, func, insert, select, update

from collector.api.tables import attempts

FREE_BY_PAIR = 5
FREE_BY_ADDRESS = 20
FREE_BY_ACCOUNT = 100
FIRST_LOCK_S = 30
LONGEST_LOCK_S = 900
FORGOTTEN_AFTER_US = 3_600 * 1_000_000
MAX_KEYS = 10_000
"""Names and addresses counted at most; beyond it the oldest are forgotten."""

KNOWN_FOR_US = 30 * 86_400 * 1_000_000
KNOWN_BY_ACCOUNT = 16
KNOWN = "known:"


def attempt(connection: Connection, user: str, address: str) -> float:
    """Count an attempt; returns 0, or the seconds for which no attempt is taken (then it is not counted)."""
    now = time.time_ns() // 1000
    _forget(connection, now)
    keys = {_pair(user, address): FREE_BY_PAIR, _address(address): FREE_BY_ADDRESS}
    if not _is_known(connection, user, address):
        keys[_account(user)] = FREE_BY_ACCOUNT
    held = {
        row["key"]: row
        for row in connection.execute(select(attempts).where(attempts.c.key.in_(list(keys)))).mappings()
    }
    until = max((row["until_us"] for row in held.values()), default=0)
    if until > now:
        return (until - now) / 1_000_000
    for key, free in keys.items():
        failures = held[key]["failures"] + 1 if key in held else 1
        _store(connection, key, failures, now, now + lock_us(failures, free), new=key not in held)
    return 0.0


def succeeded(connection: Connection, user: str, address: str) -> None:
    """Forget this address's attempts at the account, and take this one off the address's and the account's: one
    right password must free neither an address that guesses at others nor those who guess at this account. The
    address is known for the account from now on."""
    connection.execute(delete(attempts).where(attempts.c.key == _pair(user, address)))
    counted = [_address(address)]
    if not _is_known(connection, user, address):
        counted.append(_account(user))
    here = attempts.c.key.in_(counted)
    connection.execute(update(attempts).where(here).values(failures=attempts.c.failures - 1, until_us=0))
    _remember(connection, user, address)


def lock_us(failures: int, free: int) -> int:
    """How long further attempts wait after so many failures: nothing while some are free, then 30 s, doubling up
    to a quarter of an hour."""
    if failures < free:
        return 0
    return min(FIRST_LOCK_S << min(failures - free, 20), LONGEST_LOCK_S) * 1_000_000


def _store(connection: Connection, key: str, failures: int, now: int, until: int, *, new: bool) -> None:
    values = {"failures": failures, "last_us": now, "until_us": until}
    if not new:
        connection.execute(update(attempts).where(attempts.c.key == key).values(**values))
        return
    counted = ~attempts.c.key.startswith(KNOWN)
    if (connection.scalar(select(func.count()).select_from(attempts).where(counted)) or 0) >= MAX_KEYS:
        oldest = select(attempts.c.key).where(counted).order_by(attempts.c.last_us).limit(MAX_KEYS // 10)
        connection.execute(delete(attempts).where(attempts.c.key.in_(oldest)))
    connection.execute(insert(attempts).values(key=key, **values))


def _forget(connection: Connection, now: int) -> None:
    known = attempts.c.key.startswith(KNOWN)
    connection.execute(delete(attempts).where(~known, attempts.c.last_us < now - FORGOTTEN_AFTER_US))
    connection.execute(delete(attempts).where(known, attempts.c.last_us < now - KNOWN_FOR_US))


def _is_known(connection: Connection, user: str, address: str) -> bool:
    key = _known(user, address)
    return connection.scalar(select(attempts.c.key).where(attempts.c.key == key)) is not None


def _remember(connection: Connection, user: str, address: str) -> None:
    """The account was signed in to from there; of its addresses the one used longest ago makes way."""
    connection.execute(delete(attempts).where(attempts.c.key == _known(user, address)))
    mine = attempts.c.key.startswith(_known(user, ""), autoescape=True)
    latest = select(attempts.c.key).where(mine).order_by(attempts.c.last_us.desc()).limit(KNOWN_BY_ACCOUNT - 1)
    kept = set(connection.scalars(latest))
    connection.execute(delete(attempts).where(mine, attempts.c.key.not_in(kept)))
    now = time.time_ns() // 1000
    values = {"failures": 0, "last_us": now, "until_us": 0}
    connection.execute(insert(attempts).values(key=_known(user, address), **values))


def _known(user: str, address: str) -> str:
    """With the name's length, so that no name's keys begin like another's."""
    return f"{KNOWN}{len(user)}:{user}@{address}"


def _pair(user: str, address: str) -> str:
    return f"pair:{user}@{address}"


def _account(user: str) -> str:
    return f"account:{user}"


def _address(address: str) -> str:
    return f"address:{address}"
