"""Every setting of the agent, its default and its limits; `docs/agent.md` explains them one by one."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Seconds = Annotated[float, Meta(ge=0.01, le=86_400)]
AbsolutePath = Annotated[str, Meta(pattern=r"^/[^\x00\n]{0,4095}\Z")]


class Section(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A part of the configuration; every key has a default."""


class CollectorConfig(Section, frozen=True, kw_only=True):
    """Whom to report to. Empty: the collector that enrolled this machine."""

    url: Annotated[str, Meta(pattern=r"^(https://[^/\s]{1,300})?\Z")] = ""


class SpoolConfig(Section, frozen=True, kw_only=True):
    """How much of the past is kept while the collector is away, and how long an event may wait for its block."""

    max_bytes: Annotated[int, Meta(ge=1 << 20, le=1 << 40)] = 256 << 20
    min_free_bytes: Annotated[int, Meta(ge=0, le=1 << 40)] = 128 << 20
    memory_bytes: Annotated[int, Meta(ge=1 << 20, le=1 << 28)] = 8 << 20
    delay_seconds: Annotated[float, Meta(ge=0.01, le=10)] = 0.1
    routine_delay_seconds: Annotated[float, Meta(ge=0.01, le=60)] = 2.0


class UplinkConfig(Section, frozen=True, kw_only=True):
    """How batches travel."""

    batch_bytes: Annotated[int, Meta(ge=64 << 10, le=4 << 20)] = 1 << 20
    timeout_seconds: Annotated[float, Meta(ge=0.1, le=600)] = 30.0
    backoff_seconds: Annotated[float, Meta(ge=0.01, le=60)] = 1.0
    backoff_max_seconds: Annotated[float, Meta(ge=0.1, le=3_600)] = 60.0
    refused_retry_seconds: Annotated[float, Meta(ge=0.1, le=86_400)] = 300.0


class MetricsConfig(Section, frozen=True, kw_only=True):
    """Prometheus metrics on 127.0.0.1; port 0 turns them off."""

    port: Annotated[int, Meta(ge=0, le=65_535)] = 9465


class HealthConfig(Section, frozen=True, kw_only=True):
    """The machine's condition."""

    enabled: bool = True
    interval_seconds: Annotated[float, Meta(ge=1, le=3_600)] = 15.0


class ProcessConfig(Section, frozen=True, kw_only=True):
    """Process starts and writing to watched places, from the kernel's audit records. `rate` is the most records a
    second the kernel may pass on, 0 for no limit; what is over backlog or rate is dropped by the kernel and
    counted, never waited for. `watch` names files and directories; what is not there is watched once it is."""

    enabled: bool = True
    backlog: Annotated[int, Meta(ge=64, le=1 << 20)] = 8_192
    rate: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    watch: Annotated[tuple[AbsolutePath, ...], Meta(max_length=32)] = (
        "/etc/cron.d",
        "/etc/cron.hourly",
        "/etc/cron.daily",
        "/etc/cron.weekly",
        "/etc/cron.monthly",
        "/etc/crontab",
        "/var/spool/cron",
        "/etc/sudoers",
        "/etc/sudoers.d",
        "/etc/passwd",
        "/etc/shadow",
        "/root/.ssh",
    )


class LogFile(Section, frozen=True, kw_only=True):
    """One log file to follow. `format` names what writes to it; `auto` tells by each line."""

    path: AbsolutePath
    format: Literal["auto", "sshd", "sudo", "su"] = "auto"


class LogsConfig(Section, frozen=True, kw_only=True):
    """Log files that are followed from where they were left. Only these can be opened through the helper."""

    enabled: bool = True
    poll_seconds: Annotated[float, Meta(ge=0.05, le=60)] = 0.25
    max_line_bytes: Annotated[int, Meta(ge=1_024, le=32_768)] = 16_384
    files: Annotated[tuple[LogFile, ...], Meta(max_length=256)] = (
        LogFile(path="/var/log/auth.log"),
        LogFile(path="/var/log/secure"),
    )


class SensorsConfig(Section, frozen=True, kw_only=True):
    """The sources of events."""

    health: HealthConfig = HealthConfig()
    process: ProcessConfig = ProcessConfig()
    logs: LogsConfig = LogsConfig()


class Config(Section, frozen=True, kw_only=True):
    """The whole file. `user` is the account the main process runs as when the agent is started as root: a name, or
    a numeric uid; an absent account `lienphong` means uid 61721."""

    collector: CollectorConfig = CollectorConfig()
    spool: SpoolConfig = SpoolConfig()
    uplink: UplinkConfig = UplinkConfig()
    metrics: MetricsConfig = MetricsConfig()
    sensors: SensorsConfig = SensorsConfig()
    user: Annotated[str, Meta(pattern=r"^[a-z0-9_][a-z0-9_.-]{0,31}\Z")] = "lienphong"
