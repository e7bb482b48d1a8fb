"""Who started whom: a bounded table of running processes, kept by what is seen to start.

A process id may be another process's by now. Its start time tells: the kernel's own, in /proc/PID/stat, is never
later than the start that we saw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import Struct

from agent import clock
from agent.helper import processes
from agent.helper.processes import ProcessInfo

MAX_ENTRIES = 16_384
MAX_COMMAND = 4_096
"""Characters kept of a command line that may become somebody's `ParentCommandLine`."""

TICK_US = 10_000
"""/proc counts in USER_HZ, 100 a second on every architecture Linux has."""

SWEEP_US = 60_000_000


class Program(Struct, frozen=True):
    """What a process runs: path of the program, command line (scrubbed), and since when, µs since boot."""

    image: str
    command: str
    since_us: int


NOTHING = Program("", "", 0)


class Ancestry:
    """Ask it for the parent before telling it of the child."""

    def __init__(self, image_of: Callable[[int], str], command_of: Callable[[list[str]], str]) -> None:
        """`image_of` asks for a running process's program; `command_of` makes a command line that may be kept."""
        self._image_of = image_of
        self._command_of = command_of
        self._programs: dict[int, Program] = {}
        self._verified: dict[int, Program] = {}
        self._sweep_at = 0

    def __len__(self) -> int:
        return len(self._programs)

    def seed(self, running: Iterable[ProcessInfo]) -> None:
        """Learn what runs already."""
        for info in running:
            self._keep(info.pid, self._program(info, info.image))

    def started(self, pid: int, image: str, command: str, since_us: int) -> None:
        """A process runs this program now."""
        self._verified.pop(pid, None)
        self._keep(pid, Program(image, command[:MAX_COMMAND], since_us))

    def refresh(self) -> None:
        """Begin a batch of records: what was verified before may have changed."""
        self._verified.clear()
        if (now := clock.mono_us()) >= self._sweep_at:
            self._sweep_at = now + SWEEP_US
            self._forget_dead(now)

    def program(self, pid: int) -> Program:
        """What a process runs or ran last; empty fields when nothing is known."""
        if (known := self._verified.get(pid)) is None:
            known = self._verified[pid] = self._verify(pid)
        return known

    def _verify(self, pid: int) -> Program:
        known = self._programs.get(pid)
        try:
            text = (processes.PROC / str(pid) / "stat").read_bytes().decode(errors="replace")
            started_us = processes.parse_stat(text)[1] * TICK_US
        except (OSError, ValueError):
            return known or NOTHING
        if known is not None and started_us <= known.since_us + TICK_US:
            return known
        return self._look_up(pid)

    def _look_up(self, pid: int) -> Program:
        """A process that was forked and runs its parent's program: nobody told of it."""
        info = processes.find(pid)
        if info is None:
            return NOTHING
        program = self._program(info, self._image_of(pid))
        self._keep(pid, program)
        return program

    def _program(self, info: ProcessInfo, image: str) -> Program:
        command = self._command_of(info.arguments.split("\0"))
        return Program(image, command[:MAX_COMMAND], info.started * TICK_US)

    def _keep(self, pid: int, program: Program) -> None:
        if len(self._programs) >= MAX_ENTRIES and pid not in self._programs:
            self._forget_dead(clock.mono_us())
        if len(self._programs) >= MAX_ENTRIES:
            del self._programs[next(iter(self._programs))]
        self._programs[pid] = program

    def _forget_dead(self, now_us: int) -> None:
        alive = {int(entry.name) for entry in processes.PROC.iterdir() if entry.name.isdigit()}
        recent = now_us - SWEEP_US
        self._programs = {
            pid: program for pid, program in self._programs.items() if pid in alive or program.since_us > recent
        }
