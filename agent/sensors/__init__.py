"""One module a source of events; this is where all of them are listed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.sensors.health import HealthSensor
from agent.sensors.logs import LogSensor
from agent.sensors.process import ProcessSensor

if TYPE_CHECKING:
    from agent.config import Config
    from agent.helper.client import HelperClient
    from agent.sensor import Sensor


def sensors(config: Config, helper: HelperClient | None) -> list[Sensor]:
    """Every sensor there is, working here or not; `helper` is None where the agent runs without root."""
    return [
        HealthSensor(config.sensors.health),
        ProcessSensor(config.sensors.process, helper),
        LogSensor(config.sensors.logs, helper),
    ]
