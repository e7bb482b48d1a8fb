"""Identity files are exchanged as one, wherever the machine stops; addresses are read as people write them."""

from __future__ import annotations

import ssl
from contextlib import suppress
from pathlib import Path

import pytest

from agent import certify, identity
from agent.exceptions import IdentityMissingError
from agent.identity import Address
from wire import codec


class PowerCutError(OSError):
    """The machine stops here."""


def successor(pki, record):
    """Files of the same agent's next certificate, to another key."""
    key = certify.new_key()
    chain = pki.agent_chain(key.public_key())
    following = certify.record(chain, key, record.identity, record.collector, record.enrolled + 1)
    return {
        identity.KEY: certify.key_pem(key),
        identity.CERTIFICATE: chain.encode(),
        identity.RECORD: codec.encode(following),
    }


@pytest.mark.parametrize("steps", range(8))
def test_an_exchange_stopped_anywhere_is_all_or_nothing(steps, enrolled, pki, monkeypatch):
    directory = enrolled("https://c:7443")
    old = identity.load(directory)
    files = successor(pki, old)
    left = iter(range(steps))
    replace = Path.replace

    def until_the_cut(self, target):
        if next(left, None) is None:
            raise PowerCutError
        return replace(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", until_the_cut)
        with suppress(PowerCutError):
            identity.replace(directory, files)
    now = identity.load(directory)
    identity.context(directory)
    assert now.enrolled in (old.enrolled, old.enrolled + 1)
    certificate = (directory / identity.CERTIFICATE).read_bytes()
    assert (certificate == files[identity.CERTIFICATE]) is (now.enrolled > old.enrolled)
    assert (now.enrolled > old.enrolled) is (steps >= 3)


def test_files_that_do_not_fit_together_are_told(enrolled, pki):
    directory = enrolled("https://c:7443")
    (directory / "key.pem").write_bytes(certify.key_pem(certify.new_key()))
    with pytest.raises(IdentityMissingError, match="--force"):
        identity.context(directory)
    (directory / "identity.json").write_bytes(b"{")
    with pytest.raises(IdentityMissingError, match="--force"):
        identity.load(directory)


@pytest.mark.parametrize("root", [b"\xff\xfe\x00binary", "tiếng Việt".encode(), b""])
def test_a_root_that_is_no_certificate_is_told(root, enrolled):
    directory = enrolled("https://c:7443")
    (directory / "ca.pem").write_bytes(root)
    with pytest.raises(IdentityMissingError, match="--force"):
        identity.context(directory)


def test_old_protocols_are_not_spoken(enrolled):
    tls = identity.context(enrolled("https://c:7443"))
    assert tls.minimum_version == ssl.TLSVersion.TLSv1_2
    assert tls.check_hostname
    assert tls.verify_mode == ssl.CERT_REQUIRED
    assert len(tls.get_ca_certs()) == 1


@pytest.mark.parametrize(
    ("text", "address", "url"),
    [
        ("https://c", Address("c", 7444), "https://c:7444"),
        ("https://C.example:99/", Address("c.example", 99), "https://c.example:99"),
        ("c:99", Address("c", 99), "https://c:99"),
        ("https://[::1]:99", Address("::1", 99), "https://[::1]:99"),
    ],
)
def test_addresses(text, address, url):
    assert identity.parse_url(text, 7444) == address
    assert address.url() == url


def test_renewal_is_due_after_two_thirds(enrolled):
    record = identity.load(enrolled("https://c:7443"))
    life = record.not_after - record.not_before
    assert record.renew_at() == pytest.approx(record.not_before + life * 2 / 3, abs=10)
