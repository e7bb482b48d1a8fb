"""An envelope around exact bytes: what was signed is what is verified, with no re-encoding between."""

from __future__ import annotations

from base64 import b64decode, b64encode
from hashlib import sha256
from typing import Annotated

from msgspec import Meta, Struct

from wire.errors import SignatureError

CONTEXT = b"lienphong-signed-v1\x00"
"""Prefixed to what is signed, so that a signature made here can never be taken for another protocol's."""


class Signed(Struct, frozen=True, kw_only=True):
    """`payload` is base64 of the JSON that was signed; `kind` says which struct it holds and is signed too.
    `algorithm` is named so that another can be added without changing the form."""

    kind: Annotated[str, Meta(max_length=32)]
    payload: Annotated[str, Meta(max_length=262_144)]
    algorithm: Annotated[str, Meta(max_length=32)]
    key: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    signature: Annotated[str, Meta(max_length=1_024)]

    def payload_bytes(self) -> bytes:
        """The signed bytes.

        Raises:
            SignatureError: the payload is not base64.
        """
        return _unbase64(self.payload, "payload")

    def signature_bytes(self) -> bytes:
        """The signature's bytes.

        Raises:
            SignatureError: it is not base64.
        """
        return _unbase64(self.signature, "signature")


def to_sign(kind: str, payload: bytes) -> bytes:
    """The exact bytes a signer signs for `payload`."""
    return CONTEXT + kind.encode() + b"\x00" + payload


def digest(kind: str, payload: bytes) -> str:
    """SHA-256 (hex) of what is signed: approvals are given over this."""
    return sha256(to_sign(kind, payload)).hexdigest()


def seal(kind: str, payload: bytes, key: str, signature: bytes, algorithm: str = "ed25519") -> Signed:
    """Put payload and signature into an envelope; `key` is the public key, hex."""
    return Signed(
        kind=kind,
        payload=b64encode(payload).decode(),
        algorithm=algorithm,
        key=key,
        signature=b64encode(signature).decode(),
    )


def _unbase64(text: str, what: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError as error:
        raise SignatureError(f"signed envelope: its {what} is not base64") from error
