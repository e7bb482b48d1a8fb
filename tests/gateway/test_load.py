"""Two hundred agents at once, and one that wants more than its share."""

from __future__ import annotations

import threading

from tests.gateway.harness import Agent, GatewayProcess, Responder, identity
from tests.gateway.trust import Trust

AGENTS = 200
BATCHES = 3


def test_two_hundred_agents_at_once(gateway: GatewayProcess, responder: Responder, trust: Trust) -> None:
    pem_of = {}
    for number in range(1_000, 1_000 + AGENTS):
        pem_of[number], serial = trust.agent(identity(number))
        responder.admit(identity(number), serial)
    start = threading.Barrier(AGENTS)
    failures: list[object] = []

    def work(number: int) -> None:
        agent = Agent(gateway, identity(number), pem_of[number])
        try:
            start.wait(60)
            for block in range(1, BATCHES + 1):
                agent.deliver(block)
        except Exception as error:  # noqa: BLE001 - counted by the test
            failures.append((number, error))
        finally:
            agent.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in pem_of]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    mine = {identity(number).agent for number in pem_of}
    assert sum(b.identity.agent in mine for b in gateway.fetch_all()) == AGENTS * BATCHES


def test_one_agent_cannot_fill_the_door_alone(own: tuple[GatewayProcess, Agent]) -> None:
    gateway, agent = own
    body = agent.body(agent.cut(1))
    codes = [agent.post(body)[0] for _ in range(400)]
    assert codes.count(429) > 0
    assert codes[:100] == [200] * 100
    assert gateway.metric("refusals", code="rate_limited") == codes.count(429)
