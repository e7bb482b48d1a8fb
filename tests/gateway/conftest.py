"""One gateway process for many tests, and agents of their own for each."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.gateway.harness import Agent, GatewayProcess, Responder, identity
from tests.gateway.trust import Trust

_numbers = itertools.count(1)

NewAgent = Callable[..., Agent]


@pytest.fixture(scope="session")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    """The certificates of one collector."""
    return Trust(tmp_path_factory.mktemp("trust"))


@pytest.fixture(scope="session")
def responder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Responder]:
    """The responder's side."""
    directory = tmp_path_factory.mktemp("collector") / "run"
    directory.mkdir()
    made = Responder(directory / "responder.sock")
    yield made
    made.close()


@pytest.fixture(scope="session")
def gateway(responder: Responder, trust: Trust) -> Iterator[GatewayProcess]:
    """A running gateway."""
    with GatewayProcess(responder.path.parent.parent, trust) as made:
        yield made
        assert made.stop() == 0


@pytest.fixture
def new_agent(gateway: GatewayProcess, responder: Responder, trust: Trust) -> Iterator[NewAgent]:
    """Makes admitted agents."""
    made: list[Agent] = []

    def new(admitted: bool = True, **more: str) -> Agent:
        who = identity(next(_numbers))
        pem, serial = trust.agent(who)
        if admitted:
            responder.admit(who, serial)
        agent = Agent(gateway, who, pem, serial, **more)
        made.append(agent)
        return agent

    yield new
    for agent in made:
        agent.close()


@pytest.fixture
def agent(new_agent: NewAgent) -> Agent:
    """An admitted agent."""
    return new_agent()


@pytest.fixture
def own(tmp_path: Path, trust: Trust) -> Iterator[tuple[GatewayProcess, Agent]]:
    """A gateway with an empty inbox, and an agent."""
    (tmp_path / "run").mkdir()
    responder = Responder(tmp_path / "run/responder.sock")
    with GatewayProcess(tmp_path, trust) as gateway:
        pem, serial = trust.agent(identity(1))
        responder.admit(identity(1), serial)
        agent = Agent(gateway, identity(1), pem)
        yield gateway, agent
        agent.close()
        assert gateway.stop() == 0
    responder.close()
