"""Keeps one sensor running: in its own thread, started again with back-off, every failure counted and reported."""

from __future__ import annotations

import logging
import threading
import time
from typing import Literal

from msgspec import Struct

from agent import own
from agent.backoff import Backoff
from agent.exceptions import SensorError, SpoolClosedError
from agent.sensor import Availability, Sensor
from agent.sink import SpoolSink
from agent.spool import Spool
from agent.tally import Tally

log = logging.getLogger(__name__)

RECHECK_SECONDS = 60.0
"""Between two looks whether a sensor that could not work now can."""

STEADY_SECONDS = 300.0
"""A sensor that ran this long starts again at once, as if it had never failed."""

Phase = Literal["off", "starting", "running", "unavailable", "failed", "stopped"]


class SensorState(Struct, kw_only=True):
    """For status."""

    name: str
    phase: Phase = "starting"
    reason: str = ""
    fix: str = ""
    restarts: int = 0


class Supervised:
    """One sensor and its thread."""

    def __init__(
        self, sensor: Sensor, spool: Spool, tally: Tally, stop: threading.Event, enabled: bool = True
    ) -> None:
        self.state = SensorState(name=sensor.name, phase="starting" if enabled else "off")
        self._sensor = sensor
        self._spool = spool
        self._tally = tally
        self._stop = stop
        self._sink = SpoolSink(sensor.name, spool, tally)
        self._backoff = Backoff(1.0, 60.0)
        self._thread = threading.Thread(target=self._work, name=f"sensor-{sensor.name}", daemon=True)

    def start(self) -> None:
        """Begin, unless the configuration has it switched off."""
        if self.state.phase != "off":
            self._thread.start()

    def join(self, timeout: float) -> bool:
        """Wait for the thread to end after `stop` was set; False when it has not within `timeout` seconds."""
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                availability = self._sensor.availability()
                if availability.works:
                    self._stop.wait(self._attempt(availability))
                else:
                    self._unavailable(availability)
                    self._stop.wait(RECHECK_SECONDS)
        except SpoolClosedError:
            log.debug("%s: the spool closed first", self._sensor.name)
        self.state.phase = "stopped"

    def _attempt(self, availability: Availability) -> float:
        """Run it until it ends; the seconds to wait before the next time."""
        self.state.phase, self.state.reason, self.state.fix = "running", availability.reason, ""
        started = time.monotonic()
        problem = "it ended by itself"
        try:
            self._sensor.run(self._sink, self._stop)
        except SpoolClosedError:
            raise
        except SensorError as error:
            problem = str(error)
        except Exception as error:
            log.exception("sensor %s failed", self._sensor.name)
            problem = f"{type(error).__name__}: {error}"
        if self._stop.is_set():
            return 0.0
        if time.monotonic() - started > STEADY_SECONDS:
            self._backoff.reset()
        return self._failed(problem)

    def _failed(self, problem: str) -> float:
        pause = self._backoff.next()
        self.state.phase, self.state.reason = "failed", problem
        self.state.restarts += 1
        self._tally.add("sensor_restarts", 1, self._sensor.name)
        log.error("sensor %s: %s; started again in %.1f s", self._sensor.name, problem, pause)
        self._report("sensor_failed", problem)
        return pause

    def _unavailable(self, availability: Availability) -> None:
        if self.state.phase == "unavailable" and self.state.reason == availability.reason:
            return
        self.state.phase, self.state.reason, self.state.fix = "unavailable", availability.reason, availability.fix
        log.warning(
            "sensor %s does not work here: %s. %s", self._sensor.name, availability.reason, availability.fix
        )
        self._report("sensor_unavailable", availability.reason)

    def _report(self, action: own.Action, reason: str) -> None:
        self._spool.put(own.LANE, [own.event(action, sensor=self._sensor.name, reason=reason[:1_024])])
