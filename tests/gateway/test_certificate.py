"""Reading an agent out of a certificate."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from collector.gateway import certificate
from tests.gateway.harness import identity
from tests.gateway.trust import Trust
from wire.errors import IdentityError


def test_an_agents_certificate_says_who_it_is(trust: Trust) -> None:
    pem, serial = trust.agent(identity(1))
    parsed = x509.load_pem_x509_certificate(pem.read_bytes())
    read = certificate.read(parsed.public_bytes(Encoding.DER))
    assert (read.identity, read.serial) == (identity(1), serial)
    assert read.not_after == int(parsed.not_valid_after_utc.timestamp() * 1e6)


@pytest.mark.parametrize("purpose", [None, ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CODE_SIGNING])
def test_a_certificate_for_another_purpose_is_none(trust: Trust, purpose: x509.ObjectIdentifier | None) -> None:
    pem, _ = trust.odd(identity(1).uris(), purpose=purpose)
    der = x509.load_pem_x509_certificate(pem.read_bytes()).public_bytes(Encoding.DER)
    with pytest.raises(IdentityError, match="not an agent's certificate"):
        certificate.read(der)


def test_an_authority_is_no_agent(trust: Trust) -> None:
    for authority in (trust.root, trust.authority, trust.server):
        with pytest.raises(IdentityError):
            certificate.read(authority.public_bytes(Encoding.DER))


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_in_words(der: bytes) -> None:
    with pytest.raises(IdentityError):
        certificate.read(der)
