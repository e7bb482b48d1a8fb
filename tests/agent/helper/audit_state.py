"""The machine's audit state belongs to one test at a time, and is afterwards what it was before."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.helper import kernel
from agent.helper.netlink import AuditSocket
from agent.helper.status import AuditStatus
from agent.helper.verdict import alive

LOCK = Path(tempfile.gettempdir()) / "lienphong-tests-audit.lock"
WAIT_SECONDS = 120.0


class State:
    """What can be put back."""

    def __init__(self, socket: AuditSocket) -> None:
        now = kernel.get_status(socket)
        self.settings = now.settings()
        self.rules = sorted(rule.data for rule in kernel.get_rules(socket))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, State) and vars(self) == vars(other)

    def __repr__(self) -> str:
        return f"State({self.settings}, {len(self.rules)} rules)"


QUIET = {"enabled": 0, "failure": 1, "rate_limit": 0, "backlog_limit": 64, "backlog_wait_time": 15_000}
"""As a kernel starts."""


class Audit:
    """A look at the audit system, from outside of what is tested, which finds it as after boot."""

    def __init__(self) -> None:
        self._socket = AuditSocket()
        self._found = self.state()
        for rule in self._found.rules:
            kernel.delete_rule(self._socket, rule)
        kernel.change(self._socket, QUIET)
        self.before = self.state()

    def state(self) -> State:
        return State(self._socket)

    def status(self) -> AuditStatus:
        return kernel.get_status(self._socket)

    def rules(self) -> list[bytes]:
        return [rule.data for rule in kernel.get_rules(self._socket)]

    def change(self, **settings: int) -> None:
        kernel.change(self._socket, settings)

    def restore(self) -> None:
        """Whatever the test did."""
        for rule in self.rules():
            kernel.delete_rule(self._socket, rule)
        for rule in self._found.rules:
            kernel.add_rule(self._socket, rule)
        kernel.change(self._socket, self._found.settings)
        self._socket.close()


@contextmanager
def audit_alone() -> Iterator[Audit]:
    """Wait for the other tests that use the audit system, then have it alone."""
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        look = AuditSocket()
        try:
            wait_for(lambda: not _owned(look), WAIT_SECONDS, "whoever owns the audit records to leave")
        finally:
            look.close()
        audit = Audit()
        try:
            yield audit
        finally:
            audit.restore()


def _owned(socket: AuditSocket) -> bool:
    owner = kernel.get_status(socket).pid
    return owner != 0 and alive(owner)


def wait_for(condition: Callable[[], object], seconds: float = 15.0, what: str = "the condition") -> None:
    """Poll until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}"
        time.sleep(0.02)


@pytest.fixture
def audit() -> Iterator[Audit]:
    """The audit system, alone; needs root."""
    if os.geteuid() != 0:
        pytest.skip("the audit system is root's: run the tests as root")
    with audit_alone() as alone:
        yield alone


@contextmanager
def reachable_directory() -> Iterator[Path]:
    """A directory that an unprivileged account can pass, which pytest's own are not when root makes them."""
    with tempfile.TemporaryDirectory(prefix="lienphong-") as directory:
        path = Path(directory)
        path.chmod(0o711)
        yield path


@pytest.fixture
def reachable() -> Iterator[Path]:
    """The same, for one test."""
    with reachable_directory() as path:
        yield path
