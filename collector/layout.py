"""Where everything lies under the data directory, and whose it is."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from collector.settings import Settings


@dataclass(frozen=True)
class Layout:
    """The paths of one data directory. Nothing outside it is ever written."""

    data: Path

    @property
    def offline(self) -> Path:
        """The encrypted root key: to be moved to removable media in the cipher force's custody."""
        return self.data / "offline"

    @property
    def secrets(self) -> Path:
        """What `init` hands to people: the one-time password, the enrolment token, the root's passphrase."""
        return self.data / "secrets"

    @property
    def keys(self) -> Path:
        """The signer's intermediates; no other process may read them."""
        return self.data / "keys"

    @property
    def tls(self) -> Path:
        """The listeners' certificates and keys, and the root certificate that agents pin."""
        return self.data / "tls"

    @property
    def run(self) -> Path:
        """Sockets of the running processes."""
        return self.data / "run"

    @property
    def root_certificate(self) -> Path:
        """The pinned root, PEM."""
        return self.tls / "ca.pem"

    @property
    def watch(self) -> Path:
        """Locks and process numbers: the supervisor's own, so that no process can lead it to another file."""
        return self.data / "watch"

    def lock(self, role: str) -> Path:
        """Held by the one process that plays the role."""
        return self.watch / f"{role}.lock"

    def door(self, role: str) -> Path:
        """The Unix socket of a process."""
        return self.run / f"{role}.sock"

    def room(self, name: str) -> Path:
        """The directory that one process alone owns (`inbox`, `detector`, `state`, `archive`)."""
        return self.data / name

    def state_url(self, settings: Settings) -> str:
        """The state database: PostgreSQL where the settings name one, else the SQLite file of this directory."""
        return settings.state_url or f"sqlite:///{self.room('state') / 'state.sqlite'}"


UNFINISHED = ".init"
"""There while `init` works: only what lies beside it may be removed, because nothing of it was ever in use."""

ROOMS = ("inbox", "detector", "state", "archive")


def create(layout: Layout, settings: Settings) -> None:
    """Make the directories with the owners and modes that keep the processes apart."""
    service, signer = settings.service_uid, settings.signer_uid
    _directory(layout.data, 0o710, None, service)
    _directory(layout.offline, 0o700, None, None)
    _directory(layout.secrets, 0o700, None, None)
    _directory(layout.keys, 0o700, signer, service)
    _directory(layout.tls, 0o700, service, service)
    _directory(layout.watch, 0o700, None, None)
    _directory(layout.run, 0o770, service, service)
    for room in ROOMS:
        _directory(layout.room(room), 0o700, service, service)


def give(path: Path, uid: int | None, gid: int | None) -> None:
    """Hand a file or a whole tree to an account; does nothing where the processes are not kept apart.

    Only plain files with one name and directories are handed over, and no link is followed: the account may have
    put there what points at somebody else's file.
    """
    if uid is None or gid is None:
        return
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except OSError:
        return
    try:
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode) or (stat.S_ISREG(found.st_mode) and found.st_nlink == 1):
            os.fchown(descriptor, uid, gid)
    finally:
        os.close(descriptor)
    if stat.S_ISDIR(found.st_mode):
        for child in path.iterdir():
            give(child, uid, gid)


def _directory(path: Path, mode: int, uid: int | None, gid: int | None) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)
    if gid is not None:
        os.chown(path, -1 if uid is None else uid, gid)
