"""Waiting for commands."""

from __future__ import annotations

import threading
import time

import pytest

from tests.gateway.harness import Agent
from wire import codec
from wire.batch import Problem


def test_the_answer_comes_after_about_the_time_asked_for(agent: Agent) -> None:
    started = time.monotonic()
    status, body = agent.request("GET", "/v1/commands?after=0&wait=0.5")
    took = time.monotonic() - started
    answer = codec.decode(body, dict, "answer")
    assert (status, answer["v"], answer["commands"]) == (200, 1, [])
    assert abs(answer["time"] - time.time_ns() // 1000) < 5_000_000
    assert 0.3 < took < 2


@pytest.mark.parametrize(
    "query", ["wait=-1", "wait=61", "wait=x", "wait=nan", "after=-1", "after=1e99", "after=%C3%A9"]
)
def test_what_is_no_number_is_refused(agent: Agent, query: str) -> None:
    status, body = agent.request("GET", f"/v1/commands?{query}")
    assert (status, codec.decode(body, Problem, "problem").code) == (400, "malformed")


def test_batches_go_on_while_an_agent_waits(agent: Agent) -> None:
    waiting = Agent(agent.gateway, agent.who, None)
    waiting.context = agent.context
    thread = threading.Thread(target=waiting.request, args=("GET", "/v1/commands?wait=1"))
    thread.start()
    agent.deliver(1)
    agent.deliver(2)
    thread.join()
    waiting.close()


def test_one_agent_may_not_wait_in_a_hundred_requests(agent: Agent) -> None:
    agent.deliver(1)
    codes: list[int] = []

    def wait() -> None:
        other = Agent(agent.gateway, agent.who, None)
        other.context = agent.context
        codes.append(other.request("GET", "/v1/commands?wait=2")[0])
        other.close()

    threads = [threading.Thread(target=wait) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(set(codes)) == [200, 429]
    assert codes.count(200) >= 8
