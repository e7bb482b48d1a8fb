"""Giving up root: which numeric accounts the collector's processes run as, and becoming one of them."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path

from collector.exceptions import SetupError

SERVICE_UID = 61_730
SIGNER_UID = 61_731
"""Numbers of our own, above Debian's dynamic system users and below nobody: no account has to be made, so nothing
outside the data directory is written. An operator can name others in collector.yaml."""

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38

_libc = ctypes.CDLL(None, use_errno=True)


def usable(uid: int, data: Path) -> bool:
    """Whether a process of this account could run at all: the interpreter, the packages and the data directory
    must be within its reach (an interpreter below a private home directory is not)."""
    probe = "import os, sys, collector.app; sys.exit(0 if os.access(sys.argv[1], os.X_OK) else 1)"
    done = subprocess.run(
        [sys.executable, "-c", probe, str(data.resolve().parent)],
        user=uid,
        group=uid,
        extra_groups=[],
        cwd="/",
        capture_output=True,
        check=False,
        timeout=60,
    )
    return done.returncode == 0


def drop(uid: int | None, gid: int | None) -> None:
    """Become this account for good and forbid regaining privileges.

    Raises:
        SetupError: not permitted; running on as another account would be worse than not running.
    """
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    if uid is None or gid is None or os.geteuid() == uid:
        return
    try:
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    except PermissionError as error:
        raise SetupError(
            f"cannot run as user {uid} (service_uid/signer_uid in collector.yaml): start serve as root, "
            "or remove both keys and give the data directory to the account that starts it"
        ) from error


def end_with_parent(parent: int) -> None:
    """Have the kernel send SIGTERM when the supervisor is gone, however it went: no orphan holds a port."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
