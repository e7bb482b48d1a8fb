"""Back-off of sign-ins: by account against guessing one password, by address against trying many accounts.

An attempt is counted before its password is checked, so that a thousand at once get no further than a thousand in
a row. An account that does not exist is locked like one that does.
"""

from __future__ import annotations

import time

from sqlalchemy import Connection, delete, func, insert, select, update

from collector.api.tables import attempts

FREE_BY_ACCOUNT = 5
FREE_BY_ADDRESS = 20
FIRST_LOCK_S = 30
LONGEST_LOCK_S = 900
FORGOTTEN_AFTER_US = 3_600 * 1_000_000
MAX_KEYS = 10_000
"""Names and addresses remembered at most; beyond it the oldest are forgotten."""


def attempt(connection: Connection, user: str, address: str) -> float:
    """Count an attempt; returns 0, or the seconds for which no attempt is taken (then it is not counted)."""
    now = time.time_ns() // 1000
    connection.execute(delete(attempts).where(attempts.c.last_us < now - FORGOTTEN_AFTER_US))
    keys = {_account(user): FREE_BY_ACCOUNT, _address(address): FREE_BY_ADDRESS}
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
    """Forget the account's attempts, and take this one off the address's: one right password must not free an
    address that guesses at others."""
    connection.execute(delete(attempts).where(attempts.c.key == _account(user)))
    here = attempts.c.key == _address(address)
    connection.execute(update(attempts).where(here).values(failures=attempts.c.failures - 1, until_us=0))


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
    if (connection.scalar(select(func.count()).select_from(attempts)) or 0) >= MAX_KEYS:
        oldest = select(attempts.c.key).order_by(attempts.c.last_us).limit(MAX_KEYS // 10)
        connection.execute(delete(attempts).where(attempts.c.key.in_(oldest)))
    connection.execute(insert(attempts).values(key=key, **values))


def _account(user: str) -> str:
    return f"account:{user}"


def _address(address: str) -> str:
    return f"address:{address}"
