"""The commands `token` and `agents`: what the responder is asked through its door, and how it is printed."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from collector.door import Door, DoorError
from collector.exceptions import CollectorError
from collector.layout import Layout
from collector.messages import (
    Accepted,
    AgentChange,
    Agents,
    AgentsList,
    Fault,
    ResponderRequest,
    TokenCreate,
    TokenCreated,
    TokenRevoke,
    Tokens,
    TokensList,
)

ASK_S = 15.0

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]

LOCAL = timezone(timedelta(hours=7), "Asia/Ho_Chi_Minh")
"""Vietnam keeps no summer time, so a fixed offset needs no time zone files on the machine."""

T = TypeVar("T")


def add_token_arguments(parser: argparse.ArgumentParser) -> None:
    """`token create | list | revoke`."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    create = _verb(verbs, "create", "print a new token's line on standard output: redirect it to a file")
    create.add_argument("--node", required=True, metavar="PATH", help="node that its agents belong to")
    create.add_argument("--label", default="noi-bo", help="confidentiality label of what they report (noi-bo)")
    create.add_argument("--role", choices=("host", "wan", "relay"), default="host", help="what they are (host)")
    create.add_argument("--uses", type=int, default=1, metavar="N", help="how many machines it enrols (1)")
    create.add_argument("--days", type=float, default=7, metavar="N", help="how long it lives (7)")
    create.add_argument(
        "--allow-reenrol",
        action="store_true",
        help="it may take over a machine whose agent is alive, revoking that one",
    )
    _listing(_verb(verbs, "list", "every token with its bounds; secrets are not kept"))
    revoke = _verb(verbs, "revoke", "it enrols nobody from now on; agents enrolled with it stay")
    revoke.add_argument("id", metavar="TOKEN")


def add_agents_arguments(parser: argparse.ArgumentParser) -> None:
    """`agents list | revoke | quarantine | release`."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _listing(_verb(verbs, "list", "every agent, by node and host"))
    for verb, text in (
        ("revoke", "refuse this agent for good; its machine can be enrolled anew"),
        ("quarantine", "refuse this agent until it is released; it keeps its spool"),
        ("release", "let a quarantined agent report again"),
    ):
        change = _verb(verbs, verb, text)
        change.add_argument("agent", metavar="AGENT")
        change.add_argument("--reason", required=True, help="kept with the decision")


def run_token(options: argparse.Namespace) -> int:
    """The command `token`.

    Raises:
        CollectorError: no collector runs on this directory, or it refused.
    """
    if options.verb == "create":
        print(_ask(options, _token(options), TokenCreated).text)
    elif options.verb == "revoke":
        _ask(options, TokenRevoke(id=options.id), Accepted)
    else:
        _print(
            options, _ask(options, TokensList(), Tokens).tokens, ("id", "node", "role", "used", "uses", "expires")
        )
    return 0


def run_agents(options: argparse.Namespace) -> int:
    """The command `agents`.

    Raises:
        CollectorError: no collector runs on this directory, or it refused.
    """
    if options.verb == "list":
        columns = ("agent", "node", "host", "status", "last_seen", "events", "lost_events", "reason")
        _print(options, _ask(options, AgentsList(), Agents).agents, columns)
        return 0
    change = AgentChange(agent=options.agent, change=options.verb, reason=options.reason, person=getpass.getuser())
    _ask(options, change, Accepted)
    return 0


def _verb(verbs: Verbs, name: str, text: str) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=text)
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="the running collector's data directory"
    )
    return parser


def _listing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=("text", "json"), default="text", help="output form (text)")


def _token(options: argparse.Namespace) -> TokenCreate:
    try:
        return msgspec.convert(
            {
                "type": "TokenCreate",
                "node": options.node,
                "label": options.label,
                "role": options.role,
                "uses": options.uses,
                "days": options.days,
                "allow_reenrol": options.allow_reenrol,
                "person": getpass.getuser(),
            },
            TokenCreate,
        )
    except msgspec.ValidationError as error:
        raise CollectorError(f"token create: {error}") from error


def _ask(options: argparse.Namespace, request: ResponderRequest, kind: type[T]) -> T:
    layout = Layout(options.data.absolute())
    try:
        with Door(layout.door("responder")) as door:
            answer = door.ask(request, ASK_S)
    except DoorError as error:
        raise CollectorError(
            f"no collector answers on {layout.data} ({error}); start it with: "
            f"lienphong-collector serve --data {layout.data}"
        ) from error
    if isinstance(answer, kind):
        return answer
    detail = answer.detail if isinstance(answer, Fault) else f"unexpected answer {type(answer).__name__}"
    raise CollectorError(f"{options.verb}: {detail}")


def _print(options: argparse.Namespace, rows: Sequence[msgspec.Struct], columns: tuple[str, ...]) -> None:
    plain = [_flat(msgspec.to_builtins(row)) for row in rows]
    if options.format == "json":
        print(json.dumps(plain, ensure_ascii=False))
        return
    cells = [list(columns), *([_cell(name, row[name]) for name in columns] for row in plain)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    for row in cells:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    print(f"{len(rows)} in all", file=sys.stderr)


def _flat(row: dict[str, object]) -> dict[str, object]:
    identity = row.pop("identity", {})
    return {**(identity if isinstance(identity, dict) else {}), **row}


def _cell(name: str, value: object) -> str:
    if name in ("expires", "last_seen") and isinstance(value, int):
        return f"{datetime.fromtimestamp(value / 1e6, LOCAL):%H:%M:%S %d/%m/%Y}" if value else "never"
    return str(value)
