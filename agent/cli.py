"""`lienphong-agent`: enrol | run | status | sensors."""

from __future__ import annotations

import argparse
import codecs
import logging
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from msgspec.structs import asdict

from agent import configfile, identity, show
from agent import status as agent_status
from agent.config import Config
from agent.exceptions import AgentError, EnrolError
from agent.layout import Layout
from agent.status import Status
from agent.texts import say
from wire import codec
from wire.errors import WireError

MAX_TOKEN_BYTES = 1_024

OK, FAILED, NOT_RUNNING = 0, 1, 3
"""Exit statuses; 2 is a wrong command line, 3 as in the LSB's `status`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status."""
    options = _parser().parse_args(arguments)
    _log()
    try:
        status: int = options.command(options)
    except (AgentError, WireError, OSError) as error:
        code = f" [{error.code}]" if isinstance(error, EnrolError) else ""
        print(f"lienphong-agent: {error}{code}", file=sys.stderr)
        return FAILED
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lienphong-agent",
        description=say("about"),
        epilog=say("first_steps"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=version("lien-phong"))
    commands = parser.add_subparsers(required=True, metavar="enrol | run | status | sensors")
    enrol = _command(commands, "enrol", _enrol)
    enrol.add_argument("--collector", required=True, metavar="URL", help=say("collector"))
    enrol.add_argument("--token-file", required=True, metavar="FILE", help=say("token_file"))
    enrol.add_argument("--force", action="store_true", help=say("force"))
    _configured(_command(commands, "run", _run))
    _formatted(_command(commands, "status", _status))
    _formatted(_configured(_command(commands, "sensors", _sensors)))
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, function: object
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=say(name), description=say(name))
    command.add_argument("--data", required=True, type=Path, metavar="DIR", help=say("data"))
    command.set_defaults(command=function)
    return command


def _configured(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
    command.add_argument("--config", type=Path, metavar="FILE", help=say("config"))
    return command


def _formatted(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
    command.add_argument("--format", choices=("text", "json"), default="text", help=say("format"))
    return command


def _layout(options: argparse.Namespace) -> Layout:
    return Layout(options.data.absolute())


def _config(options: argparse.Namespace) -> Config:
    if options.config:
        return configfile.load(options.config, required=True)
    return configfile.load(_layout(options).config)


def _enrol(options: argparse.Namespace) -> int:
    from agent.enrol import enrol  # loads `cryptography`

    layout = _layout(options)
    record = enrol(layout, options.collector, _token(options.token_file), options.force)
    who = record.identity
    print(say("enrolled", agent=who.agent, node=who.node, label=who.label, data=layout.data))
    return OK


def _token(name: str) -> str:
    """What the token file says. An editor may have put a byte order mark before it."""
    if name == "-":
        data = sys.stdin.buffer.read(MAX_TOKEN_BYTES)
    else:
        with Path(name).open("rb") as file:
            data = file.read(MAX_TOKEN_BYTES)
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise EnrolError("not_a_token", f"{name}: not plain text (UTF-8); copy the token file as it is") from error


def _run(options: argparse.Namespace) -> int:
    from agent.main import run  # loads everything that stays

    return run(_config(options), _layout(options))


def _status(options: argparse.Namespace) -> int:
    layout = _layout(options)
    now = agent_status.ask(layout.run) if layout.run.is_dir() else None
    now = now or _at_rest(layout)
    print(codec.encode(now).decode() if options.format == "json" else show.status(now))
    return OK if now.running else NOT_RUNNING


def _at_rest(layout: Layout) -> Status:
    """What can be said while no agent runs."""
    record = identity.load(layout.identity)
    return Status(
        running=False,
        version=version("lien-phong"),
        identity=record.identity,
        collector=record.collector,
        certificate_until=record.not_after,
    )


def _sensors(options: argparse.Namespace) -> int:
    from agent.sensors import sensors

    found = [(sensor.name, sensor.availability()) for sensor in sensors(_config(options), None)]
    if options.format == "json":
        print(codec.encode([{"name": name, **asdict(a)} for name, a in found]).decode())
    else:
        print(show.sensors(found))
    return OK


def _log() -> None:
    """To standard error; under systemd, which writes time and source itself, the text alone."""
    form = (
        "%(levelname)s %(message)s" if "JOURNAL_STREAM" in os.environ else "%(asctime)s %(levelname)s %(message)s"
    )
    logging.basicConfig(level=logging.INFO, format=form)


if __name__ == "__main__":
    sys.exit(main())
