"""A running helper with its main process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

from tests.agent.helper.audit_state import wait_for

ROOT = Path(__file__).parents[3]


class Divided:
    """A running helper with its main process, and everything they said."""

    def __init__(self, program: Path, directory: Path, what: str) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, str(program), str(directory), what],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def said(self, pattern: str) -> list[str]:
        return [found[0] for line in self.lines if (found := re.search(pattern, line))]

    def wait_said(self, pattern: str, times: int = 1) -> None:
        wait_for(lambda: len(self.said(pattern)) >= times or self.process.poll() is not None, what=pattern)
        assert len(self.said(pattern)) >= times, self.lines

    def main(self) -> int:
        """The main process's id, once it has told it."""
        self.wait_said(r"^main \d+")
        return int(self.said(r"^main \d+")[-1].split()[1])

    def end(self, seconds: float = 20.0) -> int:
        status = self.process.wait(seconds)
        self._reader.join(seconds)
        return status

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.end()
        assert self.process.stdout
        self.process.stdout.close()
