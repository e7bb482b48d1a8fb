"""The commands `token` and `agents` against a responder that runs, and against none."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from collector.cli import main
from collector.messages import Enrolled
from tests.api.responder_process import Running, fingerprint_of, running_in
from tests.fleet.machines import asking, csr, machine
from wire.identity import EnrolToken, parse_token


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    yield from running_in(tmp_path_factory.mktemp("commands"))


def command(running: Running, *words: str) -> int:
    return main([*words[:2], "--data", str(running.layout.data), *words[2:]])


def created(running: Running, capsys: pytest.CaptureFixture[str], *options: str) -> EnrolToken:
    assert command(running, "token", "create", "--node", "tinh/so", *options) == 0
    return parse_token(capsys.readouterr().out)


def listed(running: Running, capsys: pytest.CaptureFixture[str], what: str) -> list[dict[str, object]]:
    assert command(running, what, "list", "--format", "json") == 0
    found: list[dict[str, object]] = json.loads(capsys.readouterr().out)
    return found


def test_a_token_is_made_used_listed_and_revoked(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    token = created(running, capsys, "--uses", "2")
    assert token.ca_sha256 == fingerprint_of(running.layout)
    assert isinstance(running.ask(asking(token, csr(), machine())), Enrolled)
    [card] = [c for c in listed(running, capsys, "token") if c["id"] == token.id]
    assert (card["used"], card["uses"], card["node"]) == (1, 2, "tinh/so")
    assert token.secret not in json.dumps(card)
    assert command(running, "token", "revoke", token.id) == 0
    [card] = [c for c in listed(running, capsys, "token") if c["id"] == token.id]
    assert card["revoked"] != 0


def test_an_agent_is_listed_held_back_released_and_revoked(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = running.ask(asking(created(running, capsys), csr(), machine(hostname="portal")))
    assert isinstance(answer, Enrolled)
    agent = answer.answer.identity.agent
    for verb, after in (("quarantine", "quarantined"), ("release", "active"), ("revoke", "revoked")):
        assert command(running, "agents", verb, agent, "--reason", "test") == 0
        capsys.readouterr()
        [card] = [c for c in listed(running, capsys, "agents") if c["agent"] == agent]
        assert card["status"] == after
    assert command(running, "agents", "list") == 0
    assert "portal" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["token", "revoke", "none"], "no token none"),
        (["agents", "revoke", "a" * 16, "--reason", "x"], "no agent"),
        (["token", "create", "--node", "NOT A PATH"], "node"),
        (["token", "create", "--node", "tinh", "--uses", "0"], "uses"),
    ],
)
def test_what_is_refused_is_said_in_one_line(
    running: Running, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    assert command(running, *words) == 1
    error = capsys.readouterr().err
    assert told in error
    assert "Traceback" not in error
