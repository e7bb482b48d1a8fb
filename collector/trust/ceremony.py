"""The key ceremony of `init`: an offline root, and separate online keys for TLS, commands and configuration."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from cryptography import x509

from collector.layout import Layout
from collector.trust import certificates, keys

PURPOSES = ("tls", "commands", "configuration")
LISTENERS = ("gateway", "web")
ROOT_KEY = "root.key.pem"
ROOT_CERTIFICATE = "root.pem"
PASSPHRASE = "root-passphrase"


def hold(layout: Layout, hostnames: Sequence[str]) -> x509.Certificate:
    """Make every key and certificate of a new collector and write them under its data directory.

    The root's key exists in memory only while this runs and is written encrypted; what is online afterwards
    can make agents' and listeners' certificates and sign commands, but no further authority.
    """
    root_key = keys.new_certificate_key()
    root = certificates.root(root_key, f"Lien Phong root ({hostnames[0]})")
    passphrase = secrets.token_urlsafe(24)
    keys.write_private(layout.offline / ROOT_KEY, keys.to_pem(root_key, passphrase))
    keys.write_private(layout.secrets / PASSPHRASE, f"{passphrase}\n".encode())
    keys.write_private(layout.offline / ROOT_CERTIFICATE, certificates.to_pem(root).encode())
    keys.write_private(layout.root_certificate, certificates.to_pem(root).encode())
    _online(layout, root, root_key)
    for name in LISTENERS:
        issue_listener(layout, name, hostnames)
    return root


def issue_listener(layout: Layout, name: str, hostnames: Sequence[str]) -> None:
    """A fresh key and certificate for one of our listeners, from the TLS intermediate."""
    authority, authority_key = read_authority(layout)
    key = keys.new_certificate_key()
    certificate = certificates.server(key.public_key(), hostnames, authority, authority_key)
    keys.write_private(layout.tls / f"{name}.key.pem", keys.to_pem(key))
    keys.write_private(layout.tls / f"{name}.pem", certificates.to_pem(certificate, authority).encode())


def read_authority(layout: Layout) -> tuple[x509.Certificate, keys.CertificateKey]:
    """The TLS intermediate and its key, as the signer uses them.

    Raises:
        TrustError: the key cannot be read.
    """
    key = keys.read_certificate_key(layout.keys / "tls.key.pem")
    return x509.load_pem_x509_certificate((layout.keys / "tls.pem").read_bytes()), key


def _online(layout: Layout, root: x509.Certificate, root_key: keys.CertificateKey) -> None:
    tls_key = keys.new_certificate_key()
    tls = certificates.intermediate(tls_key.public_key(), "Lien Phong TLS", root, root_key)
    keys.write_private(layout.keys / "tls.key.pem", keys.to_pem(tls_key))
    keys.write_private(layout.keys / "tls.pem", certificates.to_pem(tls).encode())
    for purpose in PURPOSES[1:]:
        key = keys.new_signing_key()
        certificate = certificates.signing(key.public_key(), f"Lien Phong {purpose}", root, root_key)
        keys.write_private(layout.keys / f"{purpose}.key.pem", keys.to_pem(key))
        keys.write_private(layout.keys / f"{purpose}.pem", certificates.to_pem(certificate).encode())
