"""`init`: a new collector's data directory, whole or not at all."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from collector import layout as house
from collector.exceptions import SetupError
from collector.layout import UNFINISHED, Layout
from collector.privileges import SERVICE_UID, SIGNER_UID, usable
from collector.settings import FILE, Settings, dump, parse
from collector.trust import ceremony
from collector.trust.certificates import fingerprint
from collector.trust.keys import write_private

ADMINISTRATOR = "admin"
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
TOKEN_USES = 50
TOKEN_DAYS = 7


@dataclass(frozen=True)
class Made:
    """What a script needs after `init`; the files can be read by their owner alone."""

    admin_user: str
    admin_password_file: str
    enrolment_token_file: str
    ca_fingerprint: str


def run(options: argparse.Namespace) -> int:
    """The command: prints `Made` as text or as one JSON object."""
    made = initialise(options.data.absolute(), options.hostname, options.node)
    if options.format == "json":
        print(json.dumps(asdict(made)))
    else:
        print(_text(made))
    print(_warning(options.data), file=sys.stderr)
    return 0


def initialise(data: Path, hostnames: list[str], node: str = "tinh") -> Made:
    """Make a collector in `data`. `collector.yaml` is written last: a run that was cut short left none, and is
    simply begun again.

    Raises:
        SetupError: there is a collector already, or the directory holds something else.
        SettingsError: a name is not a host name or address.
    """
    _refuse_used(data)
    data.mkdir(parents=True, exist_ok=True)
    settings = _settings(data, [*hostnames, *(n for n in LOCAL_NAMES if n not in hostnames)], node)
    layout = Layout(data)
    previous = os.umask(0o077)
    try:
        write_private(data / UNFINISHED, b"init has begun here and not ended; it may be begun again\n")
        house.create(layout, settings)
        root = ceremony.hold(layout, settings.hostnames)
        _give_keys(layout, settings)
        made = _people(layout, settings, fingerprint(root))
        write_private(data / FILE, dump(settings).encode())
        (data / UNFINISHED).unlink()
    finally:
        os.umask(previous)
    return made


def _people(layout: Layout, settings: Settings, ca_sha256: str) -> Made:
    """The administrator and the first enrolment token, each in a file of its own."""
    from collector.api.accounts import create_admin
    from collector.fleet import create_token

    state = layout.state_url(settings)
    password = create_admin(state, ADMINISTRATOR)
    token = create_token(
        state,
        node=settings.node,
        label=settings.label,
        role="host",
        uses=TOKEN_USES,
        days=TOKEN_DAYS,
        ca_sha256=ca_sha256,
    )
    house.give(layout.room("state"), settings.service_uid, settings.service_uid)
    password_file, token_file = layout.secrets / "admin-password", layout.secrets / "enrolment-token"
    write_private(password_file, f"{password}\n".encode())
    write_private(token_file, f"{token}\n".encode())
    return Made(ADMINISTRATOR, str(password_file), str(token_file), ca_sha256)


def _give_keys(layout: Layout, settings: Settings) -> None:
    house.give(layout.keys, settings.signer_uid, settings.service_uid)
    house.give(layout.tls, settings.service_uid, settings.service_uid)


def _refuse_used(data: Path) -> None:
    if (data / FILE).exists():
        raise SetupError(
            f"{data}: there is a collector here already; choose another directory, or delete this one"
        )
    if not data.is_dir():
        return
    there = sorted(path.name for path in data.iterdir())
    if there and UNFINISHED not in there:
        raise SetupError(
            f"{data}: not empty ({', '.join(there[:3])}). If this was a collector, put its {FILE} back from "
            "a copy; otherwise choose an empty or new directory"
        )
    for name in there:
        if (data / name).is_dir() and not (data / name).is_symlink():
            shutil.rmtree(data / name)


def _settings(data: Path, hostnames: list[str], node: str) -> Settings:
    separate = os.geteuid() == 0 and usable(SERVICE_UID, data)
    text = dump(
        Settings(
            hostnames=hostnames,
            node=node,
            service_uid=SERVICE_UID if separate else None,
            signer_uid=SIGNER_UID if separate else None,
        )
    )
    return parse(text, "init")


def _text(made: Made) -> str:
    return (
        f"administrator         {made.admin_user}\n"
        f"one-time password in  {made.admin_password_file}\n"
        f"enrolment token in    {made.enrolment_token_file}\n"
        f"root fingerprint      {made.ca_fingerprint}"
    )


def _warning(data: Path) -> str:
    lines = [
        f"Move {data}/offline to removable media, and {data}/secrets/root-passphrase to another place: "
        "whoever holds both is the collector."
    ]
    if os.geteuid() == 0 and "service_uid: null" in (data / FILE).read_text():
        lines.append(
            "The processes will run as root: other accounts cannot reach this Python or this directory. "
            "Use a Python under /usr and a directory that others may pass through, then init again."
        )
    elif os.geteuid() != 0:
        lines.append("Not root: all processes run as you, so the signer's keys are kept apart by process only.")
    return "\n".join(lines)
