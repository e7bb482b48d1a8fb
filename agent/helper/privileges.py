"""Gives up root in the main process, for good, and ties its life to the helper's."""

from __future__ import annotations

import ctypes
import importlib
import logging
import os
import pwd
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from agent.helper.exceptions import SplitError

log = logging.getLogger(__name__)

DEFAULT_ACCOUNT = "lienphong"
DEFAULT_UID = 61_721
"""Where there is no such account: outside the ranges of Debian's, Red Hat's and systemd's own users."""

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38

PRELOADED = (
    "agent.main",
    "agent.renewal",
    "agent.sensors",
    "cryptography.x509",
    "cryptography.hazmat.primitives.serialization",
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "encodings.idna",
    "http.client",
    "prometheus_client",
    "psutil",
    "sqlite3",
    "ssl",
    "zstandard",
)
"""What the main process would load later and cannot once its files are out of reach."""


class Account(Struct, frozen=True):
    """Whom the main process runs as."""

    uid: int
    gid: int


def account(user: str) -> Account:
    """The account the configuration names: a name, or a number.

    Raises:
        SplitError: there is no such account, or it is root's: the point is to give root up.
    """
    found = _find(user)
    if found.uid == 0:
        raise SplitError(
            f"user: {user} is root (uid 0), which the main process must not be; name an account without rights"
        )
    return found


def _find(user: str) -> Account:
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        if user == DEFAULT_ACCOUNT:
            return Account(DEFAULT_UID, DEFAULT_UID)
        if user.isdecimal() and int(user) < 2**32 - 1:
            return Account(int(user), int(user))
        raise SplitError(f"user: there is no account {user} here; create it or name another") from None
    return Account(entry.pw_uid, entry.pw_gid)


def become(who: Account, parent: int, needed: list[Path]) -> None:
    """Turn this process into the unprivileged one. It gets SIGTERM when `parent` dies.

    Args:
        who: the account from now on.
        parent: the helper's process id.
        needed: directories it must reach afterwards.

    Raises:
        SplitError: one of them is out of its reach, or the parent died already.
    """
    os.setgroups([])
    with _as_effective(who):
        barrier = next((found for path in needed if (found := _barrier(path))), None)
        code_barrier = _barrier(Path(__file__).parent) or _barrier(Path(ctypes.__file__).parent)
        code_barrier = code_barrier or _barrier(_site_packages())
    if barrier:
        raise SplitError(
            f"uid {who.uid} cannot reach {barrier}, which the agent's data lies under: "
            f"choose another --data (such as /var/lib/lienphong), or chmod o+x {barrier}"
        )
    if code_barrier:
        _preload(code_barrier)
    os.setresgid(who.gid, who.gid, who.gid)
    os.setresuid(who.uid, who.uid, who.uid)
    os.umask(0o077)
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0):
        raise SplitError(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        raise SplitError("the root helper died while the main process started")


@contextmanager
def _as_effective(who: Account) -> Iterator[None]:
    os.setegid(who.gid)
    os.seteuid(who.uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def _barrier(path: Path) -> Path | None:
    """The first directory on the way to `path` that the effective user cannot pass."""
    for step in (*reversed(path.parents), path):
        if not os.access(step, os.X_OK, effective_ids=True):
            return step
    return None


def _site_packages() -> Path:
    import msgspec

    return Path(msgspec.__file__).parent


def _preload(barrier: Path) -> None:
    log.warning("the agent's code lies under %s, out of reach of its user: loading all of it now", barrier)
    for name in PRELOADED:
        importlib.import_module(name)
