"""What an agent did with a command, or why it did not."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from wire import version
from wire.block import AgentId
from wire.command import CommandId

Outcome = Literal["done", "refused", "failed", "undone", "expired"]


class Result(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`code` is stable (`signature`, `expired`, `already_done`, …); `detail` is for people. `until` is when the
    effect ends by itself, µs UTC, 0 where it has no end or no effect."""

    v: int = field(default_factory=version.current)
    command: CommandId
    agent: AgentId
    outcome: Outcome
    code: Annotated[str, Meta(max_length=64)] = ""
    detail: Annotated[str, Meta(max_length=4_096)] = ""
    time: Annotated[int, Meta(ge=0)]
    until: Annotated[int, Meta(ge=0)] = 0
