"""What the kernel's audit system reports: process starts, in the fields of Sigma's `process_creation`, and writing
to watched places (`changes`)."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterable

from agent import clock
from agent.config import ProcessConfig
from agent.exceptions import HelperError, SensorError
from agent.helper import rules, verdict
from agent.helper.client import HelperClient, RecordBatch
from agent.sensor import Availability, Sink
from agent.sensors import scrub
from agent.sensors.accounts import Accounts
from agent.sensors.ancestry import Ancestry
from agent.sensors.changes import Changes
from agent.sensors.records import GAP, Assembler, ExecRecord, string
from agent.sensors.session import session
from wire.event import Event, Logsource, Value

SOURCE = Logsource(product="linux", category="process_creation")

MAX_HEAD, CUT, MAX_TAIL = 40 << 10, " … ", 20 << 10
MAX_COMMAND = MAX_HEAD + len(CUT) + MAX_TAIL
"""Characters of `CommandLine`; a longer one loses its middle, and `CommandLineLength` tells how long it was."""

UNSURE = 4_096
"""Characters behind a gap in the records that are not shown: what would mark them as secret may be gone."""


class ProcessSensor:
    """Needs the root helper, which takes part in the audit system for it."""

    name = "process"

    def __init__(self, config: ProcessConfig, helper: HelperClient | None) -> None:
        self._config = config
        self._helper = helper

    def availability(self) -> Availability:
        """Asks the audit system through the helper; or directly, where this process is root itself."""
        if not self._config.enabled:
            return Availability(False, "switched off", "Set sensors.process.enabled: true.")
        if self._helper is None and os.geteuid() != 0:
            return Availability(False, "needs the root helper", "Start the agent as root.")
        try:
            found = self._helper.probe_audit() if self._helper else verdict.probe()
        except HelperError as error:
            return Availability(False, str(error), "Start the agent again.")
        return Availability(found.works, found.reason, found.fix)

    def run(self, sink: Sink, stop: threading.Event) -> None:
        """Emit every start and change in the `security` lane until `stop` is set.

        Raises:
            SensorError: no helper, or the audit system cannot be used.
        """
        if self._helper is None:
            raise SensorError("process starts need the root helper: start the agent as root")
        try:
            told = Activity(self._helper, self._config.watch)
            self._helper.start_audit()
            for batch in self._helper.records(stop):
                _count_losses(batch, sink)
                if events := told.events(batch.records):
                    sink.emit_many("security", events)
                for name, number in told.take_counts().items():
                    sink.count(name, number)
        except HelperError as error:
            raise SensorError(f"process starts: {error}") from error


class Activity:
    """Turns records into events; knows who started whom."""

    def __init__(self, helper: HelperClient, places: Iterable[str]) -> None:
        """Reads what runs already, and what lies in the watched places.

        Raises:
            HelperError: the helper is gone.
        """
        self._assembler = Assembler(rules.exec_calls())
        self._accounts = Accounts()
        self._ancestry = Ancestry(helper.image_of, lambda given: " ".join(scrub.arguments(given)))
        self._ancestry.seed(helper.processes())
        self._changes = Changes(places, helper.watched, self._accounts, self._ancestry)
        self._counted: Counter[str] = Counter()

    def events(self, records: list[tuple[int, bytes]]) -> list[Event]:
        """The starts and changes that these records complete, in order."""
        self._ancestry.refresh()
        to_mono = clock.mono_us() - clock.now_us()
        found: list[Event] = []
        for record in self._assembler.feed(records):
            if isinstance(record, ExecRecord):
                found.append(self._event(record, to_mono))
            else:
                found += self._changes.events(record, to_mono)
        return found

    def take_counts(self) -> dict[str, int]:
        """What was not told since the last call, by why."""
        now = Counter(
            lost_starts=self._assembler.incomplete,
            lost_changes=self._assembler.incomplete_changes,
            repeated_changes=self._changes.repeated,
            unnamed_changes=self._changes.unnamed,
        )
        news, self._counted = now - self._counted, now
        return news

    def _event(self, record: ExecRecord, to_mono: int) -> Event:
        call = record.syscall
        pid, parent_pid = int(call["pid"]), int(call["ppid"])
        image = string(call["exe"])
        command = " ".join(scrub.arguments(record.arguments))
        parent = self._ancestry.program(parent_pid)
        mono = max(0, record.time_us + to_mono)
        # The kernel's stamp is up to a millisecond early, and a start is never later than what it started.
        self._ancestry.started(pid, image, command, mono + 1_000)
        fields: dict[str, Value] = {
            "Image": image,
            "CommandLine": shown(command),
            "CurrentDirectory": record.cwd,
            "User": self._accounts.name(int(call["uid"])),
            "ProcessId": pid,
            "ParentProcessId": parent_pid,
            "ParentImage": parent.image,
            "ParentCommandLine": parent.command,
            "uid": int(call["uid"]),
            "euid": int(call["euid"]),
        }
        if len(command) > MAX_COMMAND or record.truncated:
            fields["CommandLineLength"] = len(command)
        fields.update(session(call))
        return Event(time=record.time_us, mono=mono, source=SOURCE, origin="kernel", fields=fields)


def shown(command: str) -> str:
    """What is told of a command line: all, or front and end, for a command may stand behind padding."""
    front, gap, end = command.partition(GAP)
    if gap:
        return front[:MAX_HEAD] + CUT + end[max(UNSURE, len(end) - MAX_TAIL) :]
    if len(command) <= MAX_COMMAND:
        return command
    return command[:MAX_HEAD] + CUT + command[-MAX_TAIL:]


def _count_losses(batch: RecordBatch, sink: Sink) -> None:
    if batch.lost_by_kernel:
        sink.count("lost_records_kernel", batch.lost_by_kernel)
    if batch.lost_by_helper:
        sink.count("lost_records_helper", batch.lost_by_helper)
    if batch.overruns:
        sink.count("lost_overruns", batch.overruns)
