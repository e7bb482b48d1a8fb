"""The command `lienphong-collector`: its verbs, their help, and errors without tracebacks."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from collector.exceptions import CollectorError

Run = Callable[[argparse.Namespace], int]

DESCRIPTION = """\
Receives what agents report, matches Sigma rules, and shows alerts.

  lienphong-collector init --data DIR --hostname NAME     make a new collector
  lienphong-collector serve --data DIR                    run it
  lienphong-collector detect FILE… --rules DIR            match rules offline over EVTX and JSON lines
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; exit status 0 = done, 1 = an error told on standard error, 2 = wrong usage."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser(words[0] if words else "")
    options = parser.parse_args(words)
    if options.run is None:
        parser.print_help()
        return 2
    try:
        run: Run = options.run
        return run(options)
    except CollectorError as error:
        print(f"lienphong-collector: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(f"lienphong-collector: {error.filename or ''}: {error.strerror or error}", file=sys.stderr)
        return 1


def _parser(chosen: str) -> argparse.ArgumentParser:
    """Every verb with its help; arguments of the chosen one only, because they load its room."""
    parser = argparse.ArgumentParser(
        prog="lienphong-collector", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.set_defaults(run=None)
    verbs = parser.add_subparsers(title="verbs", metavar="VERB")
    for name, (text, add) in VERBS.items():
        verb = verbs.add_parser(name, help=text)
        if name == chosen:
            add(verb)
    return parser


def data_argument(parser: argparse.ArgumentParser) -> None:
    """`--data DIR`, with the same words everywhere."""
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the collector's data directory")


def _add_init(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Makes a new collector in DIR. Prints where the administrator's one-time password and the enrolment token "
        "lie (files only you can read), and the fingerprint of the root that agents pin. Afterwards move "
        "DIR/offline to removable media, and its passphrase (DIR/secrets/root-passphrase) to somewhere else: with "
        "both, anybody is the collector."
    )
    data_argument(parser)
    parser.add_argument(
        "--hostname", required=True, action="append", metavar="NAME",
        help="name or address that agents and browsers use; repeat for more (localhost is always one)",
    )  # fmt: skip
    parser.add_argument(
        "--node", default="tinh", metavar="PATH", help="node that the first token enrols to (tinh)"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="output form (text)")
    parser.set_defaults(run=_init)


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Runs the signer, responder, gateway, detector and archiver as processes of their own and restarts what "
        "dies. Logs one line when all are ready. Stop it with SIGTERM or Ctrl-C."
    )
    add_serve_arguments(parser)
    parser.set_defaults(run=_serve)


def add_serve_arguments(parser: argparse.ArgumentParser) -> None:
    """What `serve` and each process of it take: the data directory and what overrides collector.yaml."""
    data_argument(parser)
    for port, what in (("agents", "agents' door"), ("enrol", "enrolment"), ("web", "console")):
        parser.add_argument(f"--{port}-port", type=int, metavar="N", help=f"port of the {what}")
    parser.add_argument(
        "--rules", action="append", metavar="DIR", help="Sigma rules instead of those shipped; repeat"
    )
    parser.add_argument("--playbooks", action="append", metavar="DIR", help="playbooks instead of those shipped")


def _add_token(parser: argparse.ArgumentParser) -> None:
    from collector.fleet import command

    command.add_token_arguments(parser)
    parser.set_defaults(run=command.run_token)


def _add_agents(parser: argparse.ArgumentParser) -> None:
    from collector.fleet import command

    command.add_agents_arguments(parser)
    parser.set_defaults(run=command.run_agents)


def _add_detect(parser: argparse.ArgumentParser) -> None:
    from collector.detection import command

    command.add_arguments(parser)
    parser.set_defaults(run=command.run)


def _init(options: argparse.Namespace) -> int:
    from collector import setup

    return setup.run(options)


def _serve(options: argparse.Namespace) -> int:
    from collector import serve

    return serve.run(options)


VERBS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "init": ("make a new collector: keys, certificates, an administrator, an enrolment token", _add_init),
    "serve": ("run the collector", _add_serve),
    "token": ("make, list and revoke enrolment tokens", _add_token),
    "agents": ("list agents; revoke, quarantine or release one", _add_agents),
    "detect": ("match rules offline over EVTX files and JSON lines", _add_detect),
}
