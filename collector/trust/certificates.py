"""The certificate profiles (RFC 5280): root, intermediate, server and agent."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from collector.exceptions import TrustError
from collector.trust.keys import CertificateKey
from wire.identity import Identity

ROOT_DAYS = 3_650
INTERMEDIATE_DAYS = 1_825
SERVER_DAYS = 397
"""Browsers refuse server certificates that live longer than 398 days."""

CLOCK_SLACK = timedelta(minutes=5)
"""A new certificate is valid from a little before now: agents' clocks are not all right."""

PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


def root(key: CertificateKey, name: str) -> x509.Certificate:
    """The self-signed root that agents pin."""
    builder = _builder(_name(name), _name(name), key.public_key(), ROOT_DAYS)
    return _authority(builder, path_length=1).sign(key, hashes.SHA256())


def intermediate(
    key: PublicKey, name: str, issuer: x509.Certificate, issuer_key: CertificateKey
) -> x509.Certificate:
    """An online authority under the root, for one purpose; it can make no further authorities."""
    builder = _builder(_name(name), issuer.subject, key, INTERMEDIATE_DAYS)
    return _linked(_authority(builder, path_length=0), issuer).sign(issuer_key, hashes.SHA256())


def signing(key: PublicKey, name: str, issuer: x509.Certificate, issuer_key: CertificateKey) -> x509.Certificate:
    """The root's word for a key that signs commands or configuration: digital signature and nothing else."""
    builder = _builder(_name(name), issuer.subject, key, INTERMEDIATE_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signature=True), critical=True)
    return _linked(builder, issuer).sign(issuer_key, hashes.SHA256())


def server(
    key: PublicKey, hostnames: Iterable[str], issuer: x509.Certificate, issuer_key: CertificateKey
) -> x509.Certificate:
    """A certificate for the collector's own listeners under the given names and addresses."""
    names = list(hostnames)
    builder = _builder(_name(names[0]), issuer.subject, key, SERVER_DAYS)
    builder = builder.add_extension(x509.SubjectAlternativeName([_general(n) for n in names]), critical=False)
    return _leaf(builder, ExtendedKeyUsageOID.SERVER_AUTH, issuer).sign(issuer_key, hashes.SHA256())


def agent(
    key: PublicKey, identity: Identity, days: int, issuer: x509.Certificate, issuer_key: CertificateKey
) -> x509.Certificate:
    """An agent's client certificate. Who it is stands in its URI names alone; the subject says nothing."""
    builder = _builder(_name("lienphong agent"), issuer.subject, key, days)
    uris = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri) for uri in identity.uris()])
    builder = builder.add_extension(uris, critical=False)
    return _leaf(builder, ExtendedKeyUsageOID.CLIENT_AUTH, issuer).sign(issuer_key, hashes.SHA256())


def request_key(pem: str) -> PublicKey:
    """The public key of a certificate request (PKCS #10), proven to be the asker's; the rest of it is ignored.

    Raises:
        TrustError: not a request, a broken signature, or a key of a kind that is not allowed.
    """
    try:
        request = x509.load_pem_x509_csr(pem.encode())
        valid = request.is_signature_valid
        key = request.public_key()
    except ValueError as error:
        raise TrustError("the certificate request cannot be read; expected PEM PKCS #10") from error
    if not valid:
        raise TrustError("the certificate request is not signed by its own key")
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1):
        return key
    raise TrustError("the certificate request's key must be Ed25519, P-256 or P-384")


def to_pem(*chain: x509.Certificate) -> str:
    """The certificates in PEM, in the given order."""
    return "".join(c.public_bytes(serialization.Encoding.PEM).decode() for c in chain)


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the DER form, hex: what people compare and tokens carry."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def _builder(subject: x509.Name, issuer: x509.Name, key: PublicKey, days: int) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SLACK)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _authority(builder: x509.CertificateBuilder, path_length: int) -> x509.CertificateBuilder:
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
    return builder.add_extension(_usage(authority=True), critical=True)


def _leaf(
    builder: x509.CertificateBuilder, purpose: x509.ObjectIdentifier, issuer: x509.Certificate
) -> x509.CertificateBuilder:
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signature=True), critical=True)
    return _linked(builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False), issuer)


def _linked(builder: x509.CertificateBuilder, issuer: x509.Certificate) -> x509.CertificateBuilder:
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
    )


def _usage(*, signature: bool = False, authority: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signature,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Lien Phong"),
            x509.NameAttribute(NameOID.COMMON_NAME, common[:64]),
        ]
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
