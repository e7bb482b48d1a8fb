"""Batches of records, and the audit socket itself."""

from __future__ import annotations

import errno
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.helper import kernel, netlink, rules
from agent.helper.exceptions import AuditError
from agent.helper.netlink import AuditSocket
from tests.agent.helper.audit_state import Audit, wait_for

RECORDS = st.lists(st.tuples(st.integers(0, 65_535), st.binary(max_size=300)), max_size=20)


def packed(records: list[tuple[int, bytes]]) -> bytes:
    return b"".join(
        netlink.HEADER.pack(netlink.HEADER_BYTES + len(text), kind, 0, 0, 0) + text for kind, text in records
    )


@given(RECORDS)
def test_split_gives_back_what_was_batched(records: list[tuple[int, bytes]]) -> None:
    assert list(netlink.split(packed(records))) == records


@given(st.binary(max_size=400))
def test_split_refuses_or_accounts_for_every_byte(data: bytes) -> None:
    try:
        records = list(netlink.split(data))
    except AuditError:
        return
    assert sum(netlink.HEADER_BYTES + len(text) for _, text in records) == len(data)


@pytest.mark.root
def test_a_refused_request_names_itself_and_keeps_its_cause(audit: Audit) -> None:
    socket = AuditSocket()
    with pytest.raises(AuditError, match="the kernel refused AUDIT_ADD_RULE") as refused:
        socket.request(netlink.AUDIT_ADD_RULE, b"\xff" * rules.HEAD.size)
    assert isinstance(refused.value.__cause__, OSError)
    assert refused.value.__cause__.errno == errno.EINVAL
    socket.close()


@pytest.mark.root
def test_records_arriving_between_request_and_answer_are_drained(audit: Audit) -> None:
    socket = AuditSocket()
    assert kernel.own(socket)
    kernel.change(socket, {"enabled": 1})
    for rule in rules.missing([]):
        kernel.add_rule(socket, rule)
    for _ in range(20):
        subprocess.run(["/bin/true"], check=True)
        kernel.get_status(socket)
    batch = bytearray(netlink.MAX_RECORD_BYTES * 2)
    starts: list[bytes] = []

    def drained() -> bool:
        used = socket.drain(batch, 0, frozenset({1309}))
        starts.extend(text for _, text in netlink.split(bytes(batch[:used])) if b'a0="/bin/true"' in text)
        return len(starts) >= 20

    wait_for(drained)
    assert 1300 in socket.passed_over
    kernel.disown(socket)
    socket.close()


@pytest.mark.root
def test_too_slow_a_reader_is_counted_not_fatal(audit: Audit) -> None:
    kernel_side = AuditSocket()
    kernel.change(kernel_side, {"enabled": 1})
    slow = AuditSocket(listen=True)
    slow._socket.setsockopt(1, 33, 1)  # SOL_SOCKET, SO_RCVBUFFORCE: the smallest buffer there is
    for rule in rules.missing([]):
        kernel.add_rule(kernel_side, rule)
    for _ in range(50):
        subprocess.run(["/bin/true"], check=True)
    batch = bytearray(1 << 20)
    slow.drain(batch, 0, frozenset({1300}))
    assert slow.overruns == 1
    slow.close()
    kernel_side.close()
