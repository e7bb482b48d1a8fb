"""Who may speak: the list is asked on every request, and without a list nobody may."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from collector.door import AsyncDoor, DoorError
from collector.gateway import admission
from collector.gateway.admission import Replica
from collector.gateway.certificate import Certificate
from collector.gateway.exceptions import Refused
from collector.messages import Admissions
from tests.gateway.conftest import NewAgent
from tests.gateway.harness import Agent, GatewayProcess, Responder, identity, wait_for
from tests.gateway.trust import Trust
from wire import batch


def code(agent: Agent) -> tuple[int, str]:
    return agent.refused(agent.body(agent.cut(1)))


def test_an_agent_that_is_not_on_the_list_may_not_speak(new_agent: NewAgent, gateway: GatewayProcess) -> None:
    before = gateway.metric("refusals", code="unknown_agent")
    assert code(new_agent(admitted=False)) == (403, "unknown_agent")
    assert gateway.metric("refusals", code="unknown_agent") == before + 1


@pytest.mark.parametrize("status", ["revoked", "quarantined"])
def test_a_decision_takes_effect_on_a_connection_that_is_open(
    agent: Agent, responder: Responder, gateway: GatewayProcess, status: str
) -> None:
    agent.deliver(1)
    responder.admit(agent.who, agent.serial, status)
    wait_for(lambda: agent.post(agent.body(agent.cut(2)))[0] == 403, "the decision taking effect")
    assert code(agent) == (403, status)
    assert gateway.metric("refusals", code=status) >= 1
    responder.admit(agent.who, agent.serial)
    wait_for(lambda: agent.post(agent.body(agent.cut(3)))[0] == 200, "the release")


def test_a_decision_made_during_a_slow_upload_counts(
    agent: Agent, responder: Responder, gateway: GatewayProcess
) -> None:
    agent.deliver(1)
    body = agent.body(agent.cut(2))
    slow = agent.connect()
    slow.putrequest("POST", "/v1/batch")
    slow.putheader("Content-Type", batch.CONTENT_TYPE)
    slow.putheader("Content-Length", str(len(body)))
    slow.endheaders(body[:-1])
    responder.admit(agent.who, agent.serial, "revoked")
    wait_for(lambda: agent.post(agent.body(agent.cut(1)))[0] == 403, "the revocation")
    slow.send(body[-1:])
    assert slow.getresponse().status == 403
    slow.close()
    assert [b.block for b in gateway.fetch_all() if b.identity == agent.who] == [1]


def test_an_agent_enrolled_a_moment_ago_is_asked_about_before_it_is_refused(
    new_agent: NewAgent, responder: Responder
) -> None:
    for _ in range(5):
        new_agent().deliver(1)


def test_the_certificate_before_the_last_is_refused(agent: Agent, responder: Responder, trust: Trust) -> None:
    agent.deliver(1)
    pem, serial = trust.agent(agent.who)
    responder.admit(agent.who, serial, previous=agent.serial)
    agent.deliver(2)
    renewed = Agent(agent.gateway, agent.who, pem)
    renewed.deliver(3)
    responder.admit(agent.who, serial)
    wait_for(lambda: agent.post(agent.body(agent.cut(4)))[0] == 403, "the old one being refused")
    assert code(agent) == (403, "superseded_certificate")
    renewed.deliver(4)
    renewed.close()


def test_a_certificate_for_another_place_in_the_tree_is_refused(new_agent: NewAgent, responder: Responder) -> None:
    agent = new_agent(admitted=False)
    moved = identity(0)
    responder.admit(
        type(moved)(agent=agent.who.agent, node="tinh/khac", label="noi-bo", role="host"),
        agent.serial,
    )
    assert code(agent) == (403, "superseded_certificate")


def test_the_responder_being_away_for_a_moment_stops_nobody(agent: Agent, responder: Responder) -> None:
    agent.deliver(1)
    responder.shut()
    try:
        agent.deliver(2)
    finally:
        responder.open()
    agent.deliver(3)


def test_without_a_list_nobody_is_admitted(tmp_path: Path, trust: Trust) -> None:
    (tmp_path / "run").mkdir()
    pem, serial = trust.agent(identity(1))
    with GatewayProcess(tmp_path, trust) as alone:
        agent = Agent(alone, identity(1), pem)
        assert code(agent) == (503, "not_ready")
        responder = Responder(tmp_path / "run/responder.sock")
        responder.admit(identity(1), serial)
        wait_for(lambda: agent.post(agent.body(agent.cut(1)))[0] == 200, "the list")
        responder.close()
        agent.close()
        assert alone.stop() == 0


class Held:
    """A replica in this process, following a responder."""

    def __init__(self, path: Path) -> None:
        self.door = AsyncDoor(path)
        self.replica = Replica(self.door)

    async def first(self) -> None:
        """Wait for the first list."""
        async with asyncio.timeout(10):
            while self.replica.age_s > 5:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def ask(self, certificate: Certificate) -> str:
        try:
            return (await self.replica.admit(certificate)).status
        except Refused as refused:
            return refused.code


def certificate(number: int, serial: str = "1", not_after: int = 2**60) -> Certificate:
    return Certificate(identity(number), serial, not_after)


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[Responder]:
    """A responder for this test alone."""
    made = Responder(tmp_path / "responder.sock")
    yield made
    made.close()


async def _following(held: Held, work: Callable[[], Awaitable[None]]) -> None:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(held.replica.follow())
        try:
            await work()
        finally:
            task.cancel()
            await held.door.close()


def test_a_list_that_nobody_confirms_is_no_list(
    beside: Responder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside.admit(identity(1), "1")
    held = Held(tmp_path / "responder.sock")

    async def work() -> None:
        await held.first()
        assert await held.ask(certificate(1)) == "active"
        await asyncio.to_thread(beside.shut)
        monkeypatch.setattr(admission, "STALE_S", 0.0)
        assert await held.ask(certificate(1)) == "not_ready"
        monkeypatch.setattr(admission, "STALE_S", 1e9)
        assert await held.ask(certificate(1)) == "active"
        assert await held.ask(certificate(2)) == "not_ready"
        await asyncio.to_thread(beside.open)
        assert await held.ask(certificate(2)) in ("unknown_agent", "not_ready")

    asyncio.run(_following(held, work))


def test_a_certificate_that_expires_on_an_open_connection_is_refused(beside: Responder, tmp_path: Path) -> None:
    beside.admit(identity(1), "1")
    held = Held(tmp_path / "responder.sock")
    past = time.time_ns() // 1000 - 1
    assert asyncio.run(held.ask(certificate(1, not_after=past))) == "expired_certificate"


def test_many_unknown_agents_at_once_ask_the_responder_once(beside: Responder, tmp_path: Path) -> None:
    held = Held(tmp_path / "responder.sock")

    async def work() -> None:
        await held.first()
        started = time.monotonic()
        codes = await asyncio.gather(*(held.ask(certificate(n)) for n in range(500)))
        assert set(codes) == {"unknown_agent"}
        assert time.monotonic() - started < 5

    asyncio.run(_following(held, work))


def test_a_responder_away_for_long_is_told_of_once_and_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(admission, "LONGEST_PAUSE_S", 0.0)
    held = Held(tmp_path / "responder.sock")
    tries = 0

    async def refused(*_: object) -> Admissions:
        nonlocal tries
        tries += 1
        if tries < 1_200:
            raise DoorError("nobody there")
        await asyncio.sleep(0.01)
        return Admissions(version=1, agents=[])

    monkeypatch.setattr(held.door, "ask", refused)

    async def work() -> None:
        await held.first()

    with caplog.at_level("INFO"):
        asyncio.run(_following(held, work))
    told = [record.message for record in caplog.records if record.name == "collector.gateway.admission"]
    assert sum("nobody there" in message for message in told) == 1
    assert "the responder answers again" in told
