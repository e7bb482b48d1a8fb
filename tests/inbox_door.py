"""A gateway's door over a real inbox, for consumers under test: no network, the same questions and answers."""

from __future__ import annotations

import asyncio
import threading
from hashlib import sha256
from pathlib import Path

from collector.door import DoorServer, serve_door
from collector.inbox import Arrival, Delivery
from collector.inbox.sqlite import SqliteInbox
from collector.messages import Accepted, Answer, Done, Fetched, GatewayRequest
from wire import block
from wire.event import Event, Logsource
from wire.identity import Identity

AGENT = "a" * 16
STREAM = "b" * 26


def identity(node: str = "tinh/mot", label: str = "noi-bo") -> Identity:
    return Identity(agent=AGENT, node=node, label=label, role="host")


def arrival(number: int, commands: list[str]) -> Arrival:
    """A block of process starts with these command lines."""
    events = [
        Event(
            time=1_700_000_000_000_000 + number,
            source=Logsource(product="linux", category="process_creation"),
            origin="kernel",
            fields={"Image": "/bin/echo", "CommandLine": command, "User": "root"},
        )
        for command in commands
    ]
    packed = block.pack(block.Block(agent=AGENT, stream=STREAM, lane="security", block=number, events=events))
    return Arrival(
        lane="security", block=number, sha256=sha256(packed).hexdigest(), events=len(events), packed=packed
    )


class InboxDoor:
    """`put` appends; the door answers `Fetch` and `Done` from a thread of its own."""

    def __init__(self, directory: Path) -> None:
        self.inbox = SqliteInbox(directory / "inbox.sqlite", min_free=0)
        self.path = directory / "gateway.sock"
        self.fetches = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._server: DoorServer = asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)

    async def _open(self) -> DoorServer:
        return await serve_door(self.path, GatewayRequest, self._answer)

    async def _answer(self, request: GatewayRequest) -> Answer:
        if isinstance(request, Done):
            self.inbox.done(request.consumer, request.seq)
            return Accepted()
        self.fetches += 1
        deadline = self._loop.time() + request.wait
        while self.inbox.usage().head <= request.after and self._loop.time() < deadline:  # noqa: ASYNC110 - the inbox is a thread's
            await asyncio.sleep(0.01)
        blocks, head = self.inbox.fetch(request.after, request.limit)
        return Fetched(blocks=blocks, head=head)

    def put(self, number: int, commands: list[str], received: int = 1_700_000_000_000_000, **who: str) -> None:
        """Store one block as the gateway would."""
        delivery = Delivery(
            identity=identity(**who), host="may-1", stream=STREAM, received=received, skew=0,
            arrivals=[arrival(number, commands)],
        )  # fmt: skip
        assert self.inbox.append(delivery).result(10).verdicts == ["stored"]

    def close(self) -> None:
        """Take the door away and close the inbox."""
        asyncio.run_coroutine_threadsafe(self._server.close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self.inbox.close()
