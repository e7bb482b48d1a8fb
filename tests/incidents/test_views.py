"""Reading alerts: pages that miss and repeat nothing, true totals, scopes, and deltas."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.incidents import (
    BadCursorError,
    Filters,
    UnknownAlertError,
    act,
    detail,
    grouping,
    head,
    page,
    since,
    totals_within,
)
from collector.incidents.views import DELTA_ROWS
from collector.state import Database
from tests.incidents.making import HOUR, kept_totals, made, taken, true_totals

EVERYWHERE = ("",)


def ids(
    database: Database, filters: Filters | None = None, limit: int = 7, scopes: tuple[str, ...] = ("",)
) -> list[str]:
    """Every alert that the filters find, page by page."""
    found: list[str] = []
    cursor = ""
    while True:
        with database.read() as connection:
            part = page(connection, scopes, filters or Filters(), limit, cursor)
        found += [row.id for row in part.items]
        if part.next is None:
            assert part.total == len(found)
            return found
        assert len(part.items) == limit
        cursor = part.next


def fill(database: Database, count: int = 30) -> list[str]:
    """Alerts of several agents, nodes and levels; several share their last moment."""
    levels = ("low", "medium", "high", "critical")
    matches = [
        made(n, agent=n, at=n // 3, level=levels[n % 4], node=f"tinh/{'abc'[n % 3]}", rule=f"rule-{n % 2}")
        for n in range(count)
    ]
    taken(database, *matches)
    order = sorted(matches, key=lambda m: (m.detected, grouping.alert_id(m)), reverse=True)
    return [grouping.alert_id(m) for m in order]


@pytest.mark.parametrize("limit", [1, 7, 29, 30, 31])
def test_pages_join_to_the_whole_list(database: Database, limit: int) -> None:
    assert fill(database) == ids(database, limit=limit)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moments=st.lists(st.integers(0, 5), max_size=25), limit=st.integers(1, 9))
def test_no_page_misses_or_repeats_an_alert(sqlite: Database, moments: list[int], limit: int) -> None:
    with sqlite.read() as connection:
        agent = head(connection) * 100
    taken(sqlite, *(made(n, agent=agent + n, at=moment) for n, moment in enumerate(moments)))
    found = ids(sqlite, limit=limit)
    assert len(found) == len(set(found))


def test_filters_find_what_they_say_and_count_it(database: Database) -> None:
    everything = fill(database)
    with database.read() as connection:
        rows = {row.id: row for row in page(connection, EVERYWHERE, Filters(), 200, "").items}
    with database.write() as connection:
        act(connection, everything[:5], "acknowledge", "", "an", EVERYWHERE)
        act(connection, everything[3:8], "close", "", "an", EVERYWHERE)
    assert ids(database, Filters(statuses=("acknowledged",))) == everything[:3]
    assert ids(database, Filters(statuses=("closed",))) == everything[3:8]
    assert ids(database, Filters(statuses=("open",))) == everything[8:]
    assert ids(database, Filters(levels=("critical", "low"))) == [
        i for i in everything if rows[i].level in {"critical", "low"}
    ]
    assert ids(database, Filters(host="host-4")) == [i for i in everything if rows[i].host == "host-4"]
    assert ids(database, Filters(rule="rule-1", statuses=("open",))) == [
        i for i in everything[8:] if rows[i].rule_id == "rule-1"
    ]


def test_search_is_by_words_without_case_and_accents_and_takes_no_wildcards(database: Database) -> None:
    odd = made(1, agent=1, fields={"CommandLine": "curl 100%_sure http://x/'"})
    plain = made(2, agent=2, host="may-chu-01")
    taken(database, odd, plain)
    first, second = grouping.alert_id(odd), grouping.alert_id(plain)
    assert ids(database, Filters(text="dac biet")) == [second, first]
    assert ids(database, Filters(text="QUY tac MAY-CHU")) == [second]
    assert ids(database, Filters(text="100%_s")) == [first]
    assert ids(database, Filters(text="1%0")) == []
    assert ids(database, Filters(text="x/'")) == [first]


def test_what_lies_outside_the_scopes_is_not_there(database: Database) -> None:
    fill(database)
    with database.read() as connection:
        inside = {row.id for row in page(connection, EVERYWHERE, Filters(), 200, "").items if row.node == "tinh/a"}
        outside = {row.id for row in page(connection, EVERYWHERE, Filters(), 200, "").items} - inside
        assert totals_within(connection, ("tinh/a",)).open == len(inside)
        assert {row.id for row in since(connection, ("tinh/a",), 0).changed} == inside
        for alert in outside:
            with pytest.raises(UnknownAlertError):
                detail(connection, ("tinh/a",), alert)
    assert set(ids(database, scopes=("tinh/a",))) == inside
    assert ids(database, scopes=()) == []
    assert set(ids(database, scopes=("tinh/a", "tinh"))) == inside | outside
    with database.write() as connection:
        outcome = act(connection, [*inside, *outside, "nothing"], "close", "", "an", ("tinh/a",))
    assert set(outcome.changed) == inside
    assert set(outcome.missing) == {*outside, "nothing"}


def test_actions_change_only_what_they_fit(database: Database) -> None:
    [first, second, third, *_] = fill(database)
    with database.write() as connection:
        assert act(connection, [first, second], "acknowledge", "", "an", EVERYWHERE).changed == [first, second]
        again = act(connection, [first, third, third], "acknowledge", "", "binh", EVERYWHERE)
        assert (again.changed, again.unchanged) == ([third], [first])
        assert act(connection, [first], "reopen", "", "an", EVERYWHERE).changed == [first]
        assert act(connection, [first], "reopen", "", "an", EVERYWHERE).unchanged == [first]
        assert act(connection, [first, second], "close", "note", "an", EVERYWHERE).changed == [first, second]
        assert kept_totals(connection) == true_totals(connection)
    with database.read() as connection:
        assert [e.action for e in detail(connection, EVERYWHERE, first).history] == [
            "open", "acknowledge", "reopen", "close",
        ]  # fmt: skip


def test_a_delta_is_everything_after_a_version_and_bounded(database: Database) -> None:
    everything = fill(database, DELTA_ROWS + 20)
    with database.read() as connection:
        version = head(connection)
        delta = since(connection, EVERYWHERE, 0)
        assert (len(delta.changed), delta.more, delta.version) == (DELTA_ROWS, 20, version)
        nothing = since(connection, EVERYWHERE, version)
        assert (nothing.changed, nothing.more, nothing.totals.open) == ([], 0, DELTA_ROWS + 20)
    taken(database, made(999, agent=1, at=HOUR))
    with database.write() as connection:
        act(connection, everything[:2], "close", "", "an", EVERYWHERE)
    with database.read() as connection:
        delta = since(connection, EVERYWHERE, version)
    assert {row.id for row in delta.changed} == {*everything[:2], grouping.alert_id(made(999, agent=1, at=HOUR))}
    assert sum(delta.totals.by_level.values()) == delta.totals.open == DELTA_ROWS + 19


@pytest.mark.parametrize("cursor", ["x", "!!!", "MTIz", "w7w6", "é"])
def test_a_foreign_cursor_is_refused(sqlite: Database, cursor: str) -> None:
    with pytest.raises(BadCursorError), sqlite.read() as connection:
        page(connection, EVERYWHERE, Filters(), 10, cursor)
