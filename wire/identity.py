"""Who an agent is: what it asks for at enrolment, what it is given, and how a certificate says it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct, field

from wire import version
from wire.block import AgentId
from wire.errors import IdentityError, MalformedError

NodePath = Annotated[str, Meta(max_length=256, pattern=r"^[a-z0-9-]+(?:/[a-z0-9-]+){0,15}\Z")]
"""A node in the tree, from its root down: `tinh/so-khcn/cong-dich-vu`. Tiers are data, so any depth."""

Label = Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,32}\Z")]
Role = Literal["host", "wan", "relay"]

URI_AGENT = "lienphong:agent:"
URI_NODE = "lienphong:node:"
URI_LABEL = "lienphong:label:"
URI_ROLE = "lienphong:role:"

TOKEN_PREFIX = "lp1"


class Identity(Struct, frozen=True, kw_only=True):
    """What the collector certified. It travels as URI names in the certificate (RFC 5280, 4.2.1.6);
    the subject of the request and of the certificate says nothing."""

    agent: AgentId
    node: NodePath
    label: Label
    role: Role

    def uris(self) -> list[str]:
        """The certificate's URI names that say this identity."""
        return [URI_AGENT + self.agent, URI_NODE + self.node, URI_LABEL + self.label, URI_ROLE + self.role]


def from_uris(uris: Iterable[str]) -> Identity:
    """Read an identity back from a certificate's URI names.

    Raises:
        IdentityError: a part is missing, given twice, unknown or not well formed.
    """
    parts: dict[str, str] = {}
    for uri in uris:
        scheme, _, rest = uri.partition(":")
        kind, _, value = rest.partition(":")
        if scheme != "lienphong" or kind not in Identity.__struct_fields__ or kind in parts:
            raise IdentityError(f"unexpected or repeated name in the certificate: {uri[:80]}")
        parts[kind] = value
    try:
        return msgspec.convert(parts, Identity, strict=True)
    except msgspec.ValidationError as error:
        raise IdentityError(f"certificate identity: {error}") from error


class EnrolToken(Struct, frozen=True, kw_only=True):
    """What an enrolment token file holds: which token, its secret, and the fingerprint of the authority to
    trust. The file is one line, `lp1.ID.SECRET.FINGERPRINT`."""

    id: str
    secret: str
    ca_sha256: str

    def text(self) -> str:
        """The line that the token file holds."""
        return ".".join((TOKEN_PREFIX, self.id, self.secret, self.ca_sha256))


def parse_token(text: str) -> EnrolToken:
    """Read a token file's line.

    Raises:
        MalformedError: not a token; the secret is never part of the message.
    """
    parts = text.strip().split(".")
    if len(parts) != 4 or parts[0] != TOKEN_PREFIX or not all(parts) or len(text) > 512:
        raise MalformedError("not an enrolment token: expected one line, lp1.ID.SECRET.FINGERPRINT")
    return EnrolToken(id=parts[1], secret=parts[2], ca_sha256=parts[3])


class Machine(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What an agent says of its machine at enrolment: for people to recognise it, never for authority."""

    hostname: Annotated[str, Meta(max_length=255)]
    machine_id: Annotated[str, Meta(max_length=64)] = ""
    os: Annotated[str, Meta(max_length=128)] = ""
    kernel: Annotated[str, Meta(max_length=128)] = ""
    version: Annotated[str, Meta(max_length=32)] = ""


class EnrolRequest(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`csr` is PEM (PKCS #10, RFC 2986), self-signed with a key that never leaves the machine."""

    v: int = field(default_factory=version.current)
    token_id: Annotated[str, Meta(max_length=64)]
    token_secret: Annotated[str, Meta(max_length=128)]
    csr: Annotated[str, Meta(max_length=8_192)]
    machine: Machine


class EnrolAnswer(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`certificate` is the PEM chain, leaf first; `ca` the PEM root to pin; `agents_port` the port of the
    agents' door on the host that was asked; `force_roots` each force's public key (Ed25519, hex) to pin."""

    v: int = field(default_factory=version.current)
    identity: Identity
    certificate: Annotated[str, Meta(max_length=65_536)]
    ca: Annotated[str, Meta(max_length=16_384)]
    agents_port: Annotated[int, Meta(ge=1, le=65_535)]
    time: int
    force_roots: dict[str, str] = {}


class RenewRequest(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Sent over the agents' door with the certificate that is about to expire."""

    v: int = field(default_factory=version.current)
    csr: Annotated[str, Meta(max_length=8_192)]


class RenewAnswer(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The new chain for the same identity."""

    v: int = field(default_factory=version.current)
    certificate: Annotated[str, Meta(max_length=65_536)]
