"""The TLS of both listeners, and a count of every handshake that fails, by kind.

A refused certificate never becomes a connection that HTTP could see, and neither asyncio nor uvloop tells of it.
`SSLContext.sslobject_class` is the documented place to stand in the way: the handshake itself reports its failure.
"""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from collector.gateway.exceptions import ListenError

Kind = Literal["no_certificate", "expired", "not_yet_valid", "unknown_authority", "wrong_purpose", "other"]

_X509: dict[int, Kind] = {
    9: "not_yet_valid",
    10: "expired",
    18: "unknown_authority",
    19: "unknown_authority",
    20: "unknown_authority",
    21: "unknown_authority",
    7: "unknown_authority",
    26: "wrong_purpose",
}
"""OpenSSL's verification results (x509_vfy.h)."""

LOG_EVERY_S = 60.0

log = logging.getLogger(__name__)


class Handshakes:
    """Told of every failed handshake: counts it, and logs at most one line a kind and minute."""

    def __init__(self, count: Callable[[Kind], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._count = count
        self._clock = clock
        self._logged: dict[Kind, float] = {}
        self._unlogged: dict[Kind, int] = {}

    def failed(self, error: ssl.SSLError) -> None:
        """One handshake ended with `error`."""
        kind = classify(error)
        self._count(kind)
        now = self._clock()
        if now - self._logged.get(kind, float("-inf")) < LOG_EVERY_S:
            self._unlogged[kind] = self._unlogged.get(kind, 0) + 1
            return
        self._logged[kind] = now
        more = self._unlogged.pop(kind, 0)
        log.warning("TLS handshake refused, %s: %s; %d more since the last such line", kind, error.reason, more)


def classify(error: ssl.SSLError) -> Kind:
    """What was wrong with the other side's certificate, or `other` when it was not that."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _X509.get(error.verify_code, "other")
    return "no_certificate" if "DID_NOT_RETURN_A_CERTIFICATE" in (error.reason or "") else "other"


def agents_context(directory: Path, handshakes: Handshakes) -> ssl.SSLContext:
    """TLS for the agents' door: no connection without a certificate under our root.

    Raises:
        ListenError: the certificate files cannot be used.
    """
    context = _server(directory, handshakes)
    try:
        context.load_verify_locations(directory / "ca.pem")
    except (OSError, ssl.SSLError) as error:
        raise ListenError(f"{directory / 'ca.pem'}: {error}") from error
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    return context


def enrol_context(directory: Path, handshakes: Handshakes) -> ssl.SSLContext:
    """TLS for the enrolment door: it asks nobody for a certificate.

    Raises:
        ListenError: the certificate files cannot be used.
    """
    return _server(directory, handshakes)


def _server(directory: Path, handshakes: Handshakes) -> ssl.SSLContext:
    class Observed(ssl.SSLObject):
        """The library's own, which also tells why a handshake failed."""

        def do_handshake(self) -> None:
            try:
                super().do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise
            except ssl.SSLError as error:
                handshakes.failed(error)
                raise

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    context.set_alpn_protocols(["http/1.1"])
    context.sslobject_class = Observed
    try:
        context.load_cert_chain(directory / "gateway.pem", directory / "gateway.key.pem")
    except (OSError, ssl.SSLError) as error:
        raise ListenError(f"{directory / 'gateway.pem'} or its key: {error}") from error
    return context
