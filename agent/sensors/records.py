"""Audit records back into whole process starts.

One start is several records with the same stamp `audit(SECONDS.MILLIS:SERIAL)`: SYSCALL, one or more EXECVE (a
long argument is cut into pieces), CWD, and EOE at the end; those of different starts may interleave. Strings come
in quotes, or as hex digits when they hold spaces, quotes or anything but printable ASCII (kernel/audit.c,
audit_log_n_untrustedstring).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

SYSCALL, CWD, EXECVE, EOE = 1300, 1307, 1309, 1320

MAX_PENDING = 1_024
"""Starts whose end has not come; more can only be remains of lost records."""

MAX_ARGUMENT_BYTES = 128 << 10
"""Of one start's EXECVE records; a command line may be 2 MiB long."""


class ExecRecord(Struct, frozen=True):
    """One successful execve. `time_us` is the kernel's stamp (its resolution is 1 ms); `syscall` the fields as
    they stand in the record; `arguments` complete unless `truncated`; `cwd` is empty where it was lost."""

    time_us: int
    syscall: dict[str, str]
    arguments: list[str]
    cwd: str
    truncated: bool


class _Pending(Struct):
    syscall: bytes
    execve: list[bytes]
    cwd: bytes = b""
    size: int = 0
    truncated: bool = False


class Assembler:
    """Feed it records in the order in which they came."""

    def __init__(self, calls: dict[int, tuple[int, int]]) -> None:
        """`calls`: the numbers of execve and execveat by architecture."""
        self.incomplete = 0
        """Starts of which the kernel passed on only parts: seen, but not to be told."""
        self._markers = tuple(
            f"arch={arch:x} syscall={number} success=yes".encode()
            for arch, numbers in calls.items()
            for number in numbers
        )
        self._pending: dict[bytes, _Pending | None] = {}

    def feed(self, records: Iterable[tuple[int, bytes]]) -> Iterator[ExecRecord]:
        """The starts that these records complete."""
        for kind, text in records:
            stamp, _, rest = text.partition(b"): ")
            if kind == SYSCALL:
                self._begin(stamp, rest)
            elif kind == EOE:
                if start := self._pending.pop(stamp, None):
                    yield from self._finish(stamp, start)
            else:
                self._add(kind, stamp, rest)

    def _begin(self, stamp: bytes, rest: bytes) -> None:
        if len(self._pending) >= MAX_PENDING:
            self.incomplete += self._pending.pop(next(iter(self._pending))) is not None
        # Other rules' events have their EXECVE and CWD too: remembered as nothing, so as not to seem lost.
        self._pending[stamp] = _Pending(rest, []) if rest.startswith(self._markers) else None

    def _add(self, kind: int, stamp: bytes, rest: bytes) -> None:
        try:
            start = self._pending[stamp]
        except KeyError:
            self.incomplete += kind == EXECVE and rest.startswith(b"argc=")
            return
        if start is None:
            return
        if kind == CWD:
            start.cwd = rest
        elif start.size + len(rest) <= MAX_ARGUMENT_BYTES:
            start.execve.append(rest)
            start.size += len(rest)
        else:
            start.truncated = True

    def _finish(self, stamp: bytes, start: _Pending) -> Iterator[ExecRecord]:
        try:
            yield ExecRecord(
                time_us=_time_us(stamp),
                syscall=fields(start.syscall),
                arguments=arguments(start.execve),
                cwd=string(fields(start.cwd).get("cwd", "")),
                truncated=start.truncated,
            )
        except ValueError:
            self.incomplete += 1


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
    """The argument list of EXECVE records, pieces joined.

    Raises:
        ValueError: an argument is neither quoted nor hex digits.
    """
    found: list[bytes] = []
    for text in texts:
        for part in text.decode("ascii", "replace").split():
            name, _, value = part.partition("=")
            if name == "argc":
                continue
            if name.endswith("_len"):
                found.append(b"")
            elif name.endswith("]"):
                if not found:
                    raise ValueError("the piece of an argument without its beginning")
                found[-1] += _bytes(value)
            else:
                found.append(_bytes(value))
    return [argument.decode(errors="replace") for argument in found]


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
