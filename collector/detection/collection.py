"""Sigma collections: documents of one file that build on each other by `action: global | reset | repeat`."""

from __future__ import annotations

from typing import Any

from collector.detection.exceptions import RuleError

_RULE_KEYS = frozenset(["title", "logsource", "detection", "correlation", "filter"])


class Collection:
    """The state of one file: its global template and the rule before."""

    def __init__(self) -> None:
        self._template: dict[str, Any] = {}
        self._previous: dict[str, Any] = {}

    def take(self, content: object) -> dict[str, Any] | None:
        """The rule that the document amounts to, or `None` if it only changes the state or is empty.

        Raises:
            RuleError: the document is no rule, or its action is unknown.
        """
        if content is None:
            return None
        if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
            raise RuleError("not a Sigma rule: the document is not a map of named sections")
        action = content.get("action")
        if action is None:
            return self._plain(content)
        if action == "global":
            self._template = self._previous = _without_action(content)
            return None
        if action == "reset":
            self._template = {}
            return None
        if action == "repeat":
            self._previous = _merged(self._previous, _without_action(content))
            return self._previous
        raise RuleError(f"unknown action {str(action)[:100]!r}; known are global, reset and repeat")

    def _plain(self, content: dict[str, Any]) -> dict[str, Any]:
        if not self._template and not _RULE_KEYS & content.keys():
            raise RuleError("not a Sigma rule: it has no title, logsource or detection")
        if "correlation" in content or "filter" in content:
            return content
        self._previous = _merged(content, self._template)
        return self._previous


def _without_action(content: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in content.items() if key != "action"}


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`below` with what `above` says laid over it, map by map."""
    merged = dict(below)
    for key, value in above.items():
        known = merged.get(key)
        merged[key] = _merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return merged
