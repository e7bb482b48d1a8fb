"""Private keys on disk: made, encrypted where they go offline, and read back."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from collector.exceptions import TrustError

CertificateKey = ec.EllipticCurvePrivateKey


def new_certificate_key() -> CertificateKey:
    """A key for certificates: P-256, because browsers accept no Ed25519 chain."""
    return ec.generate_private_key(ec.SECP256R1())


def new_signing_key() -> ed25519.Ed25519PrivateKey:
    """A key for commands and configuration: Ed25519 (RFC 8032)."""
    return ed25519.Ed25519PrivateKey.generate()


def to_pem(key: CertificateKey | ed25519.Ed25519PrivateKey, passphrase: str | None = None) -> bytes:
    """PKCS #8, encrypted when there is a passphrase."""
    encryption: serialization.KeySerializationEncryption = (
        serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    )
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def read_certificate_key(path: Path, passphrase: str | None = None) -> CertificateKey:
    """Read a certificate key.

    Raises:
        TrustError: absent, of another kind, or the passphrase does not fit; names the file.
    """
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), passphrase.encode() if passphrase else None)
    except OSError as error:
        raise TrustError(f"{path}: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise TrustError(f"{path}: not a readable private key, or the passphrase is wrong") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TrustError(f"{path}: expected an elliptic-curve key")
    return key


def write_private(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Create or replace a file that is never, not for a moment, readable by others, and is durable on return."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
