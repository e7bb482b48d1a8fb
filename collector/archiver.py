"""The archiver's process: blocks from the inbox to the archive."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from collector.archive.raw import RawArchive
from collector.consumer import Cursor, Loop
from collector.door import Door

BLOCKS = 256
"""A fetch: large enough for files of some size under load."""


def run(directory: Path, gateway: Path, ready: Callable[[], None]) -> None:
    """Archive until SIGTERM. `directory` is this process's own; `gateway` the gateway's door."""
    cursor = Cursor(directory / "archiver.sqlite")
    with Door(gateway) as door:
        loop = Loop("archiver", door, cursor, RawArchive(directory / "raw", cursor), threading.Event(), BLOCKS)
        loop.stop_on_signals()
        ready()
        loop.run()
