"""What the agent says about itself: started, stopped, lost something. One closed list of actions."""

from __future__ import annotations

from typing import Literal

from agent.clock import mono_us, now_us
from wire.block import Lane
from wire.event import Event, Logsource

AGENT = Logsource(product="lienphong", service="agent")

LANE: Lane = "urgent"
"""These are few, and whoever silences an agent must not have them evicted by a flood."""

Action = Literal[
    "started",
    "stopped",
    "sensor_unavailable",
    "sensor_failed",
    "spool_replaced",
    "certificate_renewed",
]


def event(action: Action, **fields: str | int | float) -> Event:
    """An event about the agent, now. `docs/agent.md` lists each action's fields."""
    return Event(time=now_us(), mono=mono_us(), source=AGENT, origin="agent", fields={"action": action, **fields})
