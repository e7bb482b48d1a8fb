"""The only place that wires rooms together: one process of the collector, by its role."""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path

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

    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    callers = () if settings.service_uid is None else (settings.service_uid,)
    door = await serve_door(layout.door("signer"), SignerRequest, Signer(layout).answer, allowed_uids=callers)
    announce_ready()
    await stopping.wait()
    await door.close()


async def responder(layout: Layout, settings: Settings) -> None:
    """Enrolment, alerts, people, API and console."""
    from collector import console
    from collector.responder import serve

    await serve(
        state_url=layout.state_url(settings),
        doors_dir=layout.run,
        web=(settings.bind, settings.web_port),
        cert=layout.tls / "web.pem",
        key=layout.tls / "web.key.pem",
        hostnames=settings.hostnames,
        console_dir=console.DIST,
        agents_port=settings.agents_port,
        ca_pem=layout.root_certificate,
        ready=announce_ready,
    )


async def gateway(layout: Layout, settings: Settings) -> None:
    """The agents' door, enrolment and the inbox."""
    from collector.gateway.service import serve

    await serve(
        bind=settings.bind,
        agents_port=settings.agents_port,
        enrol_port=settings.enrol_port,
        tls_dir=layout.tls,
        inbox_path=layout.room("inbox") / "inbox.sqlite",
        doors_dir=layout.run,
        limit_bytes=settings.limits.inbox_bytes,
        min_free_bytes=settings.limits.min_free_bytes,
        metrics_port=settings.metrics_port,
        ready=announce_ready,
    )


def detector(layout: Layout, settings: Settings) -> None:
    """Rules over events."""
    from collector import content
    from collector.detector import run

    rules = [Path(path) for path in settings.rules] or [content.shipped("rules")]
    run(layout.room("detector"), rules, layout.door("gateway"), layout.door("responder"), announce_ready)


def archiver(layout: Layout, _settings: Settings) -> None:
    """Events to files by scope and hour."""
    from collector.archiver import run

    run(layout.room("archive"), layout.door("gateway"), announce_ready)


Wire = Callable[[Layout, Settings], Coroutine[None, None, None] | None]
"""Does the work and returns, or returns the coroutine that does it."""

WIRES: dict[str, Wire] = {
    "signer": signer,
    "responder": responder,
    "gateway": gateway,
    "detector": detector,
    "archiver": archiver,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """One process: take its files, give up root, work until SIGTERM."""
    parser = argparse.ArgumentParser(prog="collector.app", description=__doc__)
    parser.add_argument("role", choices=ROLES)
    cli.add_serve_arguments(parser)
    options = parser.parse_args(arguments)
    serve.start_log(options.role)
    try:
        supervisor = int(os.environ.get(SUPERVISOR_PID, os.getppid()))
        end_with_parent(supervisor)
        layout = Layout(options.data)
        settings = serve.effective(layout.data, options)
        held = _take(layout, options.role)
        drop(settings.signer_uid if options.role == "signer" else settings.service_uid, settings.service_uid)
        end_with_parent(supervisor)  # again: the kernel forgets it when a process changes its account
        work = WIRES[options.role](layout, settings)
        if work is not None:
            with asyncio.Runner(loop_factory=_new_loop) as runner:
                runner.run(work)
        os.close(held)
    except CollectorError as error:
        log.error("%s", error)
        return 1
    return 0


def _new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's, as the gateway was measured with, where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _take(layout: Layout, role: str) -> int:
    """The lock on a role's files: two processes of one role must never meet on them."""
    descriptor = os.open(layout.lock(role), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise SetupError(f"another {role} still holds {layout.lock(role)}") from None
            time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
