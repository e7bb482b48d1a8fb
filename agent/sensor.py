"""What a sensor is, and what it may ask of the agent that runs it.

A sensor is one source of events. It runs in a thread of its own in the unprivileged main process; what needs root
it asks of the root helper. `agent.sensors.sensors(config, helper)` makes all of them, working here or not.

Started as root, `agent.helper.run_split(main, config, layout)` prepares the data directory (`Layout.prepare`),
forks, gives up privilege in the child and runs `main(helper)` there; it returns the exit status of the whole.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from wire.block import Lane
from wire.event import Event
from wire.health import HealthSample


class Availability(Struct, frozen=True):
    """Whether a sensor works on this machine. `reason` says why not (or in which way it works, such as
    `beside auditd`), `fix` what a person can do about it."""

    works: bool
    reason: str = ""
    fix: str = ""


class Sink(Protocol):
    """Where one sensor puts what it sees. Safe to call from any thread of the sensor.

    Nothing here waits for the network or the disk, except `emit_many` with a bookmark. Events become durable in
    the order in which they were emitted, `urgent` at once, `security` within `spool.delay_seconds`, `routine`
    within `spool.routine_delay_seconds`; whatever is emitted earlier is durable no later than what follows.
    """

    def emit(self, lane: Lane, event: Event) -> None:
        """Hand over one event. When the memory for events is full it is dropped and counted as lost."""

    def emit_many(self, lane: Lane, events: Sequence[Event], bookmark: tuple[str, bytes] | None = None) -> None:
        """Hand over events in order. With a bookmark (name, value) the source can be read again from there, so
        nothing is dropped: the call waits while memory is full, and the bookmark becomes durable in the same
        transaction as the events it covers (`events` may be empty: then the bookmark alone moves).

        Raises:
            SpoolClosedError: the agent stops while the call waits; neither events nor bookmark were taken.
        """

    def sample(self, sample: HealthSample) -> None:
        """Hand over a measurement; it travels in the `routine` lane."""

    def bookmark(self, name: str) -> bytes | None:
        """The value last given under this name, kept through restarts; None when there is none. Names are of the
        whole agent: begin them with the sensor's name (`logs:/var/log/auth.log`)."""

    def count(self, name: str, n: int = 1) -> None:
        """Add to one of the sensor's own counters, shown in status and metrics: `lost_records`,
        `truncated_lines`. What begins with `lost_` is reported to the collector as lost."""


class Sensor(Protocol):
    """One source of events."""

    name: str
    """Lower case, as in the configuration: `health`, `process`, `logs`."""

    def availability(self) -> Availability:
        """Whether it works here; cheap, changes nothing, asked before `run` and again while it does not."""

    def run(self, sink: Sink, stop: threading.Event) -> None:
        """Work until `stop` is set. Returning earlier, or raising, has it started again with back-off, and both
        are counted and reported as `sensor_failed`.

        Raises:
            SensorError: it cannot go on; the text says why and what to do.
        """
