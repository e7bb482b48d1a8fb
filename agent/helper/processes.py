"""What /proc tells of running processes; the program's path of others' processes is for root alone (proc(5))."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

import msgspec
from msgspec import Struct

PROC = Path("/proc")
MAX_COMMAND_BYTES = 4_096
MAX_PROCESSES = 65_536


class ProcessInfo(Struct, frozen=True, array_like=True):
    """A running process. `started` is in clock ticks since boot; `arguments` are joined by NUL, as in /proc."""

    pid: int
    parent: int
    started: int
    image: str
    arguments: str


def image_of(pid: int) -> str:
    """The program a process runs; empty for a kernel thread, or when it is gone or not ours to see."""
    try:
        image = os.fsencode((PROC / str(pid) / "exe").readlink())
    except OSError:
        return ""
    return image.removesuffix(b" (deleted)").decode(errors="replace")


def parse_stat(text: str) -> tuple[int, int]:
    """Parent and start time (ticks since boot) from /proc/PID/stat. The name in brackets may hold anything."""
    fields = text[text.rindex(")") + 2 :].split()
    return int(fields[1]), int(fields[19])


def find(pid: int) -> ProcessInfo | None:
    """One process, or None when it is gone."""
    directory = PROC / str(pid)
    try:
        parent, started = parse_stat((directory / "stat").read_text(errors="replace"))
        with (directory / "cmdline").open("rb") as file:
            arguments = file.read(MAX_COMMAND_BYTES).rstrip(b"\0")
    except (OSError, ValueError):
        return None
    return ProcessInfo(pid, parent, started, image_of(pid), arguments.decode(errors="replace"))


def everything() -> bytes:
    """All processes as JSON lines, read by `parse`."""
    pids = (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())
    found = (find(pid) for pid in islice(pids, MAX_PROCESSES))
    return b"\n".join(msgspec.json.encode(info) for info in found if info)


def parse(data: bytes) -> list[ProcessInfo]:
    """Read `everything` back.

    Raises:
        msgspec.DecodeError: it was not written by it.
    """
    return msgspec.json.Decoder(ProcessInfo).decode_lines(data)
