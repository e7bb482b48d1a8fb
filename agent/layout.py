"""Where everything of an agent lies under its data directory, and who owns it.

The directory and the configuration belong to whoever started the agent (root on a real machine), so that the
unprivileged main process can change neither which files the helper opens for it nor what the helper remembers.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """Paths under the data directory."""

    data: Path

    @property
    def config(self) -> Path:
        """The one configuration file; may be absent."""
        return self.data / "agent.yaml"

    @property
    def identity(self) -> Path:
        """Key, certificate, pinned root and what they say; the service user's."""
        return self.data / "identity"

    @property
    def spool(self) -> Path:
        """The durable outbox; the service user's."""
        return self.data / "spool"

    @property
    def run(self) -> Path:
        """Lock and status socket of the running agent; the service user's."""
        return self.data / "run"

    @property
    def helper(self) -> Path:
        """What the root helper must remember, such as the audit state it found; root's."""
        return self.data / "helper"

    def prepare(self, uid: int, gid: int) -> None:
        """Make the directories and give the service user's to it, contents included. Called by the process that
        starts the agent, before it gives up any privilege; without privilege it only makes them.

        Raises:
            OSError: a directory cannot be made or given away.
        """
        self.data.mkdir(mode=0o711, parents=True, exist_ok=True)
        self.helper.mkdir(mode=0o700, exist_ok=True)
        for directory in (self.identity, self.spool, self.run):
            directory.mkdir(mode=0o700, exist_ok=True)
            if os.geteuid() == 0:
                _give(directory, uid, gid)


def _give(directory: Path, uid: int, gid: int) -> None:
    """Hand over a directory, and root's plain files in it. A link of either kind is left alone: the account may
    have made it to be given what it points at."""
    os.chown(directory, uid, gid, follow_symlinks=False)
    for path in directory.iterdir():
        state = path.lstat()
        if stat.S_ISREG(state.st_mode) and state.st_nlink == 1 and state.st_uid == 0:
            os.chown(path, uid, gid, follow_symlinks=False)
