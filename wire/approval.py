"""One person's yes to one exact command, checked by the agent itself."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from wire import version
from wire.block import Sha256

Force = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,31}\Z")]
"""`police`, `military`, `cipher`, `ict`: data, so any name of this form."""


class Approval(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The payload of a `Signed` of kind `approval`: `digest` is `signed.digest` of the command, so a changed byte
    voids it. Times are µs UTC. `register` is the version of the register of approvers the person stood in."""

    v: int = field(default_factory=version.current)
    digest: Sha256
    person: Annotated[str, Meta(max_length=128)]
    force: Force
    decision: Literal["approve", "refuse"]
    reason: Annotated[str, Meta(max_length=2_048)] = ""
    register: Annotated[int, Meta(ge=0)]
    given: Annotated[int, Meta(ge=0)]
    expires: Annotated[int, Meta(ge=0)]
