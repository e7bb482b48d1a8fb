"""Who is at the other end of a connection: read from its certificate once, when the connection is made."""

from __future__ import annotations

from typing import NamedTuple

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from wire.errors import IdentityError
from wire.identity import Identity, from_uris


class Certificate(NamedTuple):
    """`serial` is hex as the signer writes it; `not_after` is µs UTC."""

    identity: Identity
    serial: str
    not_after: int


def read(der: bytes) -> Certificate:
    """The identity in a client certificate that TLS has verified up to our root.

    A certificate of ours for another purpose (a listener, a signing key) is none of an agent: the purpose and the
    URI names must both say so.

    Raises:
        IdentityError: not a client certificate of an agent; the text says why.
    """
    try:
        parsed = x509.load_der_x509_certificate(der)
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        purposes = parsed.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension) as error:
        raise IdentityError(f"not an agent's certificate: {error}") from error
    if ExtendedKeyUsageOID.CLIENT_AUTH not in purposes:
        raise IdentityError("not an agent's certificate: it is not for TLS clients")
    if any(not isinstance(name, x509.UniformResourceIdentifier) for name in names):
        raise IdentityError("not an agent's certificate: it has other names than an agent's")
    return Certificate(
        identity=from_uris(name.value for name in names),
        serial=format(parsed.serial_number, "x"),
        not_after=int(parsed.not_valid_after_utc.timestamp() * 1_000_000),
    )
