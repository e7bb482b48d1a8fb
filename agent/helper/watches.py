"""Audit rules that watch places for being written to: files, and directories with all below them.

The kernel looks at them only in the calls that can write, rename or change attributes, so that other calls cost
nothing more. A file is watched by its name in its directory (AUDIT_WATCH), also when another takes its place; a
directory with everything in it (AUDIT_DIR).
"""

from __future__ import annotations

import os
import platform
import stat
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from agent.helper import rules
from agent.helper.rules import ALWAYS, EQUAL, FIELD_DIR, FIELD_KEY, FIELD_SUCCESS, FIELD_WATCH, FILTER_EXIT, Rule

FIELD_PERM = 106
PERMISSIONS = 2 | 8
"""AUDIT_PERM_WRITE and AUDIT_PERM_ATTR."""

OPEN_CALLS = {"x86_64": frozenset({2, 257, 437, 5, 295}), "aarch64": frozenset({56, 437, 5, 322})}
"""open, openat, openat2 of the machine's own word size and of 32-bit programs. What such a number means to the
other kind only costs a look: FIELD_PERM judges a call by what it is."""

CLASS_BITS = tuple(64 * 32 - 1 - number for number in (0, 1, 2, 3, 6, 7))
"""AUDIT_CLASS_DIR_WRITE, CHATTR and WRITE, each with its 32-bit twin: bits at the end of the mask for which the
kernel puts in all calls of the class."""

MAX_NAMES = 1_024
"""How many files and directories `names` lists."""


def wanted(places: Iterable[str]) -> list[bytes]:
    """A rule for each place that is there, by its real path:
    `-a always,exit -S … -F perm=wa -F success=1 -F dir|path=PLACE -k lienphong`."""
    found = {real: _encode(real, stat.S_ISDIR(mode)) for real, mode in _there(places)}
    return list(found.values())


def missing(places: Iterable[str], there: Iterable[Rule]) -> list[bytes]:
    """Rules for places that are there and that no rule watches yet."""
    watched = {rule.place for rule in there if covers(rule)}
    return [rule for rule in wanted(places) if rules.decode(rule).place not in watched]


def covers(rule: Rule) -> bool:
    """Whether it records all that writes to its place or changes attributes there, whoever does it."""
    return (
        bool(rule.place)
        and (rule.list_, rule.action) == (FILTER_EXIT, ALWAYS)
        and rule.calls.issuperset(OPEN_CALLS.get(platform.machine(), ()))
        and all(_harmless(*condition) for condition in rule.conditions)
    )


def is_ours(rule: Rule) -> bool:
    """Whether it can only have been made by `wanted`."""
    kept = {(FIELD_PERM, PERMISSIONS, EQUAL), (FIELD_SUCCESS, 1, EQUAL)}
    return rule.key == rules.KEY and covers(rule) and len(rule.conditions) == 3 and kept < {*rule.conditions}


def names(places: Iterable[str]) -> dict[str, str]:
    """`dev inode`, as PATH records write them → path, of the places and of what lies directly in them. A record
    names a file as the process did, perhaps relative to a directory that it had open: that directory's numbers
    tell which it is."""
    return dict(islice(_numbered(places), MAX_NAMES))


def _encode(place: str, directory: bool) -> bytes:
    path = os.fsencode(place)
    conditions = (
        (FIELD_PERM, PERMISSIONS),
        (FIELD_SUCCESS, 1),
        (FIELD_DIR if directory else FIELD_WATCH, len(path)),
        (FIELD_KEY, len(rules.KEY)),
    )
    calls = OPEN_CALLS.get(platform.machine(), frozenset())
    return rules.pack((*calls, *CLASS_BITS), conditions, path + rules.KEY)


def _there(places: Iterable[str]) -> Iterator[tuple[str, int]]:
    for place in places:
        real = os.path.realpath(place)
        try:
            mode = Path(real).stat().st_mode
        except OSError:
            continue
        if stat.S_ISDIR(mode) or stat.S_ISREG(mode):
            yield real, mode


def _harmless(field: int, value: int, operator: int) -> bool:
    """A condition that keeps no successful write out."""
    if field == FIELD_PERM:
        return operator == EQUAL and value & PERMISSIONS == PERMISSIONS
    if field == FIELD_SUCCESS:
        return (value, operator) == (1, EQUAL)
    return field in rules.PLACES


def _numbered(places: Iterable[str]) -> Iterator[tuple[str, str]]:
    for place, mode in _there(places):
        try:
            yield _numbers(Path(place).stat()), place
            if stat.S_ISDIR(mode):
                with os.scandir(place) as entries:
                    for entry in entries:
                        yield _numbers(entry.stat(follow_symlinks=False)), entry.path
        except OSError:
            continue


def _numbers(state: os.stat_result) -> str:
    return f"{os.major(state.st_dev):02x}:{os.minor(state.st_dev):02x} {state.st_ino}"
