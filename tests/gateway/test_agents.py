"""The guard before every route, without the server that fills in the certificate: it fails closed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from collector.door import AsyncDoor
from collector.gateway import agents, batch
from collector.gateway.admission import Caller, Replica
from collector.gateway.answers import Answering
from collector.gateway.batch import Batches
from collector.gateway.certificate import Certificate
from collector.gateway.consumers import Consumers
from collector.gateway.exceptions import Refused
from collector.gateway.limits import Buckets, Room, Turns
from collector.gateway.metrics import Metrics
from collector.gateway.reports import Reports
from collector.inbox import Delivery
from collector.inbox.sqlite import SqliteInbox
from collector.messages import Admission
from tests.gateway.harness import identity


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[SqliteInbox]:
    """An inbox in this process."""
    made = SqliteInbox(tmp_path / "inbox.sqlite", min_free=0)
    yield made
    made.close()


def batches(inbox: SqliteInbox, door: AsyncDoor) -> Batches:
    room, rate = Room(1 << 20, 1 << 20), Buckets(1e9, 1e9)
    return Batches(
        Replica(door), inbox, Consumers(inbox), Reports(door), room, rate, ThreadPoolExecutor(1), Metrics()
    )


@pytest.mark.parametrize("state", [None, {}, {"certificate": None}])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/v1/batch"), ("POST", "/v1/renew"), ("GET", "/v1/commands")]
)
def test_no_certificate_in_the_scope_is_no_admission(
    inbox: SqliteInbox, tmp_path: Path, state: dict[str, Any] | None, method: str, path: str
) -> None:
    async def work() -> int:
        door = AsyncDoor(tmp_path / "responder.sock")
        guard = agents.Guard(Replica(door), Turns(8), Buckets(1e9, 1e9))
        app = agents.application(guard, batches(inbox, door), door, Answering(Metrics()), asyncio.Event())
        scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": [],
            "query_string": b"",
            "client": None,
        }
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await app(scope | ({} if state is None else {"state": state}), receive, send)
        assert b"no_certificate" in sent[1]["body"]
        return int(sent[0]["status"])

    assert asyncio.run(work()) == 403


def test_giving_up_on_an_append_leaves_the_inbox_whole(
    inbox: SqliteInbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "APPEND_S", 0.05)
    started, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        started.set()
        go_on.wait(10)

    delivery = Delivery(identity=identity(1), host="may-1", stream="s", received=1, skew=0, arrivals=[])

    async def work() -> None:
        route = batches(inbox, AsyncDoor(tmp_path / "responder.sock"))
        inbox._jobs.put(hold)
        await asyncio.to_thread(started.wait)
        with pytest.raises(Refused, match="unavailable"):
            await route._append(delivery)
        go_on.set()

    asyncio.run(work())
    assert inbox.append(delivery).result(10).verdicts == []


def test_a_caller_is_known_by_its_certificate() -> None:
    admission = Admission(identity=identity(1), host="may-1", serial="1", status="active")
    assert Caller(admission, Certificate(identity(1), "1", 0), 0.0).agent == identity(1).agent
