"""The agent's own counts: cheap to add to from any thread, read by status and metrics."""

from __future__ import annotations

import threading
from collections import defaultdict

Labels = tuple[str, ...]


class Tally:
    """Counters by name and label values; they start at zero with the process and only grow."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, dict[Labels, int]] = defaultdict(lambda: defaultdict(int))

    def add(self, name: str, n: int, *labels: str) -> None:
        """Add `n` (nothing is recorded for 0)."""
        if n:
            with self._lock:
                self._counts[name][labels] += n

    def read(self, name: str) -> dict[Labels, int]:
        """The counter's values by label values."""
        with self._lock:
            return dict(self._counts.get(name, {}))

    def total(self, name: str) -> int:
        """The sum over all label values."""
        return sum(self.read(name).values())
