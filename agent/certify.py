"""Keys and certificate requests. Loads `cryptography`, so only enrolment and renewal import this."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agent.exceptions import EnrolError
from agent.identity import Record
from wire.identity import Identity

Key = ec.EllipticCurvePrivateKey


def new_key() -> Key:
    """P-256: what every TLS library does, FIPS-mode ones included."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: Key) -> bytes:
    """PKCS #8, unencrypted: the agent must start without a person."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def read_key(pem: bytes) -> Key:
    """Raises `ValueError` unless it is an elliptic-curve key in PEM."""
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("not an elliptic-curve key")
    return key


def request(key: Key) -> str:
    """A certificate request (PKCS #10) in PEM. It names nobody: the collector decides who we are."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def record(chain_pem: str, key: Key, identity: Identity, collector: str, enrolled: int) -> Record:
    """What `identity.json` says of a certificate.

    Raises:
        EnrolError: the chain cannot be read, or its first certificate is for another key.
    """
    try:
        leaf = x509.load_pem_x509_certificates(chain_pem.encode())[0]
    except ValueError as error:
        raise EnrolError("bad_answer", "the collector's answer holds no readable certificate") from error
    if leaf.public_key() != key.public_key():
        raise EnrolError("bad_answer", "the collector's answer holds a certificate for another key")
    return Record(
        identity=identity,
        collector=collector,
        enrolled=enrolled,
        not_before=int(leaf.not_valid_before_utc.timestamp() * 1e6),
        not_after=int(leaf.not_valid_after_utc.timestamp() * 1e6),
    )
