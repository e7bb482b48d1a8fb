"""Agents and whether they may speak: status, certificates, records, and the admission list of the gateway."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from collector.fleet.exceptions import (
    NotPossibleError,
    QuarantinedError,
    RevokedError,
    SupersededError,
    UnknownAgentError,
)
from collector.fleet.tables import agents, records, streams, versions
from collector.messages import Admission, Admissions, AgentCard, AgentChange, AgentSeen, Quarantine
from collector.state.scopes import in_scopes
from wire.identity import Identity, Role

SILENT_AFTER_US = 120 * 1_000_000
"""An agent reports its health far more often than this, so two minutes without a word are worth a look."""

RECORDS_KEPT = 100
STREAMS_KEPT = 32
"""A spool made anew is a new stream: more than a few in an agent's life are odd, and must not grow the table."""

TOTALS = ("events", "gaps", "lost_events")
ADMISSIONS = "admissions"
CHANGES = {"revoke": "revoked", "quarantine": "quarantined", "release": "active"}


def identity(row: RowMapping) -> Identity:
    """Who the agent of this row is."""
    role: Role = row["role"]
    return Identity(agent=row["agent"], node=row["node"], label=row["label"], role=role)


def find(connection: Connection, agent: str) -> RowMapping:
    """The agent's row.

    Raises:
        UnknownAgentError: there is none.
    """
    row = connection.execute(select(agents).where(agents.c.agent == agent)).mappings().first()
    if row is None:
        raise UnknownAgentError(f"no agent {agent} was enrolled here; see: lienphong-collector agents list")
    return row


def require_active(row: RowMapping, serial: str) -> None:
    """Refuse an agent that may not speak, or that speaks with a certificate that was replaced.

    Raises:
        RevokedError, QuarantinedError, UnknownAgentError, SupersededError.
    """
    agent, status = row["agent"], row["status"]
    if status == "revoked":
        raise RevokedError(f"agent {agent} was revoked: {row['reason']}")
    if status == "quarantined":
        raise QuarantinedError(f"agent {agent} is held back until a person releases it: {row['reason']}")
    if status != "active":
        raise UnknownAgentError(f"the enrolment of agent {agent} is not finished")
    if serial not in {row["serial"], row["previous"]}:
        raise SupersededError(f"agent {agent} has a newer certificate than the one it used")


def admissions(connection: Connection) -> Admissions:
    """The whole list, with its version."""
    held = select(agents).where(agents.c.status != "pending").order_by(agents.c.agent)
    return Admissions(
        version=version(connection),
        agents=[
            Admission(
                identity=identity(row),
                host=row["host"],
                serial=row["serial"],
                previous=row["previous"],
                status=row["status"],
                since=row["since_us"],
            )
            for row in connection.execute(held).mappings()
        ],
    )


def version(connection: Connection) -> int:
    """The admission list's version; it grows with every change to it."""
    return connection.scalar(select(versions.c.version).where(versions.c.name == ADMISSIONS)) or 0


def bump(connection: Connection) -> None:
    """Tell that the admission list has changed, in the transaction that changes it."""
    grown = update(versions).where(versions.c.name == ADMISSIONS).values(version=versions.c.version + 1)
    connection.execute(grown)


def change(connection: Connection, wanted: AgentChange) -> None:
    """Carry out a person's decision.

    Raises:
        UnknownAgentError: no such agent.
        NotPossibleError: it is revoked for good, or in that condition already.
    """
    row = find(connection, wanted.agent)
    target = CHANGES[wanted.change]
    if row["status"] == target:
        raise NotPossibleError(f"agent {wanted.agent} is {target} already")
    if row["status"] in {"revoked", "pending"} and wanted.change != "revoke":
        raise NotPossibleError(f"agent {wanted.agent} is {row['status']}: only a new enrolment can admit it")
    set_status(connection, wanted.agent, target, wanted.reason)
    record(connection, wanted.agent, wanted.person, wanted.change, wanted.reason)


def hold(connection: Connection, told: Quarantine) -> tuple[Identity, str]:
    """Quarantine an agent on the gateway's word; returns who it is and its host. A revoked one stays revoked.

    Raises:
        UnknownAgentError: no such agent.
    """
    row = find(connection, told.agent)
    if row["status"] == "active":
        set_status(connection, told.agent, "quarantined", told.code)
    record(connection, told.agent, "", "quarantine", f"{told.code}: {told.detail}")
    return identity(row), row["host"]


def set_status(connection: Connection, agent: str, status: str, reason: str) -> None:
    """Change whether an agent may speak; the gateway hears of it at once."""
    values = {"status": status, "reason": reason, "since_us": time.time_ns() // 1000}
    connection.execute(update(agents).where(agents.c.agent == agent).values(**values))
    bump(connection)


def record(connection: Connection, agent: str, person: str, action: str, detail: str) -> None:
    """Note what was done about an agent; the newest hundred notes are kept."""
    mine = records.c.agent == agent
    number = (connection.scalar(select(func.max(records.c.number)).where(mine)) or 0) + 1
    connection.execute(
        insert(records).values(
            agent=agent,
            number=number,
            time_us=time.time_ns() // 1000,
            person=person,
            action=action,
            detail=detail[:4096],
        )
    )
    connection.execute(delete(records).where(mine, records.c.number <= number - RECORDS_KEPT))


def seen(connection: Connection, reports: Iterable[AgentSeen]) -> None:
    """Take in the gateway's report; of an agent that is not known nothing is kept."""
    for report in reports:
        row = (
            connection.execute(
                select(agents.c.serial, agents.c.previous, agents.c.last_seen_us).where(
                    agents.c.agent == report.agent
                )
            )
            .mappings()
            .first()
        )
        if row is not None:
            _seen_one(connection, report, row)


def _seen_one(connection: Connection, report: AgentSeen, row: RowMapping) -> None:
    values: dict[str, object] = {"last_seen_us": max(row["last_seen_us"], report.time), "skew_us": report.skew}
    if report.serial and report.serial == row["serial"] and row["previous"]:
        values["previous"] = ""
        bump(connection)
    connection.execute(update(agents).where(agents.c.agent == report.agent).values(**values))
    totals = {name: getattr(report, name) for name in TOTALS} | {"seen_us": report.time}
    here = (streams.c.agent == report.agent) & (streams.c.stream == report.stream)
    if connection.execute(update(streams).where(here).values(**totals)).rowcount == 0:
        _fold_streams(connection, report.agent)
        connection.execute(insert(streams).values(agent=report.agent, stream=report.stream, **totals))


def _fold_streams(connection: Connection, agent: str) -> None:
    """Make room for one more stream: those longest unheard of go on as one sum under no name."""
    query = select(streams).where(streams.c.agent == agent).order_by(streams.c.seen_us.desc(), streams.c.stream)
    surplus = connection.execute(query).mappings().all()[STREAMS_KEPT - 1 :]
    if not surplus:
        return
    names = [row["stream"] for row in surplus]
    connection.execute(delete(streams).where(streams.c.agent == agent, streams.c.stream.in_(names)))
    sums = {name: sum(row[name] for row in surplus) for name in TOTALS}
    connection.execute(insert(streams).values(agent=agent, stream="", seen_us=0, **sums))


def cards(connection: Connection, scopes: Sequence[str] = ("",)) -> list[AgentCard]:
    """The agents within the subtrees, by node and host."""
    sums = [func.sum(streams.c[name]).label(name) for name in ("events", "lost_events")]
    total = select(streams.c.agent, *sums).group_by(streams.c.agent).subquery()
    columns = [func.coalesce(total.c[name], 0).label(name) for name in ("events", "lost_events")]
    query = select(*agents.c, *columns).select_from(agents.outerjoin(total, total.c.agent == agents.c.agent))
    query = query.where(in_scopes(agents.c.node, scopes)).order_by(agents.c.node, agents.c.host, agents.c.agent)
    now = time.time_ns() // 1000
    return [_card(row, now) for row in connection.execute(query).mappings()]


def _card(row: RowMapping, now: int) -> AgentCard:
    silent = row["status"] == "active" and now - max(row["last_seen_us"], row["enrolled_us"]) > SILENT_AFTER_US
    return AgentCard(
        identity=identity(row),
        host=row["host"],
        status="silent" if silent else row["status"],
        reason=row["reason"],
        version=row["version"],
        os=row["os"],
        enrolled=row["enrolled_us"],
        last_seen=row["last_seen_us"],
        skew=row["skew_us"],
        events=int(row["events"]),
        lost_events=int(row["lost_events"]),
    )
