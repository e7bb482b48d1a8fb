"""The certificate profiles hold in a real TLS handshake, and only in the role they were made for."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from collector.exceptions import TrustError
from collector.layout import Layout
from collector.trust import certificates, keys
from collector.trust.ceremony import read_authority
from wire.identity import Identity, from_uris

IDENTITY = Identity(agent="a" * 16, node="tinh/so-khcn", label="noi-bo", role="host")


def agent_files(
    layout: Layout, directory: Path, identity: Identity = IDENTITY, days: int = 90
) -> tuple[Path, Path]:
    authority, authority_key = read_authority(layout)
    key = keys.new_certificate_key()
    leaf = certificates.agent(key.public_key(), identity, days, authority, authority_key)
    chain, private = directory / "agent.pem", directory / "agent.key.pem"
    chain.write_text(certificates.to_pem(leaf, authority))
    keys.write_private(private, keys.to_pem(key))
    return chain, private


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> tuple[dict[str, object], bytes]:
    """One TLS handshake over loopback: the server's certificate as the client saw it, and the client's in DER."""
    listener = socket.create_server(("127.0.0.1", 0))
    seen: list[bytes | ssl.SSLError] = []

    def accept() -> None:
        connection, _ = listener.accept()
        try:
            with server.wrap_socket(connection, server_side=True) as secured:
                seen.append(secured.getpeercert(binary_form=True) or b"")
                secured.sendall(b"!")
        except ssl.SSLError as error:
            seen.append(error)

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        raw = socket.create_connection(listener.getsockname(), timeout=10)
        with client.wrap_socket(raw, server_hostname=name) as secured:
            secured.recv(1)
            certificate = secured.getpeercert()
    finally:
        thread.join(10)
        listener.close()
    first = seen[0]
    if isinstance(first, ssl.SSLError):
        raise first
    return dict(certificate or {}), first


def server_context(layout: Layout, name: str = "gateway") -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(layout.root_certificate))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(layout.tls / f"{name}.pem", layout.tls / f"{name}.key.pem")
    return context


def client_context(layout: Layout, files: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(layout.root_certificate))
    context.load_cert_chain(*files)
    return context


def test_agent_and_gateway_recognise_each_other(layout: Layout, tmp_path: Path) -> None:
    server, der = handshake(
        server_context(layout), client_context(layout, agent_files(layout, tmp_path)), "collector.test"
    )
    names = x509.load_der_x509_certificate(der).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert ("DNS", "collector.test") in server["subjectAltName"]  # type: ignore[operator]
    assert from_uris(names.value.get_values_for_type(x509.UniformResourceIdentifier)) == IDENTITY


def test_an_agents_certificate_cannot_serve(layout: Layout, tmp_path: Path) -> None:
    chain, private = agent_files(layout, tmp_path)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(chain, private)
    client = ssl.create_default_context(cafile=str(layout.root_certificate))
    client.check_hostname = False
    with pytest.raises(ssl.SSLError, match="purpose"):
        handshake(server, client, "collector.test")


def test_a_listeners_certificate_cannot_be_an_agent(layout: Layout) -> None:
    files = (layout.tls / "web.pem", layout.tls / "web.key.pem")
    with pytest.raises(ssl.SSLError):
        handshake(server_context(layout), client_context(layout, files), "collector.test")


def test_a_wrong_name_is_refused(layout: Layout, tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLError, match="Hostname mismatch"):
        handshake(server_context(layout), client_context(layout, agent_files(layout, tmp_path)), "other.test")


def test_the_tls_intermediate_cannot_make_authorities(layout: Layout) -> None:
    authority, _ = read_authority(layout)
    constraints = authority.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 0)


def request(key: object, subject: str = "nobody") -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, algorithm)  # type: ignore[arg-type]
    return csr.public_bytes(serialization.Encoding.PEM).decode()


@pytest.mark.parametrize(
    "key",
    [ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1()), keys.new_signing_key()],
)
def test_allowed_keys_are_taken_from_requests(key: ec.EllipticCurvePrivateKey) -> None:
    assert certificates.request_key(request(key)) == key.public_key()


@pytest.mark.parametrize(
    "key",
    [ec.generate_private_key(ec.SECP256K1()), rsa.generate_private_key(public_exponent=65537, key_size=2048)],
)
def test_other_keys_are_refused(key: object) -> None:
    with pytest.raises(TrustError, match="must be Ed25519"):
        certificates.request_key(request(key))


def test_a_request_signed_by_another_key_is_refused() -> None:
    pem = request(ec.generate_private_key(ec.SECP256R1()))
    der = bytearray(x509.load_pem_x509_csr(pem.encode()).public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    broken = x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM).decode()
    with pytest.raises(TrustError, match="own key"):
        certificates.request_key(broken)


def test_what_is_no_request_is_refused() -> None:
    with pytest.raises(TrustError, match="PKCS #10"):
        certificates.request_key("-----BEGIN NONSENSE-----")
