"""Where everything lies under the data directory, and whose it is."""

from __future__ import annotations

import os
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
        """Sockets and locks of the running processes."""
        return self.data / "run"

    @property
    def root_certificate(self) -> Path:
        """The pinned root, PEM."""
        return self.tls / "ca.pem"

    def door(self, role: str) -> Path:
        """The Unix socket of a process."""
        return self.run / f"{role}.sock"

    def room(self, name: str) -> Path:
        """The directory that one process alone owns (`inbox`, `detector`, `state`, `archive`)."""
        return self.data / name

    def state_url(self, settings: Settings) -> str:
        """The state database: PostgreSQL where the settings name one, else the SQLite file of this directory."""
        return settings.state_url or f"sqlite:///{self.room('state') / 'state.sqlite'}"


ROOMS = ("inbox", "detector", "state", "archive")


def create(layout: Layout, settings: Settings) -> None:
    """Make the directories with the owners and modes that keep the processes apart."""
    service, signer = settings.service_uid, settings.signer_uid
    _directory(layout.data, 0o710, None, service)
    _directory(layout.offline, 0o700, None, None)
    _directory(layout.secrets, 0o700, None, None)
    _directory(layout.keys, 0o700, signer, service)
    _directory(layout.tls, 0o700, service, service)
    _directory(layout.run, 0o770, service, service)
    for room in ROOMS:
        _directory(layout.room(room), 0o700, service, service)


def give(path: Path, uid: int | None, gid: int | None) -> None:
    """Hand a file or a whole tree to an account; does nothing where the processes are not kept apart."""
    if uid is None or gid is None:
        return
    os.chown(path, uid, gid)
    if path.is_dir():
        for child in path.iterdir():
            give(child, uid, gid)


def _directory(path: Path, mode: int, uid: int | None, gid: int | None) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)
    if gid is not None:
        os.chown(path, -1 if uid is None else uid, gid)
