"""The signer: the one process that can read the online keys, and all it will do with them."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from collector.exceptions import TrustError
from collector.layout import Layout
from collector.messages import Answer, Certificate, Fault, SignCertificate, SignerRequest
from collector.trust import certificates
from collector.trust.ceremony import LISTENERS, issue_listener, read_authority

log = logging.getLogger(__name__)

RENEW_BELOW_DAYS = 130
"""A third of a listener certificate's life: restarts are more frequent than that."""


class Signer:
    """Holds the TLS intermediate and answers requests for agents' certificates."""

    def __init__(self, layout: Layout) -> None:
        self._authority, self._key = read_authority(layout)

    async def answer(self, request: SignerRequest, _peer: object = None) -> Answer:
        """Sign what may be signed; a `Fault` with code `bad_request` otherwise."""
        try:
            return self.sign_certificate(request)
        except TrustError as error:
            return Fault(code="bad_request", detail=str(error))

    def sign_certificate(self, request: SignCertificate) -> Certificate:
        """An agent's certificate for the key in the request and the identity that the responder decided.

        Raises:
            TrustError: the certificate request is not acceptable.
        """
        key = certificates.request_key(request.csr)
        leaf = certificates.agent(key, request.identity, request.days, self._authority, self._key)
        log.info("certificate for agent %s on node %s", request.identity.agent, request.identity.node)
        return Certificate(
            chain=certificates.to_pem(leaf, self._authority),
            serial=format(leaf.serial_number, "x"),
            not_after=int(leaf.not_valid_after_utc.timestamp() * 1_000_000),
        )


def renew_listeners(layout: Layout, hostnames: list[str]) -> list[str]:
    """Replace our listeners' certificates that end soon or lack a configured name; returns which were replaced."""
    replaced = []
    for name in LISTENERS:
        if _due(layout.tls / f"{name}.pem", hostnames):
            issue_listener(layout, name, hostnames)
            replaced.append(name)
    return replaced


def _due(path: Path, hostnames: list[str]) -> bool:
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    held = {str(getattr(name, "value", "")) for name in names}
    return left.days < RENEW_BELOW_DAYS or not set(hostnames) <= held
