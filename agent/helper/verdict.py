"""Whether process starts can be had from this machine's audit system, and if not, why and what to do."""

from __future__ import annotations

import errno
import os
from typing import Literal

from msgspec import Struct

from agent.helper import kernel, rules, status
from agent.helper.exceptions import AuditError
from agent.helper.netlink import AuditSocket

Mode = Literal["off", "owner", "beside"]


class Verdict(Struct, frozen=True, kw_only=True):
    """`mode` is how we would take part: `owner` of the records, or listening `beside` their owner."""

    works: bool
    mode: Mode = "off"
    reason: str = ""
    fix: str = ""


def probe() -> Verdict:
    """Look at the machine; changes nothing."""
    try:
        socket = AuditSocket()
    except AuditError as error:
        return _refused(error)
    try:
        return judge(kernel.get_status(socket), kernel.get_rules(socket))
    except (AuditError, OSError) as error:
        return _refused(error)
    finally:
        socket.close()


def judge(now: status.AuditStatus, there: list[rules.Rule]) -> Verdict:
    """What taking part would come to in this state of the audit system."""
    beside = now.pid not in (0, os.getpid()) and alive(now.pid)
    try:
        absent = rules.missing(there)
    except AuditError as error:
        return Verdict(works=False, reason=str(error))
    if any(rule.blinds() for rule in there):
        return Verdict(
            works=False,
            reason="an audit rule `-a never,task` keeps new processes out of auditing",
            fix="Delete it (auditctl -d never,task), also from /etc/audit/rules.d.",
        )
    if now.enabled == status.LOCKED and absent:
        return Verdict(
            works=False,
            reason="the audit rules are locked until reboot (auditctl -e 2) and do not record process starts",
            fix="Add `-a always,exit -F arch=b64 -S execve,execveat` to them, the same for b32, and reboot.",
        )
    if beside and now.failure == status.PANIC_ON_LOSS and absent:
        return Verdict(
            works=False,
            reason="auditing is set to halt the machine on a lost record (auditctl -f 2): no load is added",
            fix="Set `-f 1` in the audit rules, or add rules for execve and execveat there yourself.",
        )
    if beside:
        return Verdict(works=True, mode="beside", reason=f"beside the audit daemon (pid {now.pid})")
    return Verdict(works=True, mode="owner", reason="owner of the audit records")


def alive(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _refused(error: AuditError | OSError) -> Verdict:
    cause = error if isinstance(error, OSError) else error.__cause__
    code = cause.errno if isinstance(cause, OSError) else 0
    if code == errno.EPERM:
        return Verdict(
            works=False,
            reason="no privilege to control auditing",
            fix="Start the agent as root; in a container, run it on the host instead.",
        )
    if code == errno.EPROTONOSUPPORT:
        return Verdict(works=False, reason=str(error), fix="Run a kernel with CONFIG_AUDITSYSCALL.")
    if code == errno.ECONNREFUSED:
        return Verdict(
            works=False,
            reason="the kernel's audit system does not answer",
            fix="Remove audit=0 from the kernel's command line; in a container, run the agent on the host.",
        )
    return Verdict(works=False, reason=str(error))
