"""Whether process starts can be had, in states of the audit system that a test must not bring about for real."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from agent.helper import rules, status, verdict
from agent.helper.verdict import judge
from tests.agent.helper.audit_state import Audit

OURS = [rules.decode(rule) for rule in rules.missing([])]


def state(**changed: int) -> status.AuditStatus:
    quiet = {"enabled": 1, "failure": 1, "pid": 0, "rate_limit": 0, "backlog_limit": 64, "lost": 0, "backlog": 0}
    return status.AuditStatus(**{**quiet, "backlog_wait_time": 0, **changed})


def test_a_free_place_is_taken_and_an_owner_is_joined() -> None:
    assert judge(state(), []).mode == "owner"
    assert judge(state(pid=os.getpid()), []).mode == "owner"
    found = judge(state(pid=os.getppid()), [])
    assert (found.works, found.mode, found.reason) == (
        True,
        "beside",
        f"beside the audit daemon (pid {os.getppid()})",
    )


def test_a_dead_owner_is_none() -> None:
    child = subprocess.Popen(["/bin/true"])
    child.wait()
    assert judge(state(pid=child.pid), []).mode == "owner"


def test_locked_rules_are_enough_only_if_they_cover_starts() -> None:
    refused = judge(state(enabled=status.LOCKED), [])
    assert not refused.works
    assert "locked until reboot" in refused.reason
    assert "execve,execveat" in refused.fix
    assert judge(state(enabled=status.LOCKED), OURS).works


def test_a_machine_set_to_halt_on_loss_gets_no_more_load() -> None:
    halting = state(failure=status.PANIC_ON_LOSS, pid=os.getppid())
    assert "halt the machine" in judge(halting, []).reason
    assert judge(halting, OURS).works


@pytest.mark.root
def test_a_rule_that_keeps_new_processes_out_is_found(audit: Audit) -> None:
    assert verdict.probe().works
    subprocess.run(["auditctl", "-a", "task,never"], check=True, capture_output=True)
    found = verdict.probe()
    assert not found.works
    assert "never,task" in found.reason
    assert "auditctl -d never,task" in found.fix


@pytest.mark.root
def test_without_privilege_it_says_so() -> None:
    if os.geteuid() != 0:
        assert not verdict.probe().works
        return
    code = "from agent.helper.verdict import probe; print(probe().reason, '|', probe().fix)"
    told = subprocess.run(
        ["setpriv", "--reuid=61721", "--regid=61721", "--clear-groups", sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert "no privilege to control auditing | Start the agent as root" in told
