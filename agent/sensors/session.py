"""The log-in session that a SYSCALL record tells of."""

from __future__ import annotations

from agent.sensors.accounts import UNSET
from wire.event import Value


def session(call: dict[str, str]) -> dict[str, Value]:
    """Who logged in, in which session and on which terminal: only where somebody did."""
    fields: dict[str, Value] = {}
    if (number := int(call["ses"])) != UNSET:
        fields["LogonId"] = number
    if (login := int(call["auid"])) != UNSET:
        fields["auid"] = login
    if call["tty"] != "(none)":
        fields["TerminalId"] = call["tty"]
    return fields
