"""Fixtures of the sensors' tests."""

from tests.agent.helper.audit_state import audit, reachable
from tests.agent.sensors.watched import watching

__all__ = ["audit", "reachable", "watching"]
