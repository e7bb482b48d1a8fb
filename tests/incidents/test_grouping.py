"""Grouping: which alert a match belongs to, and what its row says, for any event at all."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.incidents import grouping
from tests.incidents.making import HOUR, NOON, made
from wire.event import Event, Logsource

words = st.text(max_size=40)
scalars = st.one_of(words, st.integers(-(2**63), 2**63 - 1), st.booleans(), st.none(), st.floats(allow_nan=False))
names = st.sampled_from(["User", "CommandLine", "SourceIp", "message", "TargetUser", "x", "Command"])
events = st.builds(
    Event,
    time=st.integers(0, 2**53),
    source=st.builds(Logsource, service=st.sampled_from(["", "sshd", "sudo"])),
    fields=st.dictionaries(names, st.one_of(scalars, st.lists(scalars, max_size=4))),
    raw=st.one_of(st.none(), words),
)


@given(events)
def test_any_event_has_a_group_and_a_line_that_a_database_can_keep(event: Event) -> None:
    for text in (grouping.group_key(event), grouping.user(event), grouping.summary(event)):
        assert "\0" not in text
        assert len(text) <= grouping.SUMMARY_CHARACTERS


@given(st.integers(0, 10 * HOUR), st.integers(0, 10 * HOUR))
def test_matches_of_one_hour_of_the_collector_share_an_alert(first: int, second: int) -> None:
    ids = {grouping.alert_id(made(1, at=first)), grouping.alert_id(made(2, at=second))}
    assert (len(ids) == 1) == (first // HOUR == second // HOUR)


def test_the_agents_clock_moves_no_alert() -> None:
    assert grouping.alert_id(made(1, event_time=0)) == grouping.alert_id(made(1, event_time=NOON * 3))


@pytest.mark.parametrize("other", [{"rule": "rule-2"}, {"agent": 1}, {"user": "www-data"}, {"at": HOUR}])
def test_rule_agent_group_and_hour_each_make_an_alert_of_their_own(other: dict[str, object]) -> None:
    assert grouping.alert_id(made(1)) != grouping.alert_id(made(1, **other))


def test_guesses_at_passwords_group_by_address_and_everything_else_by_user() -> None:
    fields = {"SourceIp": "192.0.2.7", "User": "root"}
    assert grouping.group_key(made(1, service="sshd", fields=fields).event) == "SourceIp=192.0.2.7"
    assert grouping.group_key(made(1, service="sudo", fields=fields).event) == "User=root"
    assert grouping.group_key(made(1, user=None).event) == ""


def test_no_two_different_quadruples_run_together() -> None:
    first = made(1, rule="a", user="b")
    second = made(1, rule="ab", user="")
    assert grouping.alert_id(first) != grouping.alert_id(second)


@pytest.mark.parametrize(
    ("given_fields", "expected"),
    [
        ({"CommandLine": "nc -e /bin/sh", "message": "m"}, "nc -e /bin/sh"),
        ({"CommandLine": None, "message": "Failed password"}, "Failed password"),
        ({"CommandLine": "x" * 20_000}, "x" * grouping.SUMMARY_CHARACTERS),
    ],
)
def test_a_person_reads_the_command_line_first(given_fields: dict[str, object], expected: str) -> None:
    assert grouping.summary(made(1, fields=given_fields).event) == expected


@pytest.mark.parametrize(
    ("typed", "meant"), [("quan tri", "Quản trị"), ("DAC BIET", "đặc biệt"), ("cong an", "CÔNG AN")]
)
def test_a_search_needs_no_accents(typed: str, meant: str) -> None:
    assert grouping.fold(typed) == grouping.fold(meant)


@given(st.text(max_size=60))
def test_folding_twice_is_folding_once(text: str) -> None:
    once = grouping.fold(text)
    assert grouping.fold(once) == grouping.fold(grouping.fold(once))


def test_an_alert_is_found_by_any_line_in_it() -> None:
    search = grouping.with_lines("title\nroot", ["Lệnh A", "lệnh b", "LỆNH A"])
    assert search == "title\nroot\nlenh a\nlenh b"
    full = grouping.with_lines(search, ["x" * grouping.SEARCH_CHARACTERS, "later"])
    assert len(full) == grouping.SEARCH_CHARACTERS
    assert full.startswith(search)


def test_a_changed_file_stands_before_whoever_changed_it() -> None:
    event = Event(
        time=1,
        source=Logsource(product="linux", category="file_event"),
        fields={"TargetFilename": "/etc/cron.d/x", "CommandLine": "bash -i"},
    )
    assert grouping.summary(event) == "/etc/cron.d/x ← bash -i"
    nobody = msgspec.structs.replace(event, fields={"TargetFilename": "/etc/cron.d/x"})
    assert grouping.summary(nobody) == "/etc/cron.d/x"
