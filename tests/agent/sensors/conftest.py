"""Fixtures of the sensors' tests."""

from tests.agent.helper.audit_state import audit, reachable

__all__ = ["audit", "reachable"]
