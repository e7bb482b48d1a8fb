"""Machines that ask to be enrolled, and a signer that can be made to fail at a chosen moment."""

from __future__ import annotations

import uuid
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from collector.fleet import tokens
from collector.layout import Layout
from collector.messages import Certificate, Enrol, SignCertificate, TokenCreate
from collector.state import Database
from collector.trust.signer import Signer
from wire.identity import EnrolRequest, EnrolToken, Machine

CA = "ab" * 32


class Signing:
    """Signs with the real signer; `fail_before` and `fail_after` stand for a crash on either side of it."""

    def __init__(self, layout: Layout) -> None:
        self._signer = Signer(layout)
        self.signed = 0
        self.fail_before = False
        self.fail_after = False

    async def __call__(self, request: SignCertificate) -> Certificate:
        if self.fail_before:
            raise ConnectionError("the signer is gone")
        certificate = self._signer.sign_certificate(request)
        self.signed += 1
        if self.fail_after:
            raise ConnectionError("its answer is lost")
        return certificate


def csr(key: ec.EllipticCurvePrivateKey | None = None) -> str:
    """A certificate request, by a new key unless one is given."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(key or new_key(), hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def machine(**given: str) -> Machine:
    """A machine unlike every other."""
    unique = uuid.uuid4().hex
    return Machine(**{"hostname": f"host-{unique[:8]}", "machine_id": unique, "os": "Debian 12", **given})


def token(database: Database, **given: Any) -> EnrolToken:
    """A token for the node `tinh/so`, good for two uses and a day."""
    wanted = {"node": "tinh/so", "label": "noi-bo", "role": "host", "uses": 2, "days": 1.0, **given}
    with database.write() as connection:
        return tokens.create(connection, TokenCreate(**wanted), CA)


def asking(held: EnrolToken, request: str, who: Machine) -> Enrol:
    """The agent's request as the gateway passes it on."""
    inner = EnrolRequest(token_id=held.id, token_secret=held.secret, csr=request, machine=who)
    return Enrol(request=inner, peer="192.0.2.9")


def serial_of(chain: str) -> str:
    """The leaf's serial number, as admissions carry it."""
    return format(x509.load_pem_x509_certificates(chain.encode())[0].serial_number, "x")
