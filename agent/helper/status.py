"""The audit system's state as the kernel tells and takes it: `struct audit_status` of linux/audit.h."""

from __future__ import annotations

import struct

from msgspec import Struct

from agent.helper.exceptions import AuditError

ENABLED = 0x01
FAILURE = 0x02
PID = 0x04
RATE_LIMIT = 0x08
BACKLOG_LIMIT = 0x10
BACKLOG_WAIT_TIME = 0x20

LOCKED = 2
"""`enabled` of a system whose audit settings stay as they are until reboot (auditctl -e 2)."""

PRINT_ON_LOSS = 1
"""`failure`: a lost record is told in the kernel log; 0 is silence, 2 halts the machine."""
PANIC_ON_LOSS = 2

LAYOUT = struct.Struct("=10I")
"""mask, enabled, failure, pid, rate_limit, backlog_limit, lost, backlog, features, backlog_wait_time; newer
kernels add fields behind these and accept the shorter form."""

MASKS = {
    "enabled": ENABLED,
    "failure": FAILURE,
    "rate_limit": RATE_LIMIT,
    "backlog_limit": BACKLOG_LIMIT,
    "backlog_wait_time": BACKLOG_WAIT_TIME,
}
"""Which settings can be changed and put back, with the bit that says so."""


class AuditStatus(Struct, frozen=True, kw_only=True):
    """What AUDIT_GET answers. `pid` is the owner of the records, 0 for none; `backlog_wait_time` is in jiffies:
    how long the kernel makes a process wait when the backlog is full."""

    enabled: int
    failure: int
    pid: int
    rate_limit: int
    backlog_limit: int
    lost: int
    backlog: int
    backlog_wait_time: int

    def settings(self) -> dict[str, int]:
        """The part that can be changed and put back."""
        return {name: getattr(self, name) for name in MASKS}


def decode(payload: bytes) -> AuditStatus:
    """Read the kernel's answer.

    Raises:
        AuditError: shorter than any kernel's since 3.14.
    """
    if len(payload) < LAYOUT.size:
        raise AuditError(f"the kernel's audit status has {len(payload)} bytes, expected {LAYOUT.size} or more")
    _, enabled, failure, pid, rate, limit, lost, backlog, _, wait = LAYOUT.unpack_from(payload)
    return AuditStatus(
        enabled=enabled,
        failure=failure,
        pid=pid,
        rate_limit=rate,
        backlog_limit=limit,
        lost=lost,
        backlog=backlog,
        backlog_wait_time=wait,
    )


def encode(settings: dict[str, int]) -> bytes:
    """An AUDIT_SET of just these settings."""
    mask = 0
    for name in settings:
        mask |= MASKS[name]
    get = settings.get
    values = (get("enabled", 0), get("failure", 0), 0, get("rate_limit", 0), get("backlog_limit", 0))
    return LAYOUT.pack(mask, *values, 0, 0, 0, get("backlog_wait_time", 0))


def encode_owner(pid: int) -> bytes:
    """An AUDIT_SET that makes the sending socket the owner (`pid` of this process) or gives it up (0)."""
    return LAYOUT.pack(PID, 0, 0, pid, 0, 0, 0, 0, 0, 0)
