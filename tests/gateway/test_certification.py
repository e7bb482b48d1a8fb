"""Enrolment and renewal through the real doors, with the responder's answers given by the tests."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

import msgspec
import pytest

from collector.messages import Enrol, Enrolled, Fault, Renew, Renewed
from tests.gateway.harness import Agent, GatewayProcess, Responder, identity
from wire import codec
from wire.batch import Problem
from wire.identity import EnrolAnswer, EnrolRequest, Machine, RenewAnswer, RenewRequest

ASKED = EnrolRequest(
    token_id="t", token_secret="s3cret-of-the-token", csr="csr", machine=Machine(hostname="may-1")
)
ANSWER = EnrolAnswer(identity=identity(1), certificate="chain", ca="root", agents_port=7443, time=1)
JSON = "application/json"


@pytest.fixture
def stranger(gateway: GatewayProcess) -> Iterator[http.client.HTTPSConnection]:
    """A connection to the enrolment door, without a certificate."""
    connection = Agent(gateway, identity(1), None).connect(gateway.enrol_port)
    yield connection
    connection.close()


@pytest.fixture(autouse=True)
def forget(responder: Responder) -> None:
    """Each test gives the answers of its own."""
    responder.asked.clear()
    responder.answers.clear()


def ask(connection: http.client.HTTPSConnection, body: bytes, kind: str = JSON) -> tuple[int, bytes]:
    connection.request("POST", "/v1/enrol", body, {"Content-Type": kind})
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_the_root_is_given_to_whoever_asks(stranger: http.client.HTTPSConnection, gateway: GatewayProcess) -> None:
    stranger.request("GET", "/v1/ca")
    answer = stranger.getresponse()
    assert (answer.status, answer.read().decode()) == (200, gateway.trust.ca.read_text())


def test_an_enrolment_goes_to_the_responder_and_its_answer_back(
    stranger: http.client.HTTPSConnection, responder: Responder
) -> None:
    responder.answers.append(Enrolled(answer=ANSWER))
    status, body = ask(stranger, codec.encode(ASKED))
    assert (status, codec.decode(body, EnrolAnswer, "answer")) == (200, ANSWER)
    assert responder.asked == [Enrol(request=ASKED, peer="127.0.0.1")]


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("bad_token", 401, "bad_token"),
        ("token_expired", 401, "token_expired"),
        ("token_used_up", 403, "token_used_up"),
        ("token_revoked", 403, "token_revoked"),
        ("already_enrolled", 409, "already_enrolled"),
        ("bad_request", 400, "bad_request"),
        ("unavailable", 503, "unavailable"),
        ("internal", 503, "unavailable"),
        ("something_new", 503, "unavailable"),
    ],
)
def test_what_the_responder_refuses_is_refused(
    stranger: http.client.HTTPSConnection,
    responder: Responder,
    gateway: GatewayProcess,
    fault: str,
    status: int,
    code: str,
) -> None:
    before = gateway.metric("refusals", code=code)
    responder.answers.append(Fault(code=fault, detail="what it says", retry=status == 503))
    given, body = ask(stranger, codec.encode(ASKED))
    problem = codec.decode(body, Problem, "problem")
    assert (given, problem.status, problem.code) == (status, status, code)
    assert (problem.retry_after > 0) == (status == 503)
    assert gateway.metric("refusals", code=code) == before + 1
    assert "s3cret" not in gateway.log.read_text()


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"", JSON, 400, "malformed"),
        (b"{}", JSON, 400, "malformed"),
        (b"[" * 30_000, JSON, 400, "malformed"),
        (codec.encode(ASKED), "text/plain", 415, "content_type"),
        (bytes(40_000), JSON, 413, "too_large"),
        (bytes(20_000_000), JSON, 413, "too_large"),
        (codec.encode(msgspec.to_builtins(ASKED) | {"v": 7}), JSON, 400, "version"),
        (codec.encode(msgspec.to_builtins(ASKED) | {"csr": "x" * 9_000}), JSON, 400, "malformed"),
    ],
)
def test_what_is_no_enrolment_does_not_reach_the_responder(
    stranger: http.client.HTTPSConnection, responder: Responder, body: bytes, kind: str, status: int, code: str
) -> None:
    try:
        given, answer = ask(stranger, body, kind)
    except (ConnectionError, OSError):
        assert len(body) > 16 << 20, "only a very long body is hung up on"
        return
    assert (given, codec.decode(answer, Problem, "problem").code) == (status, code)
    assert not responder.asked


def test_a_responder_that_is_away_is_a_503(stranger: http.client.HTTPSConnection, responder: Responder) -> None:
    responder.shut()
    try:
        status, body = ask(stranger, codec.encode(ASKED))
    finally:
        responder.open()
    assert (status, codec.decode(body, Problem, "problem").code) == (503, "unavailable")


def test_renewal_names_the_certificate_that_was_used(agent: Agent, responder: Responder) -> None:
    agent.deliver(1)
    responder.answers.append(Renewed(answer=RenewAnswer(certificate="new chain")))
    status, body = agent.request("POST", "/v1/renew", codec.encode(RenewRequest(csr="csr")), kind=JSON)
    assert (status, codec.decode(body, RenewAnswer, "answer").certificate) == (200, "new chain")
    assert responder.asked == [Renew(agent=agent.who.agent, serial=agent.serial, csr="csr")]


def test_a_revoked_agent_renews_nothing(agent: Agent, responder: Responder) -> None:
    responder.admit(agent.who, agent.serial, "revoked")
    status, body = agent.request("POST", "/v1/renew", codec.encode(RenewRequest(csr="csr")), kind=JSON)
    assert (status, codec.decode(body, Problem, "problem").code) in {(403, "revoked"), (403, "unknown_agent")}
    assert not responder.asked


def test_one_address_may_not_ask_without_end(own: tuple[GatewayProcess, Agent]) -> None:
    gateway, _ = own
    stranger = Agent(gateway, identity(1), None).connect(gateway.enrol_port)
    try:
        for _ in range(200):
            stranger.request("GET", "/v1/ca")
            answer = stranger.getresponse()
            body = answer.read()
            if answer.status == 429:
                break
        problem = codec.decode(body, Problem, "problem")
        assert problem.code == "rate_limited"
        assert 0 < problem.retry_after < 2
        assert float(answer.headers["Retry-After"]) >= problem.retry_after
    finally:
        stranger.close()
