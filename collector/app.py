"""The only place that wires rooms together: one process of the collector, by its role."""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import logging
import os
import sys
import time
from collections.abc import Callable, Coroutine, Sequence

from collector import cli, serve
from collector.exceptions import CollectorError, SetupError
from collector.layout import Layout
from collector.privileges import drop, end_with_parent
from collector.settings import Settings
from collector.supervisor import ROLES, SUPERVISOR_PID, announce_ready

LOCK_WAIT_S = 20.0
"""A process whose predecessor is still stopping waits this long for its files."""

log = logging.getLogger(__name__)


async def signer(layout: Layout, settings: Settings) -> None:
    """Makes certificates; the only process that can read the online keys."""
    from collector.door import serve_door
    from collector.messages import SignerRequest
    from collector.trust.signer import Signer

    await serve_door(layout.door("signer"), SignerRequest, Signer(layout).answer, ready=announce_ready)


async def responder(layout: Layout, settings: Settings) -> None:
    """Enrolment, alerts, people, API and console."""


Wire = Callable[[Layout, Settings], Coroutine[None, None, None]]

WIRES: dict[str, Wire] = {
    "signer": signer,
    "responder": responder,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """One process: take its files, give up root, work until SIGTERM."""
    parser = argparse.ArgumentParser(prog="collector.app", description=__doc__)
    parser.add_argument("role", choices=ROLES)
    cli.add_serve_arguments(parser)
    options = parser.parse_args(arguments)
    serve.start_log(options.role)
    try:
        end_with_parent(int(os.environ.get(SUPERVISOR_PID, os.getppid())))
        layout = Layout(options.data)
        settings = serve.effective(layout.data, options)
        held = _take(layout, options.role)
        drop(settings.signer_uid if options.role == "signer" else settings.service_uid, settings.service_uid)
        asyncio.run(WIRES[options.role](layout, settings))
        os.close(held)
    except CollectorError as error:
        log.error("%s", error)
        return 1
    return 0


def _take(layout: Layout, role: str) -> int:
    """The lock on a role's files: two processes of one role must never meet on them."""
    descriptor = os.open(layout.run / f"{role}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise SetupError(f"another {role} still holds {layout.run / role}.lock") from None
            time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
