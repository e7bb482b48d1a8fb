"""Audit records back into whole process starts and changes of files.

Each is several records with the same stamp `audit(SECONDS.MILLIS:SERIAL)`: SYSCALL, one or more EXECVE (a long
argument is cut into pieces) or PATH, CWD, and EOE at the end; those of different ones may interleave. Strings come
in quotes, or as hex digits when they hold spaces, quotes or anything but printable ASCII (kernel/audit.c,
audit_log_n_untrustedstring).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Struct

from agent.helper import rules
from agent.helper.sift import CWD, EOE, EXECVE, PATH, SYSCALL

MAX_PENDING = 1_024
"""Starts and changes whose end has not come; more can only be remains of lost records."""

MAX_HEAD_BYTES, MAX_TAIL_BYTES = 88 << 10, 60 << 10
"""Of one start's EXECVE records, from the front and from the end; a command line may be 2 MiB long, and what
matters may stand behind padding."""

GAP = "\0"
"""Stands in the arguments where some are left out: no argument holds this character."""

MAX_PATHS = 16
"""PATH records of one call; renaming writes four."""


class ExecRecord(Struct, frozen=True):
    """One successful execve. `time_us` is the kernel's stamp (its resolution is 1 ms); `syscall` the fields as
    they stand in the record; `arguments` complete unless `truncated`, else with a `GAP`; `cwd` is empty where it
    was lost."""

    time_us: int
    syscall: dict[str, str]
    arguments: list[str]
    cwd: str
    truncated: bool


class ChangeRecord(Struct, frozen=True):
    """A successful call with the paths it dealt with: perhaps one that wrote. `paths` are the fields of its PATH
    records in order, the name decoded (empty where the kernel knows none)."""

    time_us: int
    syscall: dict[str, str]
    paths: list[dict[str, str]]
    cwd: str


class _Pending(Struct):
    syscall: bytes
    start: bool
    head: list[bytes] = []
    """Of a start its first EXECVE records; of a change its PATH records."""
    head_size: int = 0
    tail: deque[bytes] = msgspec.field(default_factory=deque)
    tail_size: int = 0
    truncated: bool = False
    cwd: bytes = b""

    def add(self, text: bytes) -> None:
        """One more EXECVE record; those in the middle of very many are let go."""
        if not self.tail and self.head_size + len(text) <= MAX_HEAD_BYTES:
            self.head.append(text)
            self.head_size += len(text)
            return
        self.tail.append(text)
        self.tail_size += len(text)
        while self.tail_size > MAX_TAIL_BYTES:
            self.tail_size -= len(self.tail.popleft())
            self.truncated = True

    def texts(self) -> list[bytes]:
        """What was kept, in order."""
        return [*self.head, *([GAP.encode()] if self.truncated else []), *self.tail]


class Assembler:
    """Feed it records in the order in which they came."""

    def __init__(self, calls: dict[int, tuple[int, int]]) -> None:
        """`calls`: the numbers of execve and execveat by architecture."""
        self.incomplete = 0
        """Starts of which the kernel passed on only parts: seen, but not to be told."""
        self.incomplete_changes = 0
        """The same of calls that changed files."""
        self._markers = rules.start_markers(calls)
        self._pending: dict[bytes, _Pending | None] = {}

    def feed(self, records: Iterable[tuple[int, bytes]]) -> Iterator[ExecRecord | ChangeRecord]:
        """The starts and changes that these records complete."""
        for kind, text in records:
            stamp, _, rest = text.partition(b"): ")
            if kind == SYSCALL:
                self._begin(stamp, rest)
            elif kind == EOE:
                if pending := self._pending.pop(stamp, None):
                    yield from self._finish(stamp, pending)
            else:
                self._add(kind, stamp, rest)

    def _begin(self, stamp: bytes, rest: bytes) -> None:
        if len(self._pending) >= MAX_PENDING:
            self._count_lost(self._pending.pop(next(iter(self._pending))))
        start = rest.startswith(self._markers)
        # What failed has its EXECVE and CWD too: remembered as nothing, so as not to seem lost.
        self._pending[stamp] = _Pending(rest, start) if start or b" success=yes" in rest else None

    def _add(self, kind: int, stamp: bytes, rest: bytes) -> None:
        try:
            pending = self._pending[stamp]
        except KeyError:
            self.incomplete += kind == EXECVE and rest.startswith(b"argc=")
            return
        if pending is None:
            return
        if kind == CWD:
            pending.cwd = rest
        elif kind != (EXECVE if pending.start else PATH):
            return
        elif pending.start:
            pending.add(rest)
        elif len(pending.head) < MAX_PATHS:
            pending.head.append(rest)

    def _finish(self, stamp: bytes, pending: _Pending) -> Iterator[ExecRecord | ChangeRecord]:
        try:
            if pending.start:
                yield _exec(stamp, pending)
            elif pending.head:
                yield _change(stamp, pending)
        except ValueError:
            self._count_lost(pending)

    def _count_lost(self, pending: _Pending | None) -> None:
        if pending is not None:
            self.incomplete += pending.start
            self.incomplete_changes += not pending.start and bool(pending.head)


def _exec(stamp: bytes, pending: _Pending) -> ExecRecord:
    return ExecRecord(
        time_us=_time_us(stamp),
        syscall=fields(pending.syscall),
        arguments=arguments(pending.texts()),
        cwd=string(fields(pending.cwd).get("cwd", "")),
        truncated=pending.truncated,
    )


def _change(stamp: bytes, pending: _Pending) -> ChangeRecord:
    return ChangeRecord(
        time_us=_time_us(stamp),
        syscall=fields(pending.syscall),
        paths=[_path(text) for text in pending.head],
        cwd=string(fields(pending.cwd).get("cwd", "")),
    )


def _path(text: bytes) -> dict[str, str]:
    found = fields(text)
    return {**found, "name": string(found.get("name", ""))}


def fields(text: bytes) -> dict[str, str]:
    """`name=value …` as it stands: the kernel writes no space inside a value."""
    pairs = (part.partition("=") for part in text.decode("ascii", "replace").split(" "))
    return {name: value for name, found, value in pairs if found}


def string(value: str) -> str:
    """A string as the kernel writes it, decoded; bytes that are no UTF-8 become U+FFFD.

    Raises:
        ValueError: neither quoted nor hex digits.
    """
    return _bytes(value).decode(errors="replace")


def arguments(texts: Iterable[bytes]) -> list[str]:
    """The argument list of EXECVE records, pieces joined. A text that is `GAP` becomes one: within an argument
    when it goes on behind it, else an argument of its own.

    Raises:
        ValueError: an argument is neither quoted nor hex digits.
    """
    found: list[bytes] = []
    last = ""
    gap = False
    for text in texts:
        if text == GAP.encode():
            gap = True
            continue
        for part in text.decode("ascii", "replace").split():
            name, _, value = part.partition("=")
            if name == "argc":
                continue
            place, piece, _ = name.removesuffix("_len").partition("[")
            if gap:
                _leave_gap(found, within=place == last, inside=bool(piece))
                gap = False
            last = place
            if name.endswith("_len"):
                found.append(b"")
            elif piece:
                if not found:
                    raise ValueError("the piece of an argument without its beginning")
                found[-1] += _bytes(value)
            else:
                found.append(_bytes(value))
    return [argument.decode(errors="replace") for argument in found]


def _leave_gap(found: list[bytes], within: bool, inside: bool) -> None:
    """`within`: the last argument goes on behind the gap; `inside`: an argument does whose beginning is gone."""
    if within and found:
        found[-1] += GAP.encode()
        return
    found.append(GAP.encode())
    if inside:
        found.append(b"")


def _bytes(value: str) -> bytes:
    if value.startswith('"'):
        return value.strip('"').encode()
    if value in ("", "(null)", "(none)"):
        return b""
    return bytes.fromhex(value)


def _time_us(stamp: bytes) -> int:
    """From `audit(1764008999.123:456`."""
    seconds, _, rest = stamp.removeprefix(b"audit(").partition(b".")
    return int(seconds) * 1_000_000 + int(rest[:3]) * 1_000
