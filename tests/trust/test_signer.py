"""What the signer signs, what it refuses, and when listeners get new certificates."""

from __future__ import annotations

import asyncio

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from collector.layout import Layout
from collector.messages import Certificate, Fault, SignCertificate
from collector.trust.signer import Signer, renew_listeners
from wire.identity import Identity, Machine, from_uris

IDENTITY = Identity(agent="b" * 16, node="tinh/xa-mot", label="noi-bo", role="wan")
HOSTNAMES = ["collector.test", "localhost", "127.0.0.1"]


def request(subject: str) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    key = ec.generate_private_key(ec.SECP256R1())
    extension = x509.SubjectAlternativeName([x509.UniformResourceIdentifier("lienphong:role:relay")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name).add_extension(extension, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def ask(layout: Layout, csr: str) -> object:
    message = SignCertificate(csr=csr, identity=IDENTITY, machine=Machine(hostname="may-1"), days=30)
    return asyncio.run(Signer(layout).answer(message))


def test_the_identity_comes_from_the_responder_and_nothing_from_the_request(layout: Layout) -> None:
    answer = ask(layout, request("lienphong:agent:" + "z" * 16))
    assert isinstance(answer, Certificate)
    leaf = x509.load_pem_x509_certificates(answer.chain.encode())[0]
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert from_uris(names.get_values_for_type(x509.UniformResourceIdentifier)) == IDENTITY
    assert "z" * 16 not in answer.chain
    assert leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "lienphong agent"


def test_the_answer_names_serial_and_end(layout: Layout) -> None:
    answer = ask(layout, request("x"))
    assert isinstance(answer, Certificate)
    leaf, issuer = x509.load_pem_x509_certificates(answer.chain.encode())
    assert int(answer.serial, 16) == leaf.serial_number
    assert answer.not_after == int(leaf.not_valid_after_utc.timestamp()) * 1_000_000
    leaf.verify_directly_issued_by(issuer)
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_a_broken_request_is_a_fault(layout: Layout) -> None:
    answer = ask(layout, "nonsense")
    assert isinstance(answer, Fault)
    assert (answer.code, answer.retry) == ("bad_request", False)


def test_listeners_keep_their_certificates_until_a_name_is_added(layout: Layout) -> None:
    assert renew_listeners(layout, HOSTNAMES) == []
    assert renew_listeners(layout, [*HOSTNAMES, "portal.test"]) == ["gateway", "web"]
    assert renew_listeners(layout, [*HOSTNAMES, "portal.test"]) == []
