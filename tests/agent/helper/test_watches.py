"""Audit rules that watch places, as made and as the kernel lists them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from agent.helper import kernel, rules, watches
from agent.helper.audit import AuditLink
from agent.helper.ledger import Ledger
from agent.helper.netlink import AuditSocket
from tests.agent.helper.audit_state import Audit


@pytest.fixture
def places(tmp_path: Path) -> list[str]:
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("directory")
    return [str(tmp_path / name) for name in ("directory", "file", "link", "absent")]


def test_what_is_there_is_watched_once_by_its_real_path(places: list[str]) -> None:
    made = [rules.decode(rule) for rule in watches.wanted(places)]
    assert [rule.place for rule in made] == places[:2]
    assert all(watches.is_ours(rule) and rule.key == rules.KEY for rule in made)
    assert not any(rule.covers(*call) for rule in made for call in rules.exec_calls().items())


def test_the_names_are_those_of_the_places_and_what_lies_in_them(places: list[str]) -> None:
    inner = Path(places[0], "inner")
    inner.touch()
    state = inner.stat()
    number = f"{os.major(state.st_dev):02x}:{os.minor(state.st_dev):02x} {state.st_ino}"
    found = watches.names(places)
    assert found[number] == str(inner)
    assert set(found.values()) == {*places[:2], str(inner)}


@pytest.mark.root
def test_the_kernel_lists_our_rules_as_covering_and_deletes_them(audit: Audit, places: list[str]) -> None:
    socket = AuditSocket()
    before = audit.rules()
    made = watches.wanted(places)
    for rule in made:
        kernel.add_rule(socket, rule)
    listed = kernel.get_rules(socket)
    assert len(listed) == 2
    assert all(watches.is_ours(rule) for rule in listed)
    assert watches.missing(places, listed) == []
    kernel.delete_rule(socket, made[0])
    kernel.delete_rule(socket, listed[1].data)
    assert audit.rules() == before
    socket.close()


@pytest.mark.root
@pytest.mark.parametrize(
    ("permissions", "condition", "superfluous"),
    [
        ("wa", "success=1", True),
        ("rwxa", "success=1", True),
        ("w", "success=1", False),
        ("wa", "auid>=1000", False),
    ],
)
def test_an_administrators_watch_makes_ours_superfluous_if_it_leaves_nothing_out(
    audit: Audit, places: list[str], permissions: str, condition: str, superfluous: bool
) -> None:
    rule = ["-F", f"dir={places[0]}", "-F", f"perm={permissions}", "-F", condition, "-k", "theirs"]
    subprocess.run(["auditctl", "-a", "always,exit", *rule], check=True, capture_output=True)
    socket = AuditSocket()
    there = kernel.get_rules(socket)
    assert (watches.missing(places[:1], there) == []) is superfluous
    assert not any(watches.is_ours(each) for each in there)
    socket.close()


@pytest.mark.root
def test_a_place_that_appears_later_is_watched_and_nothing_is_left(
    audit: Audit, tmp_path: Path, places: list[str]
) -> None:
    link = AuditLink(Ledger(tmp_path / "audit.json"), 8_192, 0, places)
    link.take()
    try:
        assert len(audit.rules()) == 2 + 2
        Path(places[3]).mkdir()
        link.tend()
        assert len(audit.rules()) == 2 + 3
        Path(places[3]).rmdir()
        Path(places[1]).unlink()
    finally:
        link.give_back()
    assert audit.state() == audit.before


@pytest.mark.root
def test_the_watches_of_a_killed_agent_whose_directory_is_gone_are_cleared(
    audit: Audit, tmp_path: Path, places: list[str]
) -> None:
    gone = AuditLink(Ledger(tmp_path / "gone.json"), 8_192, 0, places)
    gone.take()
    kernel.disown(gone.socket)
    gone.socket.close()
    link = AuditLink(Ledger(tmp_path / "audit.json"), 8_192, 0)
    link.take()
    link.give_back()
    assert audit.rules() == []
