"""Writing to watched places, in the fields of Sigma's `file_event`: what a shell does itself starts no process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath

from agent import clock
from agent.helper import rules
from agent.sensors.accounts import Accounts
from agent.sensors.ancestry import Ancestry
from agent.sensors.records import ChangeRecord, string
from agent.sensors.session import session
from wire.event import Event, Logsource, Value

SOURCE = Logsource(product="linux", category="file_event")

OURS = f'"{rules.KEY.decode()}"'

OPEN_FLAGS = {
    ("c000003e", "2"): "a1",
    ("c000003e", "257"): "a2",
    ("40000003", "5"): "a1",
    ("40000003", "295"): "a2",
    ("c00000b7", "56"): "a2",
    ("40000028", "5"): "a1",
    ("40000028", "322"): "a2",
}
"""(architecture, number) of open and openat → which argument holds the flags."""

MAX_RECENT = 1_024
"""(file, process) pairs that are remembered, so that the same within a second is told once."""

MAX_NAMES = 4_096
REFRESH_US = 1_000_000
"""At most so often the names in watched places are asked for again."""


class Changes:
    """Turns calls that wrote into events."""

    def __init__(
        self, places: Iterable[str], names: Callable[[], dict[str, str]], accounts: Accounts, ancestry: Ancestry
    ) -> None:
        """`places` are the watched ones; `names` asks the helper for what lies in them, by device and inode."""
        self.repeated = 0
        """Told already, of the same file and process within the same second."""
        self.unnamed = 0
        """Calls of which no record tells the file's name, such as one on a descriptor."""
        self._places = frozenset(os.path.realpath(place) for place in places).union(places)
        self._ask_names = names
        self._names = names()
        self._asked_us = clock.mono_us()
        self._accounts = accounts
        self._ancestry = ancestry
        self._recent: dict[tuple[str, int], int] = {}

    def events(self, record: ChangeRecord, to_mono: int) -> Iterator[Event]:
        """One for each file in a watched place that the call wrote to, made, or changed the attributes of."""
        for path in self._targets(record):
            if self._is_news(path, int(record.syscall["pid"]), record.time_us):
                yield self._event(path, record, to_mono)

    def _targets(self, record: ChangeRecord) -> list[str]:
        touched = [path for path in record.paths if path.get("nametype") in ("CREATE", "NORMAL")]
        ours = record.syscall.get("key") == OURS
        if not ours:
            # An administrator's rule came first: it may record reading as well.
            wrote = opens_for_writing(record.syscall)
            touched = [path for path in touched if wrote or path["nametype"] == "CREATE"]
        found = [self._locate(path, record) for path in touched]
        if ours and not any(found) and self._refresh():
            found = [self._locate(path, record) for path in touched]
        self.unnamed += ours and bool(touched) and not any(found) and not _moved_away(record)
        return list(dict.fromkeys(filter(None, found)))

    def _locate(self, path: dict[str, str], record: ChangeRecord) -> str:
        """The file's absolute path, empty when it is in no watched place. What the process called it may lead
        through a link, or start from a directory it had open: then inode numbers tell."""
        name, number = path["name"], _number(path)
        if name.startswith("/") and self._is_watched(full := os.path.normpath(name)):
            return self._learn(number, full)
        parents = [p for p in record.paths if p.get("nametype") == "PARENT"]
        single = len(record.paths) == len(parents) + 1
        if name and parents and (path["nametype"] == "CREATE" or single):
            directory = self._names.get(_number(parents[-1]))
            if directory is not None:
                return self._learn(number, str(PurePosixPath(directory, PurePosixPath(name).name)))
        if number in self._names:
            return self._names[number]
        if name and self._is_watched(full := os.path.normpath(PurePosixPath(record.cwd, name))):
            return self._learn(number, full)
        return ""

    def _is_watched(self, path: str) -> bool:
        return path in self._places or any(str(above) in self._places for above in PurePosixPath(path).parents)

    def _learn(self, number: str, path: str) -> str:
        if len(self._names) < MAX_NAMES:
            self._names[number] = path
        return path

    def _refresh(self) -> bool:
        """Ask for the names again, unless that was just done."""
        if (now := clock.mono_us()) - self._asked_us < REFRESH_US:
            return False
        self._asked_us = now
        self._names = self._ask_names()
        return True

    def _is_news(self, path: str, pid: int, time_us: int) -> bool:
        second = time_us // 1_000_000
        if self._recent.get((path, pid)) == second:
            self.repeated += 1
            return False
        self._recent.pop((path, pid), None)
        if len(self._recent) >= MAX_RECENT:
            del self._recent[next(iter(self._recent))]
        self._recent[path, pid] = second
        return True

    def _event(self, path: str, record: ChangeRecord, to_mono: int) -> Event:
        call = record.syscall
        pid, parent_pid, image = int(call["pid"]), int(call["ppid"]), string(call["exe"])
        own, parent = self._ancestry.program(pid), self._ancestry.program(parent_pid)
        # A fork that has ended, as of a subshell, ran what its parent runs.
        acting = own if own.image == image or parent.image != image else parent
        fields: dict[str, Value] = {
            "TargetFilename": path,
            "Image": image,
            "CommandLine": acting.command if acting.image == image else "",
            "CurrentDirectory": record.cwd,
            "User": self._accounts.name(int(call["uid"])),
            "ProcessId": pid,
            "ParentProcessId": parent_pid,
            "ParentImage": parent.image,
            "ParentCommandLine": parent.command,
            "uid": int(call["uid"]),
            "euid": int(call["euid"]),
            **session(call),
        }
        mono = max(0, record.time_us + to_mono)
        return Event(time=record.time_us, mono=mono, source=SOURCE, origin="kernel", fields=fields)


def opens_for_writing(call: dict[str, str]) -> bool:
    """Whether a SYSCALL record is of open or openat with O_WRONLY, O_RDWR, O_CREAT or O_TRUNC."""
    argument = OPEN_FLAGS.get((call.get("arch", ""), call.get("syscall", "")))
    if argument is None:
        return False
    flags = int(call[argument], 16)
    return bool(flags & (os.O_ACCMODE | os.O_TRUNC))


def _number(path: dict[str, str]) -> str:
    return f"{path.get('dev')} {path.get('inode')}"


def _moved_away(record: ChangeRecord) -> bool:
    return any(path.get("nametype") == "DELETE" for path in record.paths)
