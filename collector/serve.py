"""`serve`: reads the settings, renews the listeners' certificates, and hands over to the supervisor."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import time
from pathlib import Path

import msgspec

from collector import layout as house
from collector.exceptions import SettingsError, SetupError
from collector.layout import UNFINISHED, Layout
from collector.settings import Settings, load
from collector.supervisor import Supervisor
from collector.trust.signer import renew_listeners

OVERRIDES = ("agents_port", "enrol_port", "web_port", "rules", "playbooks")


def run(options: argparse.Namespace) -> int:
    """Supervise the collector's processes until SIGTERM or SIGINT.

    Raises:
        SettingsError: collector.yaml is absent or wrong.
        SetupError: another collector runs here, or this account may not.
    """
    start_log("serve")
    layout = Layout(options.data.absolute())
    settings = effective(layout.data, options)
    _refuse_other_account(settings)
    for name in renew_listeners(layout, settings.hostnames):
        logging.getLogger(__name__).info("new certificate for the %s listener", name)
    house.give(layout.tls, settings.service_uid, settings.service_uid)
    (layout.data / UNFINISHED).unlink(missing_ok=True)
    supervisor = Supervisor(layout.watch, arguments(layout.data, options))
    name = settings.hostnames[0]
    ready = (
        f"ready: console https://{name}:{settings.web_port} "
        f"agents {settings.agents_port} enrolment https://{name}:{settings.enrol_port}"
    )
    return asyncio.run(supervisor.run(ready))


def effective(data: Path, options: argparse.Namespace) -> Settings:
    """The settings of the file with those of the command line over them; rule paths made absolute.

    Raises:
        SettingsError: collector.yaml is absent or wrong.
    """
    settings = load(data)
    given = {key: getattr(options, key) for key in OVERRIDES if getattr(options, key) is not None}
    for key in ("rules", "playbooks"):
        if key in given:
            given[key] = [str(Path(path).absolute()) for path in given[key]]
    try:
        return msgspec.convert({**msgspec.to_builtins(settings), **given}, Settings)
    except msgspec.ValidationError as error:
        raise SettingsError(f"command line: {error}") from error


def arguments(data: Path, options: argparse.Namespace) -> list[str]:
    """The same overrides, as arguments for a process of the collector."""
    words = ["--data", str(data)]
    for key in OVERRIDES:
        value = getattr(options, key)
        if isinstance(value, list):
            for item in value:
                words += [f"--{key}", str(Path(item).absolute())]
        elif value is not None:
            words += [f"--{key.replace('_', '-')}", str(value)]
    return words


def start_log(role: str) -> None:
    """One line an entry on standard error: UTC time, level, process, text."""
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(
        level=logging.INFO,
        format=f"%(asctime)s.%(msecs)03dZ %(levelname)s {role}: %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
    )


def _refuse_other_account(settings: Settings) -> None:
    if settings.service_uid is not None and os.geteuid() != 0:
        raise SetupError(
            "this collector keeps its processes apart by account (service_uid in collector.yaml): "
            "start serve as root"
        )
