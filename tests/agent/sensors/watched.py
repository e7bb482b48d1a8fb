"""The process sensor at work in an agent of its own, and what it told."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from tests.agent.helper.audit_state import audit_alone, reachable_directory, wait_for
from tests.agent.helper.divided import Divided
from wire.event import Event, Value

PROGRAM = Path(__file__).with_name("watching.py")


class Watching:
    """The sensor, and what it told."""

    def __init__(self, divided: Divided) -> None:
        self.divided = divided

    def events(self) -> list[Event]:
        lines = [line for line in self.divided.lines if line.startswith("event ")]
        return [msgspec.json.decode(line.removeprefix("event "), type=Event) for line in lines]

    def find(self, holds: Callable[[dict[str, Value]], bool]) -> Event:
        found: list[Event] = []

        def look() -> bool:
            found[:] = [event for event in self.events() if holds(event.fields)]
            return bool(found)

        wait_for(look, what="the event")
        return found[0]

    def command(self, ends: str) -> Event:
        return self.find(lambda fields: str(fields["CommandLine"]).endswith(ends))

    def written(self, path: Path) -> Event:
        return self.find(lambda fields: fields.get("TargetFilename") == str(path))


@pytest.fixture(scope="module")
def watching() -> Iterator[Watching]:
    """One for all tests of a module: each looks for words of its own. What it changed is put back."""
    if os.geteuid() != 0:
        pytest.skip("the audit system is root's: run the tests as root")
    with audit_alone() as audit, reachable_directory() as directory:
        divided = Divided(PROGRAM, directory, "process")
        divided.main()
        wait_for(lambda: audit.status().enabled and len(audit.rules()) > 2, what="the rules")
        yield Watching(divided)
        divided.process.terminate()
        divided.end()
        divided.close()
        assert audit.state() == audit.before
