"""Passwords: argon2id (RFC 9106), what is too weak, and how many are checked at a time."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import ParamSpec, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from collector.exceptions import CollectorError

P = ParamSpec("P")
T = TypeVar("T")

MIN_CHARACTERS = 12
MAX_CHARACTERS = 128
MIN_DISTINCT = 5
MIN_NAME = 3
"""A shorter user name occurs in good passwords by chance."""

AT_A_TIME = 2
WAITING = 32
"""64 MiB a check: two at a time bound the memory of a flood of sign-ins to 128 MiB, and the rest wait or are
turned away."""

_hasher = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)


class BusyError(CollectorError):
    """More sign-ins wait than will be served."""


class Passwords:
    """Checks and hashes passwords off the event loop, a few at a time."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_A_TIME, "passwords")
        self._waiting = 0

    async def right(self, stored: str | None, password: str) -> bool:
        """Whether the password is the stored one. `None` (no such account) takes as long and is never right.

        Raises:
            BusyError: too many wait already.
        """
        return await self._run(_right, stored or _nobody(), password) and stored is not None

    async def hashed(self, password: str) -> str:
        """The form to store.

        Raises:
            BusyError: too many wait already.
        """
        return await self._run(hashed, password)

    def close(self) -> None:
        """Let go of those who wait and end the threads."""
        self._threads.shutdown(cancel_futures=True)

    async def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._waiting >= WAITING:
            raise BusyError("too many sign-ins at this moment; try again in a few seconds")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: work(*args, **kwargs))
        finally:
            self._waiting -= 1


def hashed(password: str) -> str:
    """The form to store: salt and parameters are part of it."""
    return _hasher.hash(password)


def one_time() -> str:
    """A password to be handed over once and changed at the first sign-in."""
    return secrets.token_urlsafe(15)


def weakness(password: str, user: str, old: str) -> str:
    """Why the password will not do, or nothing."""
    if not MIN_CHARACTERS <= len(password) <= MAX_CHARACTERS:
        return f"a password has {MIN_CHARACTERS} to {MAX_CHARACTERS} characters"
    if len(set(password.casefold())) < MIN_DISTINCT:
        return f"a password has at least {MIN_DISTINCT} different characters"
    if len(user) >= MIN_NAME and user.casefold() in password.casefold():
        return "a password does not contain the user name"
    if password == old:
        return "the new password is the old one"
    return ""


def _right(stored: str, password: str) -> bool:
    try:
        return _hasher.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobody() -> str:
    """A hash that nothing fits."""
    return hashed(secrets.token_urlsafe(32))
