"""Picks, of the records that arrive, those the main process has a use for.

PATH records are the bulk of a process start and say nothing more of it; of a file that is written to, they are all
there is. Which event one belongs to, its stamp tells: the SYSCALL record that came before with the same one.
"""

from __future__ import annotations

from agent.helper import rules

SYSCALL, PATH, CWD, EXECVE, EOE = 1300, 1302, 1307, 1309, 1320
WANTED = frozenset({SYSCALL, PATH, CWD, EXECVE, EOE})

MAX_OPEN = 256
"""Events under way whose PATH records are wanted: at most a few a processor."""

BEGINNING = 120
"""Bytes of a record that hold its stamp, architecture, call and success."""


class Sift:
    """Ask it about each record of a wanted type, in their order."""

    def __init__(self) -> None:
        """Raises:
        AuditError: an architecture whose numbers we do not know.
        """
        self._starts = rules.start_markers(rules.exec_calls())
        self._open: dict[bytes, None] = {}

    def keeps(self, kind: int, record: memoryview) -> bool:
        """Whether to pass it on."""
        if kind == PATH:
            return bytes(record[:BEGINNING]).partition(b"): ")[0] in self._open
        if kind == SYSCALL:
            self._begin(bytes(record[:BEGINNING]))
        elif kind == EOE and self._open:
            self._open.pop(bytes(record).partition(b"): ")[0], None)
        return True

    def _begin(self, text: bytes) -> None:
        stamp, _, rest = text.partition(b"): ")
        if b" success=yes" not in rest or rest.startswith(self._starts):
            return
        if len(self._open) >= MAX_OPEN:
            del self._open[next(iter(self._open))]
        self._open[stamp] = None
