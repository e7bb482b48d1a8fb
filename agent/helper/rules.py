"""Audit rules as the kernel takes and lists them (`struct audit_rule_data` of linux/audit.h), and those for
process starts; those for watched places are in `watches`."""

from __future__ import annotations

import os
import platform
import struct
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from agent.helper.exceptions import AuditError

KEY = b"lienphong"
"""What our rules are tagged with; only rules with this key are ever deleted."""

FILTER_TASK = 0x01
FILTER_EXIT = 0x04
NEVER = 0
ALWAYS = 2
FIELD_ARCH = 11
FIELD_SUCCESS = 104
FIELD_WATCH = 105
FIELD_DIR = 107
FIELD_KEY = 210
EQUAL = 0x40000000

STRING_FIELDS = frozenset({13, 14, 15, 16, 17, 19, 20, 21, 22, 23, 105, 107, 112, FIELD_KEY})
"""Fields whose value is the length of a string behind the head: subj_*, obj_*, path, dir, exe, key."""

PLACES = (FIELD_WATCH, FIELD_DIR)
MAX_FIELDS = 64
HEAD = struct.Struct("=3I64I64I64I64II")
"""flags, action, field_count, mask[64], fields[64], values[64], fieldflags[64], buflen; then the strings."""

EXEC_CALLS: dict[str, dict[int, tuple[int, int]]] = {
    "x86_64": {0xC000003E: (59, 322), 0x40000003: (11, 358)},
    "aarch64": {0xC00000B7: (221, 281), 0x40000028: (11, 387)},
}
"""Machine → audit architecture (linux/audit.h AUDIT_ARCH_*) → numbers of execve and execveat, for programs of its
own word size and for 32-bit ones."""


def exec_calls(machine: str | None = None) -> dict[int, tuple[int, int]]:
    """The numbers of execve and execveat by architecture of this machine.

    Raises:
        AuditError: an architecture whose numbers we do not know.
    """
    machine = machine or platform.machine()
    try:
        return EXEC_CALLS[machine]
    except KeyError:
        known = ", ".join(EXEC_CALLS)
        raise AuditError(f"process starts cannot be watched on {machine}: only on {known}") from None


def encode(arch: int, calls: Sequence[int]) -> bytes:
    """`-a always,exit -F arch=… -S … -F success=1 -k lienphong`; the kernel appends it behind what is there, so
    that an administrator's own rules and exceptions keep the first word."""
    conditions = ((FIELD_ARCH, arch), (FIELD_SUCCESS, 1), (FIELD_KEY, len(KEY)))
    return pack(calls, conditions, KEY)


def pack(calls: Iterable[int], conditions: Sequence[tuple[int, int]], text: bytes) -> bytes:
    """`-a always,exit` on these calls where every (field, value) is equal; `text`: the string fields' values."""
    mask = [0] * 64
    for call in calls:
        mask[call // 32] |= 1 << (call % 32)
    pad = (0,) * (MAX_FIELDS - len(conditions))
    fields = (*(field for field, _ in conditions), *pad)
    values = (*(value for _, value in conditions), *pad)
    operators = (*(EQUAL for _ in conditions), *pad)
    head = HEAD.pack(FILTER_EXIT, ALWAYS, len(conditions), *mask, *fields, *values, *operators, len(text))
    return head + text


def start_markers(calls: Mapping[int, Sequence[int]]) -> tuple[bytes, ...]:
    """How SYSCALL records of successful calls of these begin, behind their stamp."""
    return tuple(
        f"arch={arch:x} syscall={number} success=yes".encode()
        for arch, numbers in calls.items()
        for number in numbers
    )


class Rule(Struct, frozen=True, kw_only=True):
    """A listed rule, taken apart as far as matters here. `conditions` are (field, value, operator) apart from
    the key; `place` is the path of a watched file or directory, else empty; `data` is the rule as the kernel
    listed it."""

    list_: int
    action: int
    calls: frozenset[int]
    conditions: tuple[tuple[int, int, int], ...]
    key: bytes
    data: bytes
    place: str = ""

    def covers(self, arch: int, calls: Sequence[int]) -> bool:
        """Whether it records every successful one of these calls, whoever makes it."""
        allowed = {(FIELD_ARCH, arch, EQUAL), (FIELD_SUCCESS, 1, EQUAL)}
        return (
            (self.list_, self.action) == (FILTER_EXIT, ALWAYS)
            and self.calls.issuperset(calls)
            and allowed.issuperset(self.conditions)
        )

    def blinds(self) -> bool:
        """`-a never,task` without conditions, as some distributions install it: no system call of any new
        process is audited."""
        return (self.list_, self.action, self.conditions) == (FILTER_TASK, NEVER, ())


def decode(data: bytes) -> Rule:
    """Take a listed rule apart.

    Raises:
        AuditError: shorter than a rule, or its parts do not add up.
    """
    if len(data) < HEAD.size:
        raise AuditError(f"an audit rule has {len(data)} bytes, expected {HEAD.size} or more")
    parts = HEAD.unpack_from(data)
    count, mask = parts[2], parts[3:67]
    if count > MAX_FIELDS:
        raise AuditError(f"an audit rule claims {count} fields; the most is {MAX_FIELDS}")
    conditions, key, place, at = [], b"", "", HEAD.size
    for field, value, operator in zip(*(parts[of : of + count] for of in (67, 131, 195)), strict=True):
        text = data[at : at + value] if field in STRING_FIELDS else b""
        at += len(text)
        if field == FIELD_KEY:
            key = text
            continue
        if field in PLACES:
            place = os.fsdecode(text)
        conditions.append((field, value, operator))
    calls = frozenset(32 * word + bit for word, bits in enumerate(mask) for bit in range(32) if bits >> bit & 1)
    return Rule(
        list_=parts[0],
        action=parts[1],
        calls=calls,
        conditions=tuple(conditions),
        key=key,
        data=data,
        place=place,
    )


def missing(rules: Iterable[Rule], machine: str | None = None) -> list[bytes]:
    """Those of our rules that nothing there makes superfluous.

    Raises:
        AuditError: an architecture whose numbers we do not know.
    """
    there = list(rules)
    return [
        encode(arch, calls)
        for arch, calls in exec_calls(machine).items()
        if not any(rule.covers(arch, calls) for rule in there)
    ]
