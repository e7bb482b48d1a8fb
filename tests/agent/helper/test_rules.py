"""Audit rules as the kernel takes and lists them."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.helper import kernel, rules
from agent.helper.exceptions import AuditError
from agent.helper.netlink import AuditSocket
from tests.agent.helper.audit_state import Audit


def test_our_rules_cover_what_they_are_for() -> None:
    for machine, calls in rules.EXEC_CALLS.items():
        made = rules.missing([], machine)
        assert len(made) == len(calls)
        assert rules.missing(map(rules.decode, made), machine) == []


def test_an_unknown_machine_is_named() -> None:
    with pytest.raises(AuditError, match="riscv64: only on x86_64, aarch64"):
        rules.exec_calls("riscv64")


@given(st.binary(max_size=200))
def test_whatever_is_listed_is_read_or_refused(tail: bytes) -> None:
    for head in (b"", b"\x04\0\0\0\x02\0\0\0\x40\0\0\0" + b"\xff" * (rules.HEAD.size - 12)):
        try:
            rules.decode(head + tail)
        except AuditError:
            continue


def test_a_rule_with_a_condition_of_its_own_covers_nothing() -> None:
    made = rules.decode(rules.missing([], "x86_64")[0])
    narrower = rules.Rule(
        list_=made.list_,
        action=made.action,
        calls=made.calls,
        conditions=(*made.conditions, (9, 1_000, rules.EQUAL)),
        key=b"admin",
        data=b"",
    )
    assert made.covers(0xC000003E, (59, 322))
    assert not narrower.covers(0xC000003E, (59, 322))


@pytest.mark.root
def test_the_kernel_lists_our_rules_as_we_read_them(audit: Audit) -> None:
    socket = AuditSocket()
    for rule in rules.missing([]):
        kernel.add_rule(socket, rule)
        kernel.add_rule(socket, rule)
    listed = [rule for rule in kernel.get_rules(socket) if rule.key == rules.KEY]
    assert [rule.calls for rule in listed] == [frozenset(calls) for calls in rules.exec_calls().values()]
    assert rules.missing(listed) == []
    socket.close()


@pytest.mark.root
def test_an_administrators_own_rule_makes_ours_superfluous(audit: Audit) -> None:
    for arch in ("b64", "b32"):
        subprocess.run(
            ["auditctl", "-a", "always,exit", "-F", f"arch={arch}", "-S", "execve,execveat", "-k", "theirs"],
            check=True,
            capture_output=True,
        )
    socket = AuditSocket()
    assert rules.missing(kernel.get_rules(socket)) == []
    socket.close()
