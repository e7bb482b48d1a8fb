"""A measurement of a machine's condition; thresholds over it are Sigma rules, not code."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from wire.event import Event, Logsource, Name

HEALTH = Logsource(product="lienphong", category="health")

Metric = Annotated[str, Meta(max_length=128, pattern=r"^[a-z][a-z0-9_]*(?:\.[^\s]{1,80})?\Z")]


class HealthSample(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Values at one moment. Names end in their unit (`memory_used_percent`, `disk_free_bytes`), after
    Prometheus's conventions; a name may carry one instance after a dot (`disk_free_bytes./var`)."""

    time: Annotated[int, Meta(ge=0)]
    mono: Annotated[int, Meta(ge=0)] = 0
    metrics: Annotated[dict[Metric, float], Meta(max_length=512)]
    facts: Annotated[dict[Name, str], Meta(max_length=64)] = {}

    def as_event(self) -> Event:
        """The same measurement as an event, so that rules, archive and search see one kind of thing."""
        return Event(
            time=self.time,
            mono=self.mono,
            source=HEALTH,
            origin="probe",
            fields={**self.facts, **self.metrics},
        )
