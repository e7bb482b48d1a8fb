"""What the collector's processes say to each other through their doors (see `door.py`)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from wire.block import AgentId, Lane
from wire.event import Event
from wire.identity import EnrolAnswer, EnrolRequest, Identity, Label, Machine, NodePath, RenewAnswer, Role

Level = Literal["informational", "low", "medium", "high", "critical"]
"""Sigma's levels, least first."""

LEVELS: tuple[Level, ...] = ("informational", "low", "medium", "high", "critical")


class InboxBlock(Struct, frozen=True, kw_only=True):
    """A block in the inbox: `seq` is the inbox's own order, `received` the collector's clock (µs UTC), `skew` the
    agent's clock minus the collector's (µs), estimated at receipt. `packed` decodes with `wire.block.unpack`."""

    seq: int
    identity: Identity
    host: str
    stream: str
    lane: Lane
    block: int
    sha256: str
    received: int
    skew: int
    packed: bytes


class Fetch(Struct, frozen=True, kw_only=True, tag=True):
    """Ask the inbox for blocks after `after`; waits up to `wait` seconds for the first."""

    consumer: Literal["detector", "archiver"]
    after: int
    limit: Annotated[int, Meta(ge=1, le=512)] = 64
    wait: Annotated[float, Meta(ge=0, le=30)] = 10.0


class Fetched(Struct, frozen=True, kw_only=True, tag=True):
    """Blocks in order of `seq`, contiguous with what came before; `head` is the newest sequence number."""

    blocks: list[InboxBlock]
    head: int


class Done(Struct, frozen=True, kw_only=True, tag=True):
    """A consumer has made everything through `seq` durable on its side: the inbox may forget it."""

    consumer: Literal["detector", "archiver"]
    seq: int


class Match(Struct, frozen=True, kw_only=True):
    """One rule on one event. `id` hashes rule hash and event identity: a repeat is the same match. `fields`
    are the event's fields that the rule looked at and found."""

    id: str
    rule_id: str
    rule_hash: str
    level: Level
    identity: Identity
    host: str
    event_id: str
    event: Event
    received: int
    detected: int
    fields: dict[str, str] = {}


class RuleCard(Struct, frozen=True, kw_only=True):
    """What people need of a rule: texts in both languages, tags, and its source. Texts are by language code;
    `vi` falls back to `en` where a rule has no Vietnamese."""

    id: str
    hash: str
    level: Level
    titles: dict[str, str]
    descriptions: dict[str, str]
    tags: list[str]
    falsepositives: list[dict[str, str]]
    source: str


class Matches(Struct, frozen=True, kw_only=True, tag=True):
    """The detector's outbox, in order; answered with `Accepted` only after the commit."""

    matches: list[Match]
    rules: list[RuleCard]


class RuleTrouble(Struct, frozen=True, kw_only=True):
    """A rule that does not run, and why. `line` is 1-based, 0 where the whole file is meant."""

    rule_id: str
    file: str
    line: int
    reason: str


class RuleReport(Struct, frozen=True, kw_only=True, tag=True):
    """What became of the rules when they were last loaded. The counts add up to all that were found; the lists
    are cut at `MAX_TROUBLES`."""

    loaded: int
    active: int
    inactive: int
    refused: int
    inactive_rules: list[RuleTrouble]
    refused_rules: list[RuleTrouble]


MAX_TROUBLES = 500


class Accepted(Struct, frozen=True, kw_only=True, tag=True):
    """The request took effect and is durable."""

    count: int = 0


class Admission(Struct, frozen=True, kw_only=True):
    """Whether an agent may speak now. `serial` is the hex serial number of its current certificate, `previous` the
    one before, accepted until the agent has used the current one once."""

    identity: Identity
    host: str
    serial: str
    previous: str = ""
    status: Literal["active", "quarantined", "revoked"]
    since: int = 0


class WatchAdmissions(Struct, frozen=True, kw_only=True, tag=True):
    """Ask for the admission list once it is newer than `version`; waits up to `wait` seconds."""

    version: int
    wait: Annotated[float, Meta(ge=0, le=30)] = 10.0


class Admissions(Struct, frozen=True, kw_only=True, tag=True):
    """The whole list. `version` only grows."""

    version: int
    agents: list[Admission]


class Enrol(Struct, frozen=True, kw_only=True, tag=True):
    """An agent's request, as it came in; answered with `Enrolled` or a `Fault`."""

    request: EnrolRequest
    peer: str


class Enrolled(Struct, frozen=True, kw_only=True, tag=True):
    """The answer to hand to the agent."""

    answer: EnrolAnswer


class Renew(Struct, frozen=True, kw_only=True, tag=True):
    """A certificate renewal by an agent that proved who it is with the current certificate."""

    agent: AgentId
    serial: str
    csr: str


class Renewed(Struct, frozen=True, kw_only=True, tag=True):
    """The answer to hand to the agent."""

    answer: RenewAnswer


class Quarantine(Struct, frozen=True, kw_only=True, tag=True):
    """The gateway caught what an honest agent cannot do: same identity with other content, two live streams."""

    agent: AgentId
    code: Literal["content_conflict", "cloned_stream", "foreign_block"]
    detail: str
    time: int


class AgentSeen(Struct, frozen=True, kw_only=True):
    """What the gateway knows of one agent. `events`, `gaps` and `lost_events` are totals of the stream as the
    inbox has them, not differences, so that a report that is repeated or lost changes nothing. `serial` is that
    of the certificate it spoke with: from then on the one before is not accepted any more."""

    agent: AgentId
    time: int
    skew: int
    stream: str
    events: int
    gaps: int
    lost_events: int
    serial: str = ""


class Seen(Struct, frozen=True, kw_only=True, tag=True):
    """Every few seconds, for the agents heard of since."""

    agents: list[AgentSeen]


class SignCertificate(Struct, frozen=True, kw_only=True, tag=True):
    """Ask the signer for an agent's certificate; the CSR gives the key only."""

    csr: str
    identity: Identity
    machine: Machine
    days: Annotated[int, Meta(ge=1, le=398)] = 90


class Certificate(Struct, frozen=True, kw_only=True, tag=True):
    """PEM chain, leaf first, and the leaf's serial number (hex)."""

    chain: str
    serial: str
    not_after: int


class TokenCreate(Struct, frozen=True, kw_only=True, tag=True):
    """Make an enrolment token, bounded by uses, time, node, label and role. With `allow_reenrol` it may take
    over a host whose agent is still admitted, which is then revoked. Answered with `TokenCreated`."""

    node: NodePath
    label: Label
    role: Role
    uses: Annotated[int, Meta(ge=1, le=10_000)]
    days: Annotated[float, Meta(gt=0, le=365)]
    allow_reenrol: bool = False
    person: Annotated[str, Meta(max_length=128)] = ""


class TokenCreated(Struct, frozen=True, kw_only=True, tag=True):
    """The token's line, told once: the collector keeps only a hash of its secret."""

    text: str


class TokenCard(Struct, frozen=True, kw_only=True):
    """What can be told of a token. Times are µs UTC; `revoked` is 0 while it is not."""

    id: str
    node: str
    label: str
    role: str
    uses: int
    used: int
    made: int
    expires: int
    revoked: int
    allow_reenrol: bool
    person: str


class TokensList(Struct, frozen=True, kw_only=True, tag=True):
    """Ask for every token; answered with `Tokens`."""


class Tokens(Struct, frozen=True, kw_only=True, tag=True):
    """Newest first."""

    tokens: list[TokenCard]


class TokenRevoke(Struct, frozen=True, kw_only=True, tag=True):
    """From now on the token enrols nobody; agents enrolled with it stay."""

    id: str


class AgentCard(Struct, frozen=True, kw_only=True):
    """An agent as the fleet knows it. `silent` is an active agent not heard of for a while; `pending` one whose
    enrolment was cut short. Times are µs UTC, 0 for never."""

    identity: Identity
    host: str
    status: Literal["pending", "active", "silent", "quarantined", "revoked"]
    reason: str
    version: str
    os: str
    enrolled: int
    last_seen: int
    skew: int
    events: int
    lost_events: int


class AgentsList(Struct, frozen=True, kw_only=True, tag=True):
    """Ask for every agent; answered with `Agents`."""


class Agents(Struct, frozen=True, kw_only=True, tag=True):
    """By node, then host."""

    agents: list[AgentCard]


class AgentChange(Struct, frozen=True, kw_only=True, tag=True):
    """A person's decision on one agent: `revoke` for good, `quarantine` until `release`."""

    agent: AgentId
    change: Literal["revoke", "quarantine", "release"]
    reason: Annotated[str, Meta(max_length=2_048)] = ""
    person: Annotated[str, Meta(max_length=128)] = ""


class Fault(Struct, frozen=True, kw_only=True, tag=True):
    """The request was refused. `code` is stable; `retry` says whether the same request may succeed later."""

    code: str
    detail: str
    retry: bool = False


GatewayRequest = Fetch | Done
ResponderRequest = (
    Matches
    | RuleReport
    | WatchAdmissions
    | Enrol
    | Renew
    | Quarantine
    | Seen
    | TokenCreate
    | TokensList
    | TokenRevoke
    | AgentsList
    | AgentChange
)
SignerRequest = SignCertificate
Answer = (
    Fetched | Accepted | Admissions | Enrolled | Renewed | TokenCreated | Tokens | Agents | Certificate | Fault
)
