"""What is asked of the kernel's audit system, one function a request."""

from __future__ import annotations

import os

from agent.helper import rules, status
from agent.helper.exceptions import AuditError
from agent.helper.netlink import (
    AUDIT_ADD_RULE,
    AUDIT_DEL_RULE,
    AUDIT_GET,
    AUDIT_LIST_RULES,
    AUDIT_SET,
    AuditSocket,
)


def get_status(socket: AuditSocket) -> status.AuditStatus:
    """The audit system's state now.

    Raises:
        AuditError: refused.
    """
    return status.decode(socket.request(AUDIT_GET)[0])


def get_rules(socket: AuditSocket) -> list[rules.Rule]:
    """The rules there are, in the kernel's order.

    Raises:
        AuditError: refused.
    """
    return [rules.decode(data) for data in socket.request(AUDIT_LIST_RULES)]


def change(socket: AuditSocket, settings: dict[str, int]) -> None:
    """Set just these settings.

    Raises:
        AuditError: refused.
    """
    socket.request(AUDIT_SET, status.encode(settings))


def own(socket: AuditSocket) -> bool:
    """Make this socket the owner of the records; False when there is an owner that answers the kernel.

    Raises:
        AuditError: refused for another reason.
    """
    try:
        socket.request(AUDIT_SET, status.encode_owner(os.getpid()))
    except AuditError as error:
        if isinstance(error.__cause__, FileExistsError):
            return False
        raise
    return True


def disown(socket: AuditSocket) -> None:
    """Give ownership up.

    Raises:
        AuditError: refused.
    """
    socket.request(AUDIT_SET, status.encode_owner(0))


def add_rule(socket: AuditSocket, rule: bytes) -> None:
    """Append one rule; that it is there already is as good.

    Raises:
        AuditError: refused.
    """
    try:
        socket.request(AUDIT_ADD_RULE, rule)
    except AuditError as error:
        if not isinstance(error.__cause__, FileExistsError):
            raise


def delete_rule(socket: AuditSocket, rule: bytes) -> None:
    """Delete exactly this rule; that it is gone already is as good.

    Raises:
        AuditError: refused.
    """
    try:
        socket.request(AUDIT_DEL_RULE, rule)
    except AuditError as error:
        if not isinstance(error.__cause__, FileNotFoundError):
            raise
