"""The resident agent: wires sensors, spool, uplink, status and metrics, and stops them in the right order."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from agent import clock, identity, metrics, own
from agent.config import Config
from agent.connection import Connection
from agent.exceptions import AlreadyRunningError
from agent.layout import Layout
from agent.renewal import Renewal
from agent.sensors import sensors
from agent.spool import Spool
from agent.spoolfile import Owner
from agent.status import SensorStatus, Status, StatusServer
from agent.supervision import Supervised
from agent.tally import Tally
from agent.uplink import Uplink

if TYPE_CHECKING:
    from agent.helper import HelperClient

log = logging.getLogger(__name__)

AGENTS_PORT = 7443
LOOK_SECONDS = 5.0
"""Between two looks at whether parent and threads are well."""

SENSOR_STOP_SECONDS = 5.0
UPLINK_STOP_SECONDS = 3.0
SPOOL_STOP_SECONDS = 5.0


def run(config: Config, layout: Layout) -> int:
    """Run the agent until it is told to stop; returns the exit status. As root, the privileged helper stays behind
    and this continues in an unprivileged child.

    Raises:
        AgentError: it cannot start; the text says why.
    """
    identity.load(layout.identity)
    if os.geteuid() == 0:
        from agent.helper import run_split

        return run_split(lambda helper: Agent(config, layout, helper).run(), config, layout)
    layout.prepare(os.getuid(), os.getgid())
    return Agent(config, layout, None).run()


class Agent:
    """Everything that runs in the main process."""

    def __init__(self, config: Config, layout: Layout, helper: HelperClient | None) -> None:
        self._config = config
        self._layout = layout
        self._helper = helper
        self._tally = Tally()
        self._stop = threading.Event()
        self._started = clock.now_us()

    def run(self) -> int:
        """Work until SIGTERM, SIGINT or the parent's end; 0 after a clean stop, 1 when a part of it died."""
        signals = {signal.SIGTERM, signal.SIGINT}
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        with _locked(self._layout.run):
            self._open()
            stop_metrics = self._serve_metrics()
            try:
                return self._watch(signals)
            finally:
                self._close()
                stop_metrics()

    def status(self) -> Status:
        """The agent's condition now."""
        record, uplink = self._renewal.record, self._uplink.state
        return Status(
            running=True,
            version=version("lien-phong"),
            identity=record.identity,
            collector=self._connection.address.url(),
            certificate_until=record.not_after,
            spool=self._spool.state(),
            pid=os.getpid(),
            started=self._started,
            phase=uplink.phase,
            last_error=uplink.last_error,
            last_success=uplink.last_success,
            next_try=uplink.next_try,
            clock_offset_us=self._uplink.skew.offset_us,
            delivered_batches=self._tally.read("uplink_batches").get(("delivered",), 0),
            lost_events={labels[0]: n for labels, n in self._tally.read("lost_events").items()},
            sensors=[self._sensor_status(s) for s in self._sensors],
        )

    def _open(self) -> None:
        config, layout = self._config, self._layout
        record = identity.load(layout.identity)
        owner = Owner(record.identity.agent, clock.machine_id(), clock.boot_id())
        self._spool = Spool(layout.spool, owner, config.spool, self._tally)
        self._renewal = Renewal(layout.identity, record)
        address = identity.parse_url(config.collector.url or record.collector, AGENTS_PORT)
        identity.context(layout.identity)
        self._connection = Connection(
            address, lambda: identity.context(layout.identity), config.uplink.timeout_seconds
        )
        self._uplink = Uplink(self._spool, self._connection, self._renewal, config.uplink, self._tally)
        self._sensors = [
            Supervised(found, self._spool, self._tally, self._stop, getattr(config.sensors, found.name).enabled)
            for found in sensors(config, self._helper)
        ]
        self._status = StatusServer(layout.run, self.status)
        self._spool.put(own.LANE, [own.event("started", version=version("lien-phong"), pid=os.getpid())])
        self._uplink.start()
        for sensor in self._sensors:
            sensor.start()
        log.info("reporting to %s as agent %s", address.url(), record.identity.agent)

    def _serve_metrics(self) -> metrics.Stop:
        port = self._config.metrics.port
        if not port:
            return lambda: None
        try:
            return metrics.serve(port, metrics.registry(self._tally, self.status))
        except OSError as error:
            log.warning("no metrics: 127.0.0.1:%d: %s; set metrics.port to another, or 0", port, error.strerror)
            return lambda: None

    def _watch(self, signals: set[signal.Signals]) -> int:
        parent = os.getppid()
        while True:
            received = signal.sigtimedwait(signals, LOOK_SECONDS)
            if received is not None:
                log.info("stopping: %s", signal.Signals(received.si_signo).name)
                return 0
            if self._helper is not None and os.getppid() != parent:
                log.error("stopping: the helper is gone")
                return 1
            if not (self._spool.alive() and self._uplink.alive()):
                log.critical("stopping: a part of the agent died, which is a defect; see the traceback above")
                return 1

    def _close(self) -> None:
        self._stop.set()
        deadline = time.monotonic() + SENSOR_STOP_SECONDS
        for sensor in self._sensors:
            if not sensor.join(max(0.0, deadline - time.monotonic())):
                log.warning("sensor %s did not stop in time", sensor.state.name)
        self._spool.put(own.LANE, [own.event("stopped", pid=os.getpid())])
        self._spool.flush(SPOOL_STOP_SECONDS)
        self._uplink.stop(UPLINK_STOP_SECONDS)
        self._status.close()
        if not self._spool.close(SPOOL_STOP_SECONDS):
            log.error("the disk took not everything: events in memory are lost")

    def _sensor_status(self, sensor: Supervised) -> SensorStatus:
        name, state = sensor.state.name, sensor.state
        events = self._tally.read("events")
        counts = self._tally.read("sensor_counts")
        return SensorStatus(
            name=name,
            phase=state.phase,
            reason=state.reason,
            fix=state.fix,
            restarts=state.restarts,
            events=sum(n for labels, n in events.items() if labels[0] == name),
            counts={labels[1]: n for labels, n in counts.items() if labels[0] == name},
        )


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """One agent a data directory: two would tear its spool apart."""
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunningError(
                f"{directory.parent}: an agent works on this directory already; stop it first"
            ) from error
        yield
    finally:
        os.close(descriptor)
