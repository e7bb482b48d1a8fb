"""Matches become alerts: counted once, whatever is repeated, in whatever batches they come."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from collector.incidents import AlertDetail, Filters, act, detail, grouping, page, quarantined, take
from collector.incidents.events import FIRST, LATEST, MAX_BYTES
from collector.messages import Match, Matches, Quarantine
from collector.state import Database
from tests.incidents.making import HOUR, NOON, card, kept_totals, made, taken, true_totals

EVERYWHERE = ("",)

plans = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 2), st.sampled_from(["root", "an"]), st.integers(0, 2)),
    max_size=40,
)


def alert(database: Database, match: Match) -> AlertDetail:
    with database.read() as connection:
        return detail(connection, EVERYWHERE, grouping.alert_id(match))


def match_of(plan: tuple[int, int, str, int]) -> Match:
    number, agent, user, hour = plan
    unique = number * 1000 + agent * 100 + hour * 10 + len(user)
    return made(unique, agent=agent, user=user, at=hour * HOUR + number * 1000)


def test_an_alert_says_what_its_matches_say(database: Database) -> None:
    first, second = made(1, at=100, event_time=NOON - 7_000), made(2, at=900, level="critical")
    assert taken(database, first, second) == 2
    held = alert(database, first)
    assert (held.count, held.level, held.status, held.user, held.summary) == (
        2, "critical", "open", "root", "command 2",
    )  # fmt: skip
    assert (held.first_us, held.last_us, held.detected_us) == (NOON + 100, NOON + 900, NOON + 900)
    assert (held.source_first_us, held.received_us) == (NOON - 7_000, second.received)
    assert held.titles == card().titles
    assert held.rule_source == card().source
    assert [event.event_id for event in held.events] == [first.event_id, second.event_id]
    assert held.events[0].fields == first.event.fields
    assert held.events[0].matched == ["CommandLine"]
    assert [entry.action for entry in held.history] == ["open"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plans=plans, cuts=st.lists(st.integers(1, 7), min_size=1, max_size=8), repeats=st.data())
def test_counts_are_exact_however_batches_are_cut_and_repeated(
    sqlite: Database, plans: list[tuple[int, int, str, int]], cuts: list[int], repeats: st.DataObject
) -> None:
    with sqlite.write() as connection:
        for table in ("incident_events", "incident_history", "incident_matches", "incident_totals"):
            connection.execute(text(f"DELETE FROM {table}"))
        connection.execute(text("DELETE FROM incident_alerts"))
    matches = [match_of(plan) for plan in plans]
    position = 0
    while position < len(matches):
        size = cuts[position % len(cuts)]
        some = matches[position : position + size]
        taken(sqlite, *some)
        if repeats.draw(st.booleans()):
            taken(sqlite, *some, *matches[:position])
        position += size
    expected = Counter(grouping.alert_id(m) for m in {m.id: m for m in matches}.values())
    with sqlite.read() as connection:
        held = page(connection, EVERYWHERE, Filters(), 200, "")
        assert {row.id: row.count for row in held.items} == expected
        assert held.total == len(expected)
        assert kept_totals(connection) == true_totals(connection)


def test_the_first_and_the_latest_events_are_kept(database: Database) -> None:
    matches = [made(number) for number in range(1, 101)]
    for start in range(0, 100, 7):
        taken(database, *matches[start : start + 7])
    held = alert(database, matches[0])
    kept = [int(event.event_id.rpartition("/")[2]) for event in held.events]
    assert kept == [*range(1, FIRST + 1), *range(101 - LATEST, 101)]
    assert (held.events_total, held.count) == (100, 100)


def test_one_large_batch_keeps_the_same_events_as_many_small_ones(database: Database) -> None:
    matches = [made(number) for number in range(1, 101)]
    taken(database, *matches)
    kept = [int(event.event_id.rpartition("/")[2]) for event in alert(database, matches[0]).events]
    assert kept == [*range(1, FIRST + 1), *range(101 - LATEST, 101)]


def test_a_closed_alert_opens_again_when_its_rule_matches_again(database: Database) -> None:
    first = made(1)
    taken(database, first)
    with database.write() as connection:
        act(connection, [grouping.alert_id(first)], "close", "known", "an", EVERYWHERE)
    taken(database, first)
    assert alert(database, first).status == "closed"
    taken(database, made(2), made(3))
    held = alert(database, first)
    assert held.status == "open"
    assert [(e.action, e.person, e.note) for e in held.history] == [
        ("open", "", ""), ("close", "an", "known"), ("reopen", "", "+2"),
    ]  # fmt: skip
    with database.read() as connection:
        assert kept_totals(connection) == true_totals(connection)


def test_an_acknowledged_alert_goes_on_counting_quietly(database: Database) -> None:
    first = made(1)
    taken(database, first)
    with database.write() as connection:
        act(connection, [grouping.alert_id(first)], "acknowledge", "", "an", EVERYWHERE)
    taken(database, made(2))
    held = alert(database, first)
    assert (held.status, held.count) == ("acknowledged", 2)


def test_a_match_without_its_card_is_counted_and_named_by_its_id(database: Database) -> None:
    with database.write() as connection:
        assert take(connection, Matches(matches=[made(1)], rules=[])) == 1
    assert alert(database, made(1)).titles == {"vi": "rule-1", "en": "rule-1"}


def test_an_event_that_is_too_large_is_kept_with_less_in_it(database: Database) -> None:
    large = made(1, fields={f"field{n}": "x" * 60_000 for n in range(20)}, raw="r" * 60_000)
    taken(database, large)
    [event] = alert(database, large).events
    assert event.cut
    assert len(repr(event.fields)) < MAX_BYTES
    assert event.raw == "r" * 4096


def test_hostile_text_is_kept_as_it_came(database: Database) -> None:
    hostile: dict[str, Any] = {"CommandLine": "\0\u202e<script>\x1b[31m'; DROP TABLE x;--", "User": "a\0b%_\\"}
    match = made(1, fields=hostile)
    taken(database, match)
    held = alert(database, match)
    assert held.events[0].fields["CommandLine"] == hostile["CommandLine"]
    assert held.summary == hostile["CommandLine"].replace("\0", "\ufffd")


def test_a_quarantine_is_an_alert_in_both_languages_and_counts_once(database: Database) -> None:
    told = Quarantine(agent="a" * 16, code="cloned_stream", detail="two streams", time=NOON)
    batch = quarantined(told, made(1).identity, "portal")
    for expected in (1, 0):
        with database.write() as connection:
            assert take(connection, batch) == expected
    held = alert(database, batch.matches[0])
    assert held.summary == "two streams"
    assert set(held.titles) == set(held.descriptions) == {"vi", "en"}
    assert held.host == "portal"
