"""A gateway process with everything around it: the responder's side of its doors, and agents with real TLS."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec

from collector.door import Door, DoorServer, serve_door
from collector.messages import (
    Accepted,
    Admission,
    Admissions,
    AgentSeen,
    Answer,
    Done,
    Enrol,
    Fault,
    Fetch,
    Fetched,
    InboxBlock,
    Quarantine,
    Renew,
    ResponderRequest,
    Seen,
    WatchAdmissions,
)
from tests.gateway.trust import Trust
from wire import batch, block, codec
from wire.block import Block, BlockRef, Gap, Lane
from wire.event import Event, Logsource
from wire.identity import Identity

Result = TypeVar("Result")

SOURCE = Logsource(product="linux", category="process_creation")


def wait_for(condition: Callable[[], object], what: str, seconds: float = 20) -> None:
    """Until `condition` is true, or fail saying what did not happen."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.01)


def identity(number: int) -> Identity:
    """The `number`th agent of the tests."""
    name = hashlib.sha256(str(number).encode()).hexdigest().translate(str.maketrans("0189", "wxyz"))[:16]
    return Identity(agent=name, node=f"tinh/don-vi-{number % 7}", label="noi-bo", role="host")


class Responder:
    """The responder's side of the gateway's doors: a list that tests change, a record of what came."""

    def __init__(self, path: Path) -> None:
        self.agents: dict[str, Admission] = {}
        self.version = 1
        self.quarantined: list[Quarantine] = []
        self.seen: dict[str, AgentSeen] = {}
        self.asked: list[Enrol | Renew] = []
        self.answers: list[Answer] = []
        self.act_on_quarantine = True
        self.path = path
        self._loop = asyncio.new_event_loop()
        self._changed = asyncio.Condition()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server: DoorServer | None = None
        self.open()

    def open(self) -> None:
        """Begin to answer."""
        self._server = self._run(serve_door(self.path, ResponderRequest, self._answer))

    def shut(self) -> None:
        """The responder is away."""
        if self._server is not None:
            self._run(self._server.close())
            self.path.unlink(missing_ok=True)
        self._server = None

    def close(self) -> None:
        """The end."""
        self.shut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def admit(self, who: Identity, serial: str, status: str = "active", previous: str = "") -> None:
        """Put the agent on the list; who waits for a newer list hears of it."""
        entry = msgspec.convert(
            {"identity": msgspec.to_builtins(who), "host": f"may-{who.agent[:4]}", "serial": serial,
             "previous": previous, "status": status},
            Admission,
        )  # fmt: skip
        self._run(self._put(entry))

    async def _put(self, entry: Admission) -> None:
        async with self._changed:
            self.agents[entry.identity.agent] = entry
            self.version += 1
            self._changed.notify_all()

    async def _answer(self, request: ResponderRequest) -> Answer:
        match request:
            case WatchAdmissions():
                return await self._newer(request)
            case Quarantine():
                self.quarantined.append(request)
                held = self.agents.get(request.agent)
                if held is not None and self.act_on_quarantine:
                    await self._put(msgspec.structs.replace(held, status="quarantined"))
            case Seen():
                self.seen |= {report.agent: report for report in request.agents}
            case Enrol() | Renew():
                self.asked.append(request)
                return self.answers.pop(0) if self.answers else Fault(code="bad_token", detail="no such token")
        return Accepted(count=1)

    async def _newer(self, request: WatchAdmissions) -> Answer:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(request.wait), self._changed:
                await self._changed.wait_for(lambda: self.version != request.version)
        return Admissions(version=self.version, agents=list(self.agents.values()))

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for each in sockets:
        each.close()
    return ports


class GatewayProcess:
    """`collector.gateway.serve` in a process of its own, in a directory."""

    def __init__(
        self, directory: Path, trust: Trust, *, loop: str = "uvloop", inbox: Path | None = None, **more: int
    ):
        self.agents_port, self.enrol_port, self.metrics_port = free_ports(3)
        self.doors = directory / "run"
        self.trust = trust
        self.log = directory / "gateway.log"
        inbox_path = inbox or directory / "inbox.sqlite"
        self._command = [sys.executable, str(Path(__file__).with_name("process.py")), loop]
        self._options = {
            "bind": "127.0.0.1", "agents_port": self.agents_port, "enrol_port": self.enrol_port,
            "metrics_port": self.metrics_port, "tls_dir": str(trust.tls), "inbox_path": str(inbox_path),
            "doors_dir": str(self.doors), "limit_bytes": 8 << 30, "min_free_bytes": 0,
        } | more  # fmt: skip
        self.environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run it and wait until it says that it is ready."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._command, json.dumps(self._options)],
                stdout=subprocess.PIPE,
                stderr=log,
                env=self.environment,
            )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n", self.log.read_text()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Whatever happened, no process stays behind."""
        if self._process is not None:
            self.kill()

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """`kill -9`."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        return self._end(signal.SIGTERM)

    def signal(self, number: int) -> None:
        """Send a signal and do not wait."""
        assert self._process is not None
        self._process.send_signal(number)

    def _end(self, number: int) -> int:
        if self._process is None:
            return 0
        process, self._process = self._process, None
        process.send_signal(number)
        status = process.wait(15)
        assert process.stdout is not None
        process.stdout.close()
        return status

    def metric(self, name: str, **labels: str) -> float:
        """The value of one metric now, 0 where it is not there yet."""
        text = urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=10).read().decode()
        wanted = "".join(f'(?=[^}}]*{key}="{value}")' for key, value in labels.items())
        total = 0.0
        for line in re.findall(rf"^lienphong_gateway_{name}(?:_total)?(?:{{{wanted}[^}}]*}})? (\S+)$", text, re.M):
            total += float(line)
        return total

    def fetch_all(self) -> list[InboxBlock]:
        """Everything in the inbox, by the consumers' door."""
        blocks: list[InboxBlock] = []
        with Door(self.doors / "gateway.sock") as door:
            while True:
                after = blocks[-1].seq if blocks else 0
                answer = door.ask(Fetch(consumer="detector", after=after, limit=64, wait=0))
                assert isinstance(answer, Fetched), answer
                if not answer.blocks:
                    return blocks
                blocks += answer.blocks

    def done(self, seq: int) -> None:
        """Both consumers are through."""
        with Door(self.doors / "gateway.sock") as door:
            for consumer in ("detector", "archiver"):
                assert isinstance(door.ask(Done(consumer=consumer, seq=seq)), Accepted)


class Agent:
    """One agent's side of the wire."""

    def __init__(
        self, gateway: GatewayProcess, who: Identity, pem: Path | None, serial: str = "", stream: str = "a"
    ) -> None:
        self.gateway = gateway
        self.serial = serial
        self.who = who
        self.stream = (stream * 26)[:26]
        self.context = ssl.create_default_context(cafile=str(gateway.trust.ca))
        if pem is not None:
            self.context.load_cert_chain(pem)
        self._http: http.client.HTTPSConnection | None = None

    def connect(self, port: int | None = None) -> http.client.HTTPSConnection:
        """A new connection to the agents' door."""
        return http.client.HTTPSConnection(
            "localhost", port or self.gateway.agents_port, timeout=30, context=self.context
        )

    def request(
        self, method: str, path: str, body: bytes | None = None, kind: str = batch.CONTENT_TYPE, **headers: str
    ) -> tuple[int, bytes]:
        """Status and body of an answer, over the agent's kept-alive connection."""
        if self._http is None:
            self._http = self.connect()
        try:
            self._http.request(method, path, body, {"Content-Type": kind, **headers})
            answer = self._http.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def close(self) -> None:
        """Hang up."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def post(self, body: bytes) -> tuple[int, bytes]:
        """Send a batch."""
        return self.request("POST", "/v1/batch", body)

    def deliver(self, *numbers: int, text: str = "echo") -> batch.Receipt:
        """Send a batch with these blocks and read its receipt."""
        status, answer = self.post(self.body(*(self.cut(number, text=text) for number in numbers)))
        assert status == 200, answer
        return codec.decode(answer, batch.Receipt, "receipt")

    def refused(self, body: bytes) -> tuple[int, str]:
        """Send a batch that is refused; status and code."""
        status, answer = self.post(body)
        problem = codec.decode(answer, batch.Problem, "problem")
        assert problem.status == status
        assert problem.title
        return status, problem.code

    def cut(self, number: int, events: int = 2, text: str = "echo", **changes: str) -> tuple[BlockRef, bytes]:
        """A block as the spool cuts it: its reference and packed bytes."""
        made = Block(
            agent=changes.get("agent", self.who.agent),
            stream=changes.get("stream", self.stream),
            lane="security",
            block=number,
            events=[
                Event(
                    time=1_700_000_000_000_000 + i,
                    source=SOURCE,
                    origin="kernel",
                    fields={"CommandLine": f"{text} {number}.{i}", "Image": "/bin/echo"},
                )
                for i in range(events)
            ],
        )
        packed = block.pack(made)
        return block.reference(made, packed), packed

    def body(
        self, *blocks: tuple[BlockRef, bytes], gaps: Sequence[Gap] = (), sent: int | None = None, **changes: str
    ) -> bytes:
        """A batch of them."""
        header = batch.BatchHeader(
            agent=changes.get("agent", self.who.agent),
            stream=changes.get("stream", self.stream),
            sent=time.time_ns() // 1000 if sent is None else sent,
            blocks=[ref for ref, _ in blocks],
            gaps=list(gaps),
        )
        return batch.join(header, [packed for _, packed in blocks])


def announce(packed: bytes, number: int = 1, events: int = 1, lane: Lane = "security") -> tuple[BlockRef, bytes]:
    """A reference for whatever bytes."""
    return block.announce(lane, number, events, packed), packed
