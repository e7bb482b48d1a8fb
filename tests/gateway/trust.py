"""Certificates for the tests: the product's own profiles, and certificates that the product would never make."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from collector.trust import certificates
from wire.identity import Identity

DAY = timedelta(days=1)


def private(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The key in PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


class Trust:
    """A root and its TLS intermediate, with the listener's files in `tls`."""

    def __init__(self, directory: Path) -> None:
        self.tls = directory / "tls"
        self.tls.mkdir(parents=True)
        self._files = directory / "certificates"
        self._files.mkdir()
        root_key, self._key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        self.root = certificates.root(root_key, "Test root")
        self.authority = certificates.intermediate(self._key.public_key(), "Test TLS", self.root, root_key)
        self.ca = self.tls / "ca.pem"
        self.ca.write_text(certificates.to_pem(self.root))
        self.server_key = ec.generate_private_key(ec.SECP256R1())
        self.server = certificates.server(
            self.server_key.public_key(), ["localhost", "127.0.0.1"], self.authority, self._key
        )
        (self.tls / "gateway.pem").write_text(certificates.to_pem(self.server, self.authority))
        (self.tls / "gateway.key.pem").write_bytes(private(self.server_key))

    def agent(self, identity: Identity) -> tuple[Path, str]:
        """A client certificate as the signer makes it; a file with chain and key, and the serial."""
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = certificates.agent(key.public_key(), identity, 90, self.authority, self._key)
        return self.write(leaf, key), format(leaf.serial_number, "x")

    def odd(
        self,
        uris: Sequence[str],
        *,
        start: timedelta = -DAY,
        end: timedelta = DAY,
        purpose: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.CLIENT_AUTH,
        extra: Sequence[x509.GeneralName] = (),
    ) -> tuple[Path, str]:
        """A certificate under our authority that differs from an agent's; times are from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        names = [*(x509.UniformResourceIdentifier(uri) for uri in uris), *extra]
        identifier = self.authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.authority.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + start)
            .not_valid_after(now + end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
            )
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
        if purpose is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        leaf = builder.sign(self._key, hashes.SHA256())
        return self.write(leaf, key), format(leaf.serial_number, "x")

    def write(self, leaf: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Path:
        """One file that `load_cert_chain` reads."""
        path = self._files / f"{leaf.serial_number:x}.pem"
        path.write_bytes(private(key) + certificates.to_pem(leaf, self.authority).encode())
        return path
