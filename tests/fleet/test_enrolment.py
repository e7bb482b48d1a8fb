"""Enrolment: who is let in and who is not, and no step of it that a crash could leave half done."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from cryptography import x509

from collector.exceptions import TrustError
from collector.fleet import Enrolment, agents, tokens
from collector.fleet.exceptions import (
    AlreadyEnrolledError,
    BadTokenError,
    FleetError,
    QuarantinedError,
    RevokedError,
    SupersededError,
    TokenExpiredError,
    TokenRevokedError,
    TokenUsedUpError,
    UnknownAgentError,
)
from collector.messages import AgentChange, AgentSeen, Renew
from collector.state import Database
from tests.fleet.machines import Signing, asking, csr, machine, new_key, serial_of, token
from wire.identity import EnrolToken, Identity, from_uris


def enrol(enrolment: Enrolment, held: EnrolToken, request: str | None = None, **who: str) -> tuple[Identity, str]:
    return asyncio.run(enrolment.enrol(asking(held, request or csr(), machine(**who))))


def used(database: Database, held: EnrolToken) -> int:
    with database.read() as connection:
        return next(card.used for card in tokens.listed(connection) if card.id == held.id)


def row(database: Database, agent: str) -> dict[str, Any]:
    with database.read() as connection:
        return dict(agents.find(connection, agent))


def change(database: Database, agent: str, what: Any) -> None:
    with database.write() as connection:
        agents.change(connection, AgentChange(agent=agent, change=what, reason="test", person="tester"))


def test_an_agent_gets_what_its_token_says_and_nothing_its_request_says(
    enrolment: Enrolment, database: Database
) -> None:
    held = token(database, node="tinh/xa/01", label="bao-ve", role="wan")
    identity, chain = enrol(enrolment, held)
    assert (identity.node, identity.label, identity.role) == ("tinh/xa/01", "bao-ve", "wan")
    leaf = x509.load_pem_x509_certificates(chain.encode())[0]
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert from_uris(names.get_values_for_type(x509.UniformResourceIdentifier)) == identity
    with database.read() as connection:
        listed = agents.admissions(connection)
    assert [(a.identity, a.serial, a.status) for a in listed.agents] == [(identity, serial_of(chain), "active")]


def test_a_token_is_good_for_as_many_agents_as_it_says(enrolment: Enrolment, database: Database) -> None:
    held = token(database, uses=2)
    enrol(enrolment, held)
    enrol(enrolment, held)
    with pytest.raises(TokenUsedUpError):
        enrol(enrolment, held)


def test_uses_are_counted_exactly_when_many_ask_at_once(enrolment: Enrolment, database: Database) -> None:
    held = token(database, uses=5)

    async def ask() -> bool:
        try:
            await enrolment.enrol(asking(held, csr(), machine()))
        except TokenUsedUpError:
            return False
        return True

    async def run() -> list[bool]:
        return list(await asyncio.gather(*(ask() for _ in range(12))))

    assert sum(asyncio.run(run())) == 5
    assert used(database, held) == 5


def test_a_wrong_secret_and_an_unknown_token_are_told_alike(enrolment: Enrolment, database: Database) -> None:
    held = token(database)
    texts = []
    for wrong in (
        EnrolToken(id=held.id, secret="x" * 43, ca_sha256=held.ca_sha256),
        EnrolToken(id="0" * 16, secret=held.secret, ca_sha256=held.ca_sha256),
        EnrolToken(id=held.id, secret="", ca_sha256=held.ca_sha256),
    ):
        with pytest.raises(BadTokenError) as caught:
            enrol(enrolment, wrong)
        texts.append(str(caught.value))
    assert len(set(texts)) == 1
    assert used(database, held) == 0


def test_an_expired_or_revoked_token_enrols_nobody(enrolment: Enrolment, database: Database) -> None:
    with pytest.raises(TokenExpiredError):
        enrol(enrolment, token(database, days=1e-12))
    held = token(database)
    with database.write() as connection:
        tokens.revoke(connection, held.id)
    with pytest.raises(TokenRevokedError):
        enrol(enrolment, held)


def test_the_secret_is_nowhere_in_the_database(enrolment: Enrolment, database: Database) -> None:
    held = token(database)
    enrol(enrolment, held)
    with database.read() as connection:
        for table in ("fleet_tokens", "fleet_agents", "fleet_records"):
            for found in connection.exec_driver_sql(f"SELECT * FROM {table}"):
                assert held.secret not in repr(found)


@pytest.mark.parametrize("request_text", ["", "not PEM", csr().replace("A", "B", 3)])
def test_a_bad_certificate_request_costs_no_use(
    enrolment: Enrolment, database: Database, request_text: str
) -> None:
    held = token(database)
    with pytest.raises(TrustError):
        asyncio.run(enrolment.enrol(asking(held, request_text, machine())))
    assert used(database, held) == 0


@pytest.mark.parametrize("crash", ["fail_before", "fail_after"])
def test_a_crash_around_the_signer_is_mended_by_the_next_attempt(
    enrolment: Enrolment, database: Database, signing: Signing, crash: str
) -> None:
    held, key, who = token(database), new_key(), machine()
    setattr(signing, crash, True)
    for _ in range(3):
        with pytest.raises(ConnectionError):
            asyncio.run(enrolment.enrol(asking(held, csr(key), who)))
    with database.read() as connection:
        assert agents.admissions(connection).agents == []
        pending = agents.cards(connection)
    setattr(signing, crash, False)
    identity, chain = asyncio.run(enrolment.enrol(asking(held, csr(key), who)))
    assert [card.identity for card in pending] == [identity]
    assert used(database, held) == 1
    assert row(database, identity.agent)["serial"] == serial_of(chain)


def test_an_answer_lost_on_the_way_is_given_again(
    enrolment: Enrolment, database: Database, signing: Signing
) -> None:
    held, key, who = token(database), new_key(), machine()
    first = asyncio.run(enrolment.enrol(asking(held, csr(key), who)))
    again = asyncio.run(enrolment.enrol(asking(held, csr(key), who)))
    assert first == again
    assert (used(database, held), signing.signed) == (1, 1)


def test_two_attempts_with_one_key_at_once_admit_one_agent(enrolment: Enrolment, database: Database) -> None:
    held, key, who = token(database), new_key(), machine()

    async def run() -> list[tuple[Identity, str]]:
        return list(await asyncio.gather(*(enrolment.enrol(asking(held, csr(key), who)) for _ in range(4))))

    assert len(set(asyncio.run(run()))) == 1
    assert used(database, held) == 1


def test_a_live_host_is_not_enrolled_again_without_a_person(enrolment: Enrolment, database: Database) -> None:
    held = token(database, uses=9)
    who = {"machine_id": "m" * 32, "hostname": "portal"}
    first, _ = enrol(enrolment, held, **who)
    with pytest.raises(AlreadyEnrolledError, match="portal"):
        enrol(enrolment, held, **who)
    change(database, first.agent, "quarantine")
    with pytest.raises(AlreadyEnrolledError):
        enrol(enrolment, held, **who)
    assert used(database, held) == 1
    change(database, first.agent, "revoke")
    second, _ = enrol(enrolment, held, **who)
    assert second.agent != first.agent


def test_a_token_that_allows_it_takes_a_live_host_over(enrolment: Enrolment, database: Database) -> None:
    who = {"machine_id": "m" * 32}
    first, _ = enrol(enrolment, token(database), **who)
    second, _ = enrol(enrolment, token(database, allow_reenrol=True), **who)
    assert row(database, first.agent)["status"] == "revoked"
    assert row(database, second.agent)["status"] == "active"
    assert second.agent in row(database, first.agent)["reason"]


def test_two_new_agents_on_one_machine_at_once_admit_one(enrolment: Enrolment, database: Database) -> None:
    held = token(database, uses=9)
    who = machine()

    async def ask() -> bool:
        try:
            await enrolment.enrol(asking(held, csr(), who))
        except AlreadyEnrolledError:
            return False
        return True

    async def run() -> list[bool]:
        return list(await asyncio.gather(*(ask() for _ in range(6))))

    assert sum(asyncio.run(run())) == 1


def test_without_a_machine_id_the_name_within_the_node_tells(enrolment: Enrolment, database: Database) -> None:
    who = {"machine_id": "", "hostname": "router"}
    enrol(enrolment, token(database, node="tinh/a"), **who)
    with pytest.raises(AlreadyEnrolledError):
        enrol(enrolment, token(database, node="tinh/a"), **who)
    enrol(enrolment, token(database, node="tinh/b"), **who)


def test_a_revoked_agent_cannot_come_back_with_its_old_key(enrolment: Enrolment, database: Database) -> None:
    held, key, who = token(database), new_key(), machine()
    identity, _ = asyncio.run(enrolment.enrol(asking(held, csr(key), who)))
    change(database, identity.agent, "revoke")
    with pytest.raises(RevokedError):
        asyncio.run(enrolment.enrol(asking(held, csr(key), who)))


def renew(enrolment: Enrolment, agent: str, serial: str) -> str:
    return serial_of(asyncio.run(enrolment.renew(Renew(agent=agent, serial=serial, csr=csr()))))


def seen(database: Database, agent: str, serial: str) -> None:
    report = AgentSeen(
        agent=agent, time=1, skew=0, stream="a" * 26, events=1, gaps=0, lost_events=0, serial=serial
    )
    with database.write() as connection:
        agents.seen(connection, [report])


def test_the_old_certificate_works_until_the_new_one_is_used(enrolment: Enrolment, database: Database) -> None:
    identity, chain = enrol(enrolment, token(database))
    first = serial_of(chain)
    second = renew(enrolment, identity.agent, first)
    held = row(database, identity.agent)
    assert (held["serial"], held["previous"]) == (second, first)
    seen(database, identity.agent, first)
    assert row(database, identity.agent)["previous"] == first
    seen(database, identity.agent, second)
    assert row(database, identity.agent)["previous"] == ""
    with pytest.raises(SupersededError):
        renew(enrolment, identity.agent, first)


def test_a_renewal_whose_answer_was_lost_can_be_repeated(enrolment: Enrolment, database: Database) -> None:
    identity, chain = enrol(enrolment, token(database))
    first = serial_of(chain)
    lost = renew(enrolment, identity.agent, first)
    second = renew(enrolment, identity.agent, first)
    held = row(database, identity.agent)
    assert (held["serial"], held["previous"]) == (second, first)
    with pytest.raises(SupersededError):
        renew(enrolment, identity.agent, lost)


@pytest.mark.parametrize(("what", "error"), [("revoke", RevokedError), ("quarantine", QuarantinedError)])
def test_an_agent_that_may_not_speak_cannot_renew(
    enrolment: Enrolment, database: Database, what: str, error: type[FleetError]
) -> None:
    identity, chain = enrol(enrolment, token(database))
    change(database, identity.agent, what)
    with pytest.raises(error):
        renew(enrolment, identity.agent, serial_of(chain))


def test_nobody_renews_who_was_never_enrolled(enrolment: Enrolment) -> None:
    with pytest.raises(UnknownAgentError):
        renew(enrolment, "a" * 16, "1")
