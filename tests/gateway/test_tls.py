"""Certificates that do not get in: each is refused in the handshake or before a route, and counted by kind."""

from __future__ import annotations

import http.client
import socket
import ssl
import warnings
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from collector.gateway import tls
from collector.gateway.exceptions import ListenError
from tests.gateway.harness import Agent, GatewayProcess, Responder, identity
from tests.gateway.trust import DAY, Trust, private
from wire import batch, codec

REFUSED = (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Responder]:
    """The responder's side of this module's gateways."""
    directory = tmp_path_factory.mktemp("tls") / "run"
    directory.mkdir()
    made = Responder(directory / "responder.sock")
    yield made
    made.close()


@pytest.fixture(scope="module", params=["uvloop", "asyncio"])
def either(request: pytest.FixtureRequest, listed: Responder, trust: Trust) -> Iterator[GatewayProcess]:
    """The gateway on either event loop: they do TLS by code of their own."""
    with GatewayProcess(listed.path.parent.parent, trust, loop=request.param) as made:
        yield made
        assert made.stop() == 0


def turned_away(gateway: GatewayProcess, pem: Path | None, kind: str) -> None:
    """The handshake fails, is counted as `kind`, and nothing was answered."""
    before = gateway.metric("tls_handshake_failures", kind=kind)
    agent = Agent(gateway, identity(1), pem)
    with pytest.raises(REFUSED):
        agent.post(agent.body(agent.cut(1)))
    agent.close()
    assert gateway.metric("tls_handshake_failures", kind=kind) == before + 1


def test_no_certificate(either: GatewayProcess) -> None:
    turned_away(either, None, "no_certificate")


def test_an_expired_certificate(either: GatewayProcess, trust: Trust) -> None:
    pem, _ = trust.odd(identity(1).uris(), start=-2 * DAY, end=-timedelta(seconds=1))
    turned_away(either, pem, "expired")


def test_a_certificate_of_tomorrow(either: GatewayProcess, trust: Trust) -> None:
    pem, _ = trust.odd(identity(1).uris(), start=timedelta(hours=1))
    turned_away(either, pem, "not_yet_valid")


def test_another_authority_of_the_same_name(either: GatewayProcess, tmp_path: Path) -> None:
    pem, _ = Trust(tmp_path).agent(identity(1))
    turned_away(either, pem, "unknown_authority")


def test_a_certificate_for_servers(either: GatewayProcess, trust: Trust) -> None:
    pem, _ = trust.odd(identity(1).uris(), purpose=ExtendedKeyUsageOID.SERVER_AUTH)
    turned_away(either, pem, "wrong_purpose")
    turned_away(either, trust.write(trust.server, trust.server_key), "wrong_purpose")


def test_the_listeners_own_files_can_do_nothing_here(either: GatewayProcess, trust: Trust, tmp_path: Path) -> None:
    pem = tmp_path / "listener.pem"
    pem.write_bytes(private(trust.server_key) + (trust.tls / "gateway.pem").read_bytes())
    turned_away(either, pem, "wrong_purpose")


@pytest.mark.parametrize(
    ("uris", "purpose", "extra"),
    [
        (identity(1).uris(), None, ()),
        ([], ExtendedKeyUsageOID.CLIENT_AUTH, [x509.DNSName("may-1")]),
        (identity(1).uris()[:3], ExtendedKeyUsageOID.CLIENT_AUTH, ()),
        (identity(1).uris(), ExtendedKeyUsageOID.CLIENT_AUTH, [x509.DNSName("may-1")]),
        ([*identity(1).uris(), "https://khac"], ExtendedKeyUsageOID.CLIENT_AUTH, ()),
        ([*identity(1).uris(), "lienphong:agent:" + "b" * 16], ExtendedKeyUsageOID.CLIENT_AUTH, ()),
        ([u.replace("lienphong:node:tinh", "lienphong:node:../") for u in identity(1).uris()],
         ExtendedKeyUsageOID.CLIENT_AUTH, ()),
    ],
)  # fmt: skip
def test_a_certificate_of_ours_that_is_no_agents_reaches_no_route(
    either: GatewayProcess,
    listed: Responder,
    trust: Trust,
    uris: list[str],
    purpose: x509.ObjectIdentifier | None,
    extra: list[x509.GeneralName],
) -> None:
    before = either.metric("refusals", code="no_certificate")
    pem, serial = trust.odd(uris, purpose=purpose, extra=extra)
    listed.admit(identity(1), serial)
    agent = Agent(either, identity(1), pem)
    assert agent.refused(agent.body(agent.cut(1))) == (403, "no_certificate")
    agent.close()
    assert either.metric("refusals", code="no_certificate") == before + 1


def test_old_tls_is_not_spoken(either: GatewayProcess, trust: Trust) -> None:
    before = either.metric("tls_handshake_failures", kind="other")
    pem, _ = trust.agent(identity(1))
    agent = Agent(either, identity(1), pem)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        agent.context.minimum_version = ssl.TLSVersion.TLSv1
        agent.context.maximum_version = ssl.TLSVersion.TLSv1_1
    agent.context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(REFUSED):
        agent.post(b"")
    agent.close()
    assert either.metric("tls_handshake_failures", kind="other") == before + 1


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_tls_of_today_is_spoken(
    either: GatewayProcess, listed: Responder, trust: Trust, version: ssl.TLSVersion
) -> None:
    who = identity(int(version))
    pem, serial = trust.agent(who)
    listed.admit(who, serial)
    agent = Agent(either, who, pem)
    agent.context.minimum_version = agent.context.maximum_version = version
    agent.deliver(1)
    agent.close()


def test_a_connection_without_a_certificate_reaches_enrolment_and_no_agent_route(either: GatewayProcess) -> None:
    stranger = Agent(either, identity(1), None)
    connection = stranger.connect(either.enrol_port)
    for method, path in (("POST", "/v1/batch"), ("POST", "/v1/renew"), ("GET", "/v1/commands")):
        connection.request(method, path, b"")
        answer = connection.getresponse()
        assert codec.decode(answer.read(), batch.Problem, "problem").code == "not_found"
    connection.close()


def test_something_that_is_not_tls_harms_nobody(either: GatewayProcess) -> None:
    with socket.create_connection(("127.0.0.1", either.agents_port), timeout=10) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" not in plain.recv(4096)
    assert either.metric("tls_handshake_failures", kind="other") >= 1


def test_many_failures_are_one_line_a_kind_and_all_counted(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    counted: list[tls.Kind] = []
    handshakes = tls.Handshakes(counted.append, lambda: now[0])
    error = ssl.SSLError(1, "PEER_DID_NOT_RETURN_A_CERTIFICATE")
    error.reason = "PEER_DID_NOT_RETURN_A_CERTIFICATE"
    for _ in range(100):
        handshakes.failed(error)
    now[0] = 61.0
    handshakes.failed(error)
    assert counted == ["no_certificate"] * 101
    assert len(caplog.records) == 2
    assert "99 more" in caplog.text


def test_certificate_files_that_are_not_there_are_named(tmp_path: Path, trust: Trust) -> None:
    handshakes = tls.Handshakes(lambda _: None)
    with pytest.raises(ListenError, match=r"gateway\.pem"):
        tls.agents_context(tmp_path, handshakes)
    for name in ("gateway.pem", "gateway.key.pem"):
        (tmp_path / name).write_bytes((trust.tls / name).read_bytes())
    with pytest.raises(ListenError, match=r"ca\.pem"):
        tls.agents_context(tmp_path, handshakes)
