"""One thing that happened on a machine, in the Sigma taxonomy."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Name = Annotated[str, Meta(max_length=128)]
Text = Annotated[str, Meta(max_length=65_536)]
Scalar = Text | Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | float | bool | None
Value = Scalar | Annotated[list[Scalar], Meta(max_length=1_024)]

Origin = Literal["kernel", "log", "probe", "agent"]
"""Who vouches for an event: the kernel itself, a line in a log that anyone may have written, a measurement
of the agent's, or the agent about itself. Automatic action starts only from `kernel`."""


class Logsource(Struct, frozen=True, omit_defaults=True):
    """Sigma's `logsource`: which rules an event can concern. Empty means not applicable."""

    product: Name = ""
    category: Name = ""
    service: Name = ""


class Event(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a sensor yields.

    `time` is the source's own time, UTC, in microseconds since the epoch; `mono` is microseconds since boot
    (CLOCK_BOOTTIME), comparable within the block's boot id. `fields` are flat and carry Sigma's names
    (`Image`, `CommandLine`, …). `raw` is the original line where there is one, already scrubbed.
    """

    time: Annotated[int, Meta(ge=0)]
    mono: Annotated[int, Meta(ge=0)] = 0
    source: Logsource
    origin: Origin = "log"
    fields: Annotated[dict[Name, Value], Meta(max_length=256)]
    raw: Text | None = None
