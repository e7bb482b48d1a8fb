"""What stands at the top of every page, and the list of agents."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from msgspec import Struct
from sqlalchemy import Connection

from collector import incidents
from collector.api.routes import Call, Person, Route
from collector.fleet import agents
from collector.messages import AgentCard, RuleReport


class AgentCounts(Struct, frozen=True, kw_only=True):
    """Agents by condition; `silent` ones are active and have not been heard of for two minutes."""

    active: int
    silent: int
    quarantined: int
    revoked: int


class RuleCounts(Struct, frozen=True, kw_only=True):
    """Rules as the detector last loaded them."""

    active: int
    inactive: int
    refused: int


class Summary(Struct, frozen=True, kw_only=True):
    """Numbers for the part of the tree that the person may see; `open` and `by_level` are 0 for whoever may not
    read alerts. `lost_events` are those that agents had to evict and reported as gaps."""

    open: int
    by_level: dict[str, int]
    agents: AgentCounts
    events_received: int
    lost_events: int
    rules: RuleCounts


class AgentRow(Struct, frozen=True, kw_only=True):
    """An agent. Times are µs UTC, 0 for never; `skew_us` is its clock minus the collector's."""

    agent: str
    host: str
    node: str
    label: str
    role: str
    status: Literal["pending", "active", "silent", "quarantined", "revoked"]
    reason: str
    last_seen_us: int
    skew_us: int
    events: int
    lost_events: int
    enrolled_us: int


class AgentList(Struct, frozen=True, kw_only=True):
    """All agents in the person's part of the tree, by node and host."""

    items: list[AgentRow]
    total: int


class Health(Struct, frozen=True, kw_only=True):
    """The answer of a process that works."""

    status: Literal["ok"] = "ok"


async def summary(call: Call) -> Summary:
    """The numbers of now."""
    return await call.services.database.reading(lambda c: _summary(c, call.who, call.scopes))


async def list_agents(call: Call) -> AgentList:
    """Every agent."""
    found = await call.services.database.reading(lambda c: agents.cards(c, call.scopes))
    return AgentList(items=[_row(card) for card in found], total=len(found))


async def rule_report(call: Call) -> RuleReport:
    """Which rules do not run, and why."""
    return await call.services.database.reading(incidents.rule_report)


async def health(call: Call) -> Health:
    """Whether the database answers; for load balancers and monitoring."""
    await call.services.database.reading(incidents.head)
    return Health()


def _summary(connection: Connection, person: Person, scopes: tuple[str, ...]) -> Summary:
    totals = incidents.totals_within(connection, person.access.scopes("alerts.read"))
    cards = agents.cards(connection, scopes)
    rules = incidents.rule_report(connection)
    by_status = Counter(card.status for card in cards)
    return Summary(
        open=totals.open,
        by_level=totals.by_level,
        agents=AgentCounts(**{name: by_status[name] for name in ("active", "silent", "quarantined", "revoked")}),
        events_received=sum(card.events for card in cards),
        lost_events=sum(card.lost_events for card in cards),
        rules=RuleCounts(active=rules.active, inactive=rules.inactive, refused=rules.refused),
    )


def _row(card: AgentCard) -> AgentRow:
    return AgentRow(
        agent=card.identity.agent,
        host=card.host,
        node=card.identity.node,
        label=card.identity.label,
        role=card.identity.role,
        status=card.status,
        reason=card.reason,
        last_seen_us=card.last_seen,
        skew_us=card.skew,
        events=card.events,
        lost_events=card.lost_events,
        enrolled_us=card.enrolled,
    )


ROUTES = (
    Route("GET", "/api/v1/summary", "overview.read", summary, "The numbers of now", answer=Summary),
    Route("GET", "/api/v1/agents", "fleet.read", list_agents, "Every agent", answer=AgentList),
    Route(
        "GET",
        "/api/v1/rules/report",
        "overview.read",
        rule_report,
        "Which rules run, and why others do not",
        answer=RuleReport,
    ),
    Route("GET", "/healthz", "public", health, "Whether the collector works", answer=Health),
)
