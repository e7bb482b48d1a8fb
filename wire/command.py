"""One typed action on one machine: allow-listed, signed, expiring, reversible (OpenC2 verbs)."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from wire import version
from wire.block import AgentId, Sha256

Verb = Literal["contain", "deny", "allow", "stop", "restore", "investigate", "locate", "update", "cancel"]
"""The OpenC2 language's actions (OASIS OpenC2 v1.0, 3.3.1.1) that some action of ours answers to."""

CommandId = Sha256
Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}\Z")]
Argument = Annotated[str, Meta(max_length=1_024)]


class Command(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The payload of a `Signed` of kind `command`. Times are µs UTC; `ttl` is seconds the effect lasts unless
    renewed, after which it ends by itself; `rollback` names the action that undoes it."""

    v: int = field(default_factory=version.current)
    id: CommandId
    agent: AgentId
    verb: Verb
    action: Name
    arguments: Annotated[dict[Name, Argument], Meta(max_length=32)] = {}
    issued: Annotated[int, Meta(ge=0)]
    not_before: Annotated[int, Meta(ge=0)]
    expires: Annotated[int, Meta(ge=0)]
    ttl: Annotated[int, Meta(ge=0, le=2_592_000)]
    rollback: Name
    run: Annotated[str, Meta(max_length=128)]
    step: Annotated[str, Meta(max_length=256)]
    iteration: Annotated[int, Meta(ge=0)] = 0
    drill: bool = False


def command_id(run: str, step: str, iteration: int, target: str) -> CommandId:
    """The same step of the same run on the same target is the same command, however often a restarted engine
    issues it: the agent refuses an id that it has already done."""
    parts = (run, step, str(iteration), target)
    return sha256(b"".join(len(p.encode()).to_bytes(4, "big") + p.encode() for p in parts)).hexdigest()
