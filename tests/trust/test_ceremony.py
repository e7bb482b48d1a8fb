"""After the ceremony the root is offline and encrypted, and each key lies where only its process reads it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from collector.exceptions import TrustError
from collector.layout import Layout
from collector.trust import ceremony, keys


def test_the_root_key_opens_with_its_passphrase_alone(layout: Layout) -> None:
    path = layout.offline / ceremony.ROOT_KEY
    passphrase = (layout.secrets / ceremony.PASSPHRASE).read_text().strip()
    assert b"ENCRYPTED" in path.read_bytes()
    assert keys.read_certificate_key(path, passphrase).curve.name == "secp256r1"
    for wrong in (None, passphrase + "x"):
        with pytest.raises(TrustError, match="passphrase"):
            keys.read_certificate_key(path, wrong)


def test_every_online_key_is_vouched_for_by_the_root(layout: Layout) -> None:
    root = x509.load_pem_x509_certificate(layout.root_certificate.read_bytes())
    key = root.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    for purpose in ceremony.PURPOSES:
        certificate = x509.load_pem_x509_certificate((layout.keys / f"{purpose}.pem").read_bytes())
        certificate.verify_directly_issued_by(root)
        private = serialization.load_pem_private_key((layout.keys / f"{purpose}.key.pem").read_bytes(), None)
        assert private.public_key() == certificate.public_key()


def test_commands_and_configuration_have_keys_of_their_own(layout: Layout) -> None:
    found = {
        purpose: serialization.load_pem_private_key((layout.keys / f"{purpose}.key.pem").read_bytes(), None)
        for purpose in ("commands", "configuration")
    }
    assert all(isinstance(key, ed25519.Ed25519PrivateKey) for key in found.values())
    assert found["commands"].public_key() != found["configuration"].public_key()


def test_no_private_file_can_be_read_by_others(layout: Layout) -> None:
    private = [p for p in layout.data.rglob("*") if p.is_file()]
    assert len(private) == 3 + 1 + 2 * len(ceremony.PURPOSES) + 2 * len(ceremony.LISTENERS)
    assert {stat.S_IMODE(p.stat().st_mode) for p in private} == {0o600}


def test_a_private_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "key"
    keys.write_private(path, b"old")
    path.with_name(f".key.{os.getpid()}").write_bytes(b"in the way")
    with pytest.raises(FileExistsError):
        keys.write_private(path, b"new")
    assert path.read_bytes() == b"old"
