"""Agents: decisions on them, what the gateway reports of them, and the list of those admitted."""

from __future__ import annotations

import asyncio
import time

import pytest

from collector.fleet import AdmissionWatch, Enrolment, agents, tokens
from collector.fleet.exceptions import NotPossibleError, UnknownAgentError, UnknownTokenError
from collector.fleet.nodes import ancestry, within
from collector.fleet.tables import records, streams
from collector.messages import AgentChange, AgentSeen, Quarantine
from collector.state import Database
from tests.fleet.machines import asking, csr, machine, token
from wire.identity import Identity


@pytest.fixture
def enrolled(enrolment: Enrolment, database: Database) -> Identity:
    return enrol(enrolment, database)


def enrol(enrolment: Enrolment, database: Database, node: str = "tinh/so") -> Identity:
    return asyncio.run(enrolment.enrol(asking(token(database, node=node), csr(), machine())))[0]


def decide(database: Database, agent: str, *changes: str) -> None:
    for what in changes:
        with database.write() as connection:
            agents.change(connection, AgentChange(agent=agent, change=what, reason="why", person="who"))  # type: ignore[arg-type]


def status(database: Database, agent: str) -> str:
    with database.read() as connection:
        return str(agents.find(connection, agent)["status"])


def version(database: Database) -> int:
    with database.read() as connection:
        return agents.version(connection)


def report(agent: str, **given: int | str) -> AgentSeen:
    values: dict[str, int | str] = {
        "time": time.time_ns() // 1000, "skew": 5, "stream": "a" * 26, "events": 10, "gaps": 1, "lost_events": 2,
    }  # fmt: skip
    return AgentSeen(agent=agent, **{**values, **given})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "after"),
    [
        (["quarantine"], "quarantined"),
        (["quarantine", "release"], "active"),
        (["revoke"], "revoked"),
        (["quarantine", "revoke"], "revoked"),
    ],
)
def test_decisions_move_an_agent(database: Database, enrolled: Identity, changes: list[str], after: str) -> None:
    before = version(database)
    decide(database, enrolled.agent, *changes)
    assert status(database, enrolled.agent) == after
    assert version(database) == before + len(changes)


@pytest.mark.parametrize("changes", [["release"], ["revoke", "release"], ["revoke", "quarantine"], ["revoke"] * 2])
def test_a_decision_that_does_not_fit_is_refused(
    database: Database, enrolled: Identity, changes: list[str]
) -> None:
    decide(database, enrolled.agent, *changes[:-1])
    with pytest.raises(NotPossibleError):
        decide(database, enrolled.agent, changes[-1])


def test_deciding_on_nobody_names_the_list(database: Database) -> None:
    with pytest.raises(UnknownAgentError, match="agents list"):
        decide(database, "a" * 16, "revoke")
    with pytest.raises(UnknownTokenError, match="token list"), database.write() as connection:
        tokens.revoke(connection, "nothing")


def test_the_gateways_word_quarantines_and_is_recorded_but_never_lifts_a_revocation(
    database: Database, enrolled: Identity
) -> None:
    told = Quarantine(agent=enrolled.agent, code="cloned_stream", detail="two", time=1)
    with database.write() as connection:
        assert agents.hold(connection, told)[0] == enrolled
    assert status(database, enrolled.agent) == "quarantined"
    decide(database, enrolled.agent, "revoke")
    with database.write() as connection:
        agents.hold(connection, told)
    assert status(database, enrolled.agent) == "revoked"


def test_records_of_an_agent_are_bounded(database: Database, enrolled: Identity) -> None:
    with database.write() as connection:
        for number in range(agents.RECORDS_KEPT + 20):
            agents.record(connection, enrolled.agent, "", "note", str(number))
    with database.read() as connection:
        kept = [row.detail for row in connection.execute(records.select().order_by(records.c.number))]
    assert kept == [str(n) for n in range(20, agents.RECORDS_KEPT + 20)]


def test_reports_are_totals_by_stream_so_that_repeats_change_nothing(
    database: Database, enrolled: Identity
) -> None:
    for given in (
        {"events": 10, "lost_events": 2},
        {"events": 10, "lost_events": 2},
        {"events": 25, "lost_events": 2},
        {"stream": "b" * 26, "events": 7, "lost_events": 1},
    ):
        with database.write() as connection:
            agents.seen(connection, [report(enrolled.agent, **given), report("z" * 16)])
    with database.read() as connection:
        [card] = agents.cards(connection)
    assert (card.events, card.lost_events, card.skew) == (32, 3, 5)


def test_streams_of_an_agent_are_bounded_and_their_sum_stays(database: Database, enrolled: Identity) -> None:
    many = agents.STREAMS_KEPT * 2
    for number in range(many):
        with database.write() as connection:
            agents.seen(connection, [report(enrolled.agent, stream=f"s{number}", time=number, events=3)])
    with database.read() as connection:
        kept = {row.stream for row in connection.execute(streams.select())}
        [card] = agents.cards(connection)
    assert kept == {"", *(f"s{n}" for n in range(many - agents.STREAMS_KEPT, many))}
    assert (card.events, card.lost_events) == (many * 3, many * 2)


def test_an_agent_falls_silent_and_is_heard_again(
    database: Database, enrolled: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents, "SILENT_AFTER_US", -1)
    with database.read() as connection:
        assert agents.cards(connection)[0].status == "silent"
    monkeypatch.undo()
    with database.write() as connection:
        agents.seen(connection, [report(enrolled.agent)])
    with database.read() as connection:
        assert agents.cards(connection)[0].status == "active"


def test_agents_are_listed_within_subtrees_only(enrolment: Enrolment, database: Database) -> None:
    for node in ("tinh/a", "tinh/ab", "tinh/a/x", "quan-su"):
        enrol(enrolment, database, node)
    with database.read() as connection:
        found = {
            scope: [card.identity.node for card in agents.cards(connection, [scope])]
            for scope in ("", "tinh", "tinh/a", "quan-su", "nowhere")
        }
        assert agents.cards(connection, []) == []
    assert found == {
        "": ["quan-su", "tinh/a", "tinh/a/x", "tinh/ab"],
        "tinh": ["tinh/a", "tinh/a/x", "tinh/ab"],
        "tinh/a": ["tinh/a", "tinh/a/x"],
        "quan-su": ["quan-su"],
        "nowhere": [],
    }
    assert all(within(n, scope) for scope, nodes in found.items() for n in nodes)


def test_ancestry_is_every_node_above() -> None:
    assert ancestry("a/b/c") == ["a", "a/b", "a/b/c"]


def test_a_watcher_is_woken_by_a_decision(database: Database, enrolled: Identity) -> None:
    async def run() -> tuple[int, int, list[str]]:
        watch = AdmissionWatch(database)
        first = await watch.newer(-1, 5)
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            waiting = group.create_task(watch.newer(first.version, 30))
            await asyncio.to_thread(decide, database, enrolled.agent, "quarantine")
            await watch.refresh()
        newer = waiting.result()
        return first.version, newer.version, [a.status for a in newer.agents]

    first, newer, statuses = asyncio.run(run())
    assert newer == first + 1
    assert statuses == ["quarantined"]


def test_a_watcher_that_waits_in_vain_still_gets_the_whole_list(database: Database, enrolled: Identity) -> None:
    async def run() -> list[Identity]:
        watch = AdmissionWatch(database)
        current = await watch.newer(-1, 5)
        same = await watch.newer(current.version, 0.01)
        assert same == current
        return [a.identity for a in same.agents]

    assert asyncio.run(run()) == [enrolled]


def test_a_watcher_ahead_of_a_restored_database_is_answered_at_once(database: Database) -> None:
    async def run() -> int:
        async with asyncio.timeout(5):
            return (await AdmissionWatch(database).newer(10**9, 30)).version

    assert asyncio.run(run()) == 1
