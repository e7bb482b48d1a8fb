"""The gateway's process: both listeners and the consumers' door on one event loop, from start to a clean stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import signal
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from collector.door import AsyncDoor, serve_door
from collector.gateway import agents, certification, tls
from collector.gateway.admission import Replica
from collector.gateway.answers import Answering
from collector.gateway.batch import Batches
from collector.gateway.consumers import Consumers
from collector.gateway.limits import Buckets, Room, Turns
from collector.gateway.listener import Listener
from collector.gateway.metrics import Metrics
from collector.gateway.reports import Reports
from collector.inbox import Inbox
from collector.inbox.sqlite import SqliteInbox
from collector.messages import GatewayRequest

STOP_S = 5.0
THREADS = 2

MAX_AGENTS = 16_000
"""Connections on the agents' door."""

MAX_STRANGERS, PER_ADDRESS = 512, 64
"""Connections on the enrolment door: of all, and from one address."""

OTHER_FILES = 256

ROOM_BYTES, AGENT_ROOM_BYTES = 128 << 20, 16 << 20
"""For bodies under way: of all agents, and of one."""

PER_AGENT = 8
"""Requests that one agent may have open; it needs three."""

REQUESTS_S, REQUESTS_BURST = 50.0, 200.0
BYTES_S, BYTES_BURST = float(4 << 20), float(32 << 20)
"""What one agent may send: a spool of 200 MB is delivered within a minute, and no agent fills the door alone."""

log = logging.getLogger(__name__)


class Gateway:
    """The parts, wired together. Making it raises `ListenError` when the certificate files cannot be used."""

    def __init__(self, inbox: Inbox, responder: AsyncDoor, tls_dir: Path) -> None:
        self.metrics = metrics = Metrics()
        self._closing = asyncio.Event()
        self.consumers = Consumers(inbox)
        self.reports = Reports(responder)
        self.replica = Replica(responder)
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="judge")
        room = Room(ROOM_BYTES, AGENT_ROOM_BYTES)
        answering = Answering(metrics)
        handshakes = tls.Handshakes(lambda kind: metrics.handshakes.labels(kind).inc())
        guard = agents.Guard(self.replica, Turns(PER_AGENT), Buckets(REQUESTS_S, REQUESTS_BURST))
        rate = Buckets(BYTES_S, BYTES_BURST)
        batches = Batches(self.replica, inbox, self.consumers, self.reports, room, rate, self._executor, metrics)
        app = agents.application(guard, batches, responder, answering, self._closing)
        self.agents = Listener(app, tls.agents_context(tls_dir, handshakes), self._cut, MAX_AGENTS, MAX_AGENTS)
        strangers = certification.Enrolment(responder, tls_dir / "ca.pem").application(answering)
        self.enrol = Listener(
            strangers, tls.enrol_context(tls_dir, handshakes), self._cut, MAX_STRANGERS, PER_ADDRESS
        )
        metrics.observe(self._conditions, inbox.usage)

    async def close(self) -> None:
        """Accept nothing new, answer what is under way, tell who was heard of."""
        self._closing.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.agents.close(STOP_S))
            group.create_task(self.enrol.close(STOP_S))
        self._executor.shutdown(cancel_futures=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await self.reports.flush()

    def _cut(self, reason: str) -> None:
        self.metrics.cut.labels(reason).inc()

    def _conditions(self) -> dict[str, float]:
        return {
            "connections": self.agents.connections,
            "enrol_connections": self.enrol.connections,
            "admission_agents": self.replica.size,
            "admission_age_seconds": self.replica.age_s,
        }


async def serve(
    *,
    bind: str,
    agents_port: int,
    enrol_port: int,
    tls_dir: Path,
    inbox_path: Path,
    doors_dir: Path,
    limit_bytes: int,
    min_free_bytes: int,
    metrics_port: int,
    ready: Callable[[], None],
) -> None:
    """Run the gateway until SIGTERM or SIGINT.

    `tls_dir` holds `gateway.pem` (chain), `gateway.key.pem` and `ca.pem` (the root of agents' certificates).
    `doors_dir` holds `responder.sock`, and gets `gateway.sock`. `limit_bytes` and `min_free_bytes` are quotas of
    the inbox; `metrics_port` is on 127.0.0.1, 0 for none. `ready` is called once all doors answer, which is before
    the admission list has come: until then agents are told to come back.

    Raises:
        ListenError: a port or a certificate file cannot be used.
        InboxError: the inbox cannot be opened.
        DoorError: the socket cannot be made.
    """
    _more_files()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    responder = AsyncDoor(doors_dir / "responder.sock")
    inbox = await asyncio.to_thread(SqliteInbox, inbox_path, limit_bytes, min_free_bytes)
    try:
        gateway = Gateway(inbox, responder, tls_dir)
        stop_metrics = gateway.metrics.serve(metrics_port) if metrics_port else _nothing
        try:
            async with _answering(gateway, doors_dir / "gateway.sock", (bind, agents_port), (bind, enrol_port)):
                ready()
                await stopping.wait()
                log.info("stopping")
        finally:
            await asyncio.to_thread(stop_metrics)
    finally:
        await responder.close()
        await asyncio.to_thread(inbox.close)


@contextlib.asynccontextmanager
async def _answering(
    gateway: Gateway, door: Path, agents_at: tuple[str, int], enrol_at: tuple[str, int]
) -> AsyncIterator[None]:
    """The gateway, answering at all its doors; an error in what keeps it going ends it."""
    reports = gateway.reports
    consumers = await serve_door(door, GatewayRequest, gateway.consumers.answer)
    try:
        await gateway.agents.start(*agents_at)
        await gateway.enrol.start(*enrol_at)
        async with asyncio.TaskGroup() as group:
            work = (gateway.replica.follow(), reports.deliver_quarantines(), reports.deliver_seen())
            keeping = [group.create_task(each) for each in work]
            try:
                yield
            finally:
                await gateway.close()
                for task in keeping:
                    task.cancel()
    finally:
        await consumers.close()


def _more_files() -> None:
    """Every connection is a file: take as many as the system lets this process have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    needed = MAX_AGENTS + MAX_STRANGERS + OTHER_FILES
    if most < needed:
        log.warning("this process may open %d files; %d connections need %d", most, MAX_AGENTS, needed)


def _nothing() -> None:
    """Without a port there is nothing to stop."""
