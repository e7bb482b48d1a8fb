"""Fixtures of the rules' tests."""

from tests.agent.helper.audit_state import audit, reachable

__all__ = ["audit", "reachable"]
