"""Runs the collector's processes, restarts what dies, and stops all of them together."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from collector.exceptions import SetupError

log = logging.getLogger(__name__)

ROLES = ("signer", "responder", "gateway", "detector", "archiver")
"""In the order of stopping reversed: whoever feeds others starts last and stops first."""

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0
STEADY_S = 30.0
"""A process that lived this long failed for a new reason, so its next restart is quick again."""

TOLD = 1
"""Exit status of a process that could not work and said why."""

TRIES = 3
STOP_S = 15.0
READY_S = 60.0
READY_FD = "LIENPHONG_READY_FD"
SUPERVISOR_PID = "LIENPHONG_SUPERVISOR_PID"


class Supervisor:
    """Runs `roles` as processes of their own.

    Each is started as `program ROLE ARGUMENTS…`. One that ends is started again after a pause that doubles up
    to two seconds; the others go on.
    """

    def __init__(
        self,
        directory: Path,
        arguments: Sequence[str],
        roles: Sequence[str] = ROLES,
        program: Sequence[str] = (sys.executable, "-m", "collector.app"),
    ) -> None:
        self._directory = directory
        self._program = list(program)
        self._arguments = list(arguments)
        self._roles = list(roles)
        self._children: dict[str, asyncio.subprocess.Process] = {}
        self._ready = {role: asyncio.Event() for role in roles}
        self._stopping = asyncio.Event()
        self.failed = False
        self.restarts = dict.fromkeys(roles, 0)

    async def run(self, ready_line: str) -> int:
        """Supervise until SIGTERM or SIGINT; logs `ready_line` once all processes are ready.

        Raises:
            SetupError: another supervisor runs on the same data directory.
        """
        lock = _lock(self._directory / "serve.lock")
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        try:
            async with asyncio.TaskGroup() as group:
                for role in self._roles:
                    group.create_task(self._keep(role))
                announcer = group.create_task(self._announce(ready_line))
                await self._stopping.wait()
                announcer.cancel()
                await self._stop()
        finally:
            os.close(lock)
        return 1 if self.failed else 0

    async def _announce(self, line: str) -> None:
        for role in self._roles:
            await self._ready[role].wait()
        log.info("%s", line)

    async def _keep(self, role: str) -> None:
        pause = FIRST_PAUSE_S
        while not self._stopping.is_set():
            started = asyncio.get_running_loop().time()
            try:
                status = await self._once(role)
            except OSError as error:
                log.error("%s cannot be started: %s", role, error)
                status = -signal.SIGABRT
            if self._stopping.is_set():
                return
            lived = asyncio.get_running_loop().time() - started
            if self._hopeless(role, status):
                self.failed = True
                self._stopping.set()
                return
            pause = FIRST_PAUSE_S if lived > STEADY_S else min(pause * 2, LONGEST_PAUSE_S)
            self.restarts[role] += 1
            log.error("%s ended (%s) after %.1f s; starting it again in %.1f s", role, _word(status), lived, pause)
            await self._pause(pause)

    def _hopeless(self, role: str, status: int) -> bool:
        """A process that has told its error and ended, again and again, without ever having worked: settings that
        cannot work, a port in use. Once it has worked, it is started again for ever."""
        if self._ready[role].is_set() or status != TOLD:
            return False
        if self.restarts[role] + 1 < TRIES:
            return False
        log.error("%s has not worked once in %d tries; see its last error above", role, TRIES)
        return True

    async def _once(self, role: str) -> int:
        """Start the process, wait for its ready line, then for its end."""
        receive, send = os.pipe()
        try:
            child = await asyncio.create_subprocess_exec(
                *self._program, role, *self._arguments,
                env=_environment(send), pass_fds=(send,), stdin=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
        except OSError:
            os.close(receive)
            raise
        finally:
            os.close(send)
        self._children[role] = child
        self._note_pid(role, child.pid)
        watcher = asyncio.ensure_future(self._await_ready(role, receive))
        try:
            return await child.wait()
        finally:
            watcher.cancel()
            del self._children[role]

    async def _await_ready(self, role: str, descriptor: int) -> None:
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb")
        )
        try:
            line = await asyncio.wait_for(reader.readline(), READY_S)
            if line.strip() == b"ready":
                self._ready[role].set()
        except TimeoutError:
            log.warning("%s is not ready after %.0f s", role, READY_S)
        finally:
            transport.close()

    async def _stop(self) -> None:
        """Feeders first, so that what they were given is taken in by those behind them before these stop."""
        for role in reversed(self._roles):
            child = self._children.get(role)
            if child is None:
                continue
            child.terminate()
            try:
                await asyncio.wait_for(child.wait(), STOP_S)
            except TimeoutError:
                log.error("%s did not stop within %.0f s: killed", role, STOP_S)
                child.kill()

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

    def _note_pid(self, role: str, pid: int) -> None:
        temporary = self._directory / f".{role}.pid"
        try:
            temporary.write_text(f"{pid}\n")
            temporary.replace(self._directory / f"{role}.pid")
        except OSError as error:  # a full disk: the process matters, the note of its number does not
            log.warning("cannot note the process number of %s: %s", role, error)


def announce_ready() -> None:
    """Tell the supervisor that this process does its work now."""
    descriptor = os.environ.pop(READY_FD, None)
    if descriptor is not None:
        os.write(int(descriptor), b"ready\n")
        os.close(int(descriptor))


def _environment(ready: int) -> Mapping[str, str]:
    return {**os.environ, READY_FD: str(ready), SUPERVISOR_PID: str(os.getpid())}


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise SetupError(f"{path}: a collector already runs on this data directory; stop it first") from error
    return descriptor


def _word(status: int) -> str:
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"exit status {status}"
