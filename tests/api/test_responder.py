"""The responder as a process: killed at any moment, asked by other processes, stopped, and refused a start."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from collector.door import DoorError
from collector.incidents import Filters, grouping, page
from collector.incidents.views import detail
from collector.messages import (
    Accepted,
    Admissions,
    AgentChange,
    Agents,
    AgentSeen,
    AgentsList,
    Enrolled,
    Fault,
    Match,
    Quarantine,
    Renew,
    Renewed,
    RuleReport,
    RuleTrouble,
    Seen,
    TokenCreate,
    TokenCreated,
    TokenRevoke,
    Tokens,
    TokensList,
    WatchAdmissions,
)
from tests.api.responder_process import AGENTS_PORT, Running, build, fingerprint_of, running_in, token_text
from tests.fleet.machines import asking, csr, machine, serial_of
from tests.incidents.making import NOON, batch, kept_totals, made, true_totals
from tests.state import databases
from wire.identity import Identity, parse_token

KILLS = 20


def handed_over(running: Running, stop: threading.Event, acknowledged: list[Match]) -> None:
    """Like the detector: batches in order, each again and again until it is accepted."""
    door = running.door()
    number = 0
    while not stop.is_set():
        matches = [made(n, agent=n % 7, at=n * 50_000_000) for n in range(number, number + 9)]
        while not stop.is_set():
            try:
                answer = door.ask(batch(*matches), timeout=5)
            except DoorError:
                time.sleep(0.01)
                continue
            if isinstance(answer, Accepted):
                acknowledged += matches
                number += 7
                break
    door.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_no_accepted_match_is_lost_and_none_counts_twice_over_many_kills(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    state_url = databases.new_database(request.getfixturevalue("postgres")) if kind == "postgresql" else ""
    running = build(tmp_path, state_url)
    running.start()
    stop, acknowledged = threading.Event(), list[Match]()
    client = threading.Thread(target=handed_over, args=(running, stop, acknowledged))
    client.start()
    chance = random.Random(7)
    kills = KILLS if kind == "sqlite" else 5
    for _ in range(kills):
        before = len(acknowledged)
        deadline = time.monotonic() + 30
        while len(acknowledged) < before + chance.randrange(9, 90):
            assert time.monotonic() < deadline, "nothing is accepted any more"
            time.sleep(0.001)
        time.sleep(chance.random() * 0.02)
        running.kill()
        running.start()
    stop.set()
    client.join(20)
    assert running.stop() == 0
    assert_counted(running.state_url, acknowledged)
    assert len(acknowledged) > kills * 9


def assert_counted(state_url: str, acknowledged: list[Match]) -> None:
    """Every acknowledged match is counted once; what was sent and not acknowledged may be counted, once."""
    expected = Counter(grouping.alert_id(m) for m in {m.id: m for m in acknowledged}.values())
    database = databases.opened(state_url)
    with database.read() as connection:
        held: dict[str, int] = {}
        cursor: str | None = ""
        while cursor is not None:
            part = page(connection, ("",), Filters(), 200, cursor)
            held |= {row.id: row.count for row in part.items}
            cursor = part.next
        surplus = sum(held.values()) - expected.total()
        assert 0 <= surplus <= 9
        assert all(held[alert] >= count for alert, count in expected.items())
        for alert, count in held.items():
            kept = detail(connection, ("",), alert)
            assert len(kept.events) == len({e.event_id for e in kept.events}) == min(count, 40)
            assert [entry.action for entry in kept.history] == ["open"]
        assert kept_totals(connection) == true_totals(connection)
        if database.is_sqlite:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    database.close()


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A responder whose fleet no other test touches."""
    yield from running_in(tmp_path_factory.mktemp("alone"))


def enrolled(running: Running, **who: str) -> tuple[Identity, str]:
    wanted = TokenCreate(node="tinh/so", label="noi-bo", role="host", uses=1, days=1, person="tester")
    made_token = running.ask(wanted)
    assert isinstance(made_token, TokenCreated)
    answer = running.ask(asking(parse_token(made_token.text), csr(), machine(**who)))
    assert isinstance(answer, Enrolled), answer
    return answer.answer.identity, answer.answer.certificate


def status(running: Running, agent: str) -> str:
    answer = running.ask(AgentsList())
    assert isinstance(answer, Agents)
    return next(card.status for card in answer.agents if card.identity.agent == agent)


def test_enrolment_gives_everything_an_agent_must_know(alone: Running) -> None:
    wanted = TokenCreate(node="tinh/xa", label="noi-bo", role="host", uses=1, days=1)
    made_token = alone.ask(wanted)
    assert isinstance(made_token, TokenCreated)
    held = parse_token(made_token.text)
    assert held.ca_sha256 == fingerprint_of(alone.layout)
    answer = alone.ask(asking(held, csr(), machine()))
    assert isinstance(answer, Enrolled)
    told = answer.answer
    assert told.agents_port == AGENTS_PORT
    root = x509.load_pem_x509_certificate(told.ca.encode())
    leaf, intermediate = x509.load_pem_x509_certificates(told.certificate.encode())
    intermediate.verify_directly_issued_by(root)
    leaf.verify_directly_issued_by(intermediate)
    assert abs(told.time - time.time_ns() // 1000) < 60_000_000


def test_refusals_carry_stable_codes(alone: Running) -> None:
    wanted = TokenCreate(node="tinh/xa", label="noi-bo", role="host", uses=1, days=1)
    made_token = alone.ask(wanted)
    assert isinstance(made_token, TokenCreated)
    held = parse_token(made_token.text)
    cases: list[tuple[Any, str]] = [
        (asking(held, "no request", machine()), "bad_request"),
        (Renew(agent="a" * 16, serial="1", csr=csr()), "unknown_agent"),
        (AgentChange(agent="a" * 16, change="revoke"), "unknown_agent"),
        (TokenRevoke(id="none"), "unknown_token"),
        (TokenCreate(node="NOT A PATH", label="x", role="host", uses=1, days=1), "malformed"),
        (Quarantine(agent="a" * 16, code="cloned_stream", detail="", time=1), "unknown_agent"),
    ]
    for request, code in cases:
        answer = alone.ask(request)
        assert isinstance(answer, Fault)
        assert (answer.code, answer.retry) == (code, False)
    assert alone.ask(TokenRevoke(id=held.id)) == Accepted(count=1)
    answer = alone.ask(asking(held, csr(), machine()))
    assert isinstance(answer, Fault)
    assert answer.code == "token_revoked"
    listed = alone.ask(TokensList())
    assert isinstance(listed, Tokens)
    assert next(card for card in listed.tokens if card.id == held.id).revoked > 0


def test_the_gateway_hears_of_a_decision_at_once(alone: Running) -> None:
    identity, _ = enrolled(alone)
    first = alone.ask(WatchAdmissions(version=-1))
    assert isinstance(first, Admissions)
    told: list[Any] = []
    waiting = threading.Thread(
        target=lambda: told.append(alone.ask(WatchAdmissions(version=first.version, wait=20)))
    )
    waiting.start()
    assert alone.ask(AgentChange(agent=identity.agent, change="quarantine", reason="why")) == Accepted(count=1)
    waiting.join(20)
    [newer] = told
    assert newer.version > first.version
    assert {a.identity.agent: a.status for a in newer.agents}[identity.agent] == "quarantined"


def test_a_renewed_certificate_replaces_the_old_one_once_used(alone: Running) -> None:
    identity, chain = enrolled(alone)
    renewed = alone.ask(Renew(agent=identity.agent, serial=serial_of(chain), csr=csr()))
    assert isinstance(renewed, Renewed)
    serial = serial_of(renewed.answer.certificate)
    report = AgentSeen(
        agent=identity.agent, time=time.time_ns() // 1000, skew=0, stream="s" * 26, events=3, gaps=0,
        lost_events=0, serial=serial,
    )  # fmt: skip
    assert alone.ask(Seen(agents=[report])) == Accepted(count=1)
    listed = alone.ask(WatchAdmissions(version=-1))
    assert isinstance(listed, Admissions)
    [held] = [a for a in listed.agents if a.identity == identity]
    assert (held.serial, held.previous) == (serial, "")


def test_what_an_honest_agent_cannot_do_quarantines_it_and_is_an_alert(alone: Running) -> None:
    identity, _ = enrolled(alone, hostname="cloned-host")
    told = Quarantine(agent=identity.agent, code="cloned_stream", detail="two streams", time=NOON)
    assert [alone.ask(told), alone.ask(told)] == [Accepted(count=1), Accepted(count=0)]
    assert status(alone, identity.agent) == "quarantined"
    browser = alone.browser("analyst.police")
    [row] = browser.get("/api/v1/alerts?host=cloned-host").json()["items"]
    assert (row["rule_id"], row["count"]) == ("lienphong-integrity-cloned-stream", 1)
    assert browser.get("/api/v1/summary").json()["agents"]["quarantined"] >= 1
    listed = browser.get("/api/v1/agents").json()["items"]
    assert [a["status"] for a in listed if a["agent"] == identity.agent] == ["quarantined"]


def test_the_detectors_account_of_its_rules_outlives_the_process(tmp_path: Path) -> None:
    trouble = RuleTrouble(rule_id="r", file="f.yml", line=3, reason="no such modifier")
    report = RuleReport(loaded=4, active=2, inactive=1, refused=1, inactive_rules=[], refused_rules=[trouble])
    running = build(tmp_path)
    running.start()
    assert running.ask(report) == Accepted(count=1)
    running.kill()
    running.start()
    browser = running.browser("analyst.police")
    assert browser.get("/api/v1/summary").json()["rules"] == {"active": 2, "inactive": 1, "refused": 1}
    assert browser.get("/api/v1/rules/report").json()["refused_rules"][0]["reason"] == "no such modifier"
    assert running.stop() == 0


def test_without_its_signer_enrolment_may_be_tried_again(tmp_path: Path) -> None:
    running = build(tmp_path)
    held = parse_token(token_text(running))
    running.start()
    (running.layout.run / "signer.sock").unlink()
    answer = running.ask(asking(held, csr(), machine()))
    assert isinstance(answer, Fault)
    assert (answer.code, answer.retry) == ("unavailable", True)
    running.kill()
    running.start()
    assert isinstance(running.ask(asking(held, csr(), machine())), Enrolled)
    assert running.stop() == 0


def test_open_streams_do_not_hold_up_the_end(tmp_path: Path) -> None:
    running = build(tmp_path)
    running.start()
    stream = running.browser("analyst.police").get("/api/v1/stream", stream=True)
    assert stream.status_code == 200
    started = time.monotonic()
    assert running.stop() == 0
    assert time.monotonic() - started < 4
    stream.close()


@pytest.mark.parametrize("trouble", ["port", "certificate", "newer"])
def test_what_hinders_a_start_is_said_in_one_line(tmp_path: Path, trouble: str) -> None:
    running = build(tmp_path)
    with contextlib.ExitStack() as stack:
        if trouble == "port":
            import socket

            taken = stack.enter_context(socket.create_server(("127.0.0.1", running.port)))
            assert taken
        elif trouble == "certificate":
            (running.layout.tls / "web.pem").write_text("rubbish")
        else:
            database = databases.opened(running.state_url)
            with database.write() as connection:
                connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
            database.close()
        program = (
            "import asyncio, sys; from pathlib import Path; from tests.api import responder_process as r\n"
            "from collector.exceptions import CollectorError; from collector.api import Policy\n"
            "try: asyncio.run(r._main(Path(sys.argv[1]), int(sys.argv[2]), 1, sys.argv[3], Policy()))\n"
            "except CollectorError as error: sys.exit(str(error))"
        )
        arguments = [str(running.layout.data), str(running.port), running.state_url]
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program, *arguments], capture_output=True, text=True, timeout=30,
            check=False, cwd=Path(__file__).parents[2],
        )  # fmt: skip
    expected = {"port": "web_port", "certificate": "certificate or key", "newer": "9999 is newer"}[trouble]
    assert done.returncode == 1
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


def test_sessions_end_when_idle_and_in_any_case(tmp_path: Path) -> None:
    for running in running_in(tmp_path, idle_s=1.0, absolute_s=3.0):
        idle, busy = running.browser("analyst.police"), running.browser("analyst.police")
        started = time.monotonic()
        while busy.get("/api/v1/session").status_code == 200:
            assert time.monotonic() - started < 10
            time.sleep(0.05)
        assert time.monotonic() - started < 3.5
        assert idle.get("/api/v1/session").status_code == 401
