"""The gateway's own door: what the detector and the archiver are given, and when."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path

import msgspec

from collector.door import MAX_FRAME_BYTES, Door
from collector.gateway.consumers import Consumers
from collector.inbox import Arrival, Delivery
from collector.inbox.sqlite import SqliteInbox
from collector.messages import Accepted, Done, Fault, Fetch, Fetched
from tests.gateway.harness import Agent, GatewayProcess, identity
from wire.block import MAX_PACKED_BYTES


def test_consumers_are_woken_get_all_in_order_and_what_is_done_is_forgotten(
    own: tuple[GatewayProcess, Agent],
) -> None:
    gateway, agent = own
    with Door(gateway.doors / "gateway.sock") as door:
        answers: list[tuple[object, float]] = []

        def wait() -> None:
            answers.append((door.ask(Fetch(consumer="detector", after=0, wait=20)), time.monotonic()))

        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.2)
        assert not answers
        started = time.monotonic()
        agent.deliver(1, 2, 3)
        thread.join(10)
        fetched, at = answers[0]
        assert isinstance(fetched, Fetched)
        assert [b.seq for b in fetched.blocks] == [1, 2, 3]
        assert fetched.head == 3
        assert at - started < 2

        empty = door.ask(Fetch(consumer="detector", after=3, wait=0.1))
        assert empty == Fetched(blocks=[], head=3)
        for consumer in ("detector", "archiver"):
            assert isinstance(door.ask(Done(consumer=consumer, seq=3)), Accepted)
        deadline = time.monotonic() + 10
        while gateway.metric("inbox_blocks"):
            assert time.monotonic() < deadline
        assert door.ask(Fetch(consumer="archiver", after=0, wait=0)) == Fetched(blocks=[], head=3)
        assert gateway.metric("consumer_lag_blocks") == 0


def test_a_cursor_ahead_of_the_inbox_is_an_error_for_people(own: tuple[GatewayProcess, Agent]) -> None:
    gateway, agent = own
    agent.deliver(1)
    with Door(gateway.doors / "gateway.sock") as door:
        for question in (Fetch(consumer="detector", after=7, wait=0), Done(consumer="archiver", seq=2)):
            answer = door.ask(question)
            assert isinstance(answer, Fault)
            assert (answer.code, answer.retry) == ("cursor_ahead", False)
            assert "restored from a copy" in answer.detail
    assert [b.block for b in gateway.fetch_all()] == [1]


def test_an_answer_is_always_within_a_frame(tmp_path: Path) -> None:
    inbox = SqliteInbox(tmp_path / "inbox.sqlite", min_free=0)
    packed = os.urandom(MAX_PACKED_BYTES)
    arrivals = [
        Arrival(lane="routine", block=n, sha256=f"{n:064x}", events=1, packed=packed) for n in range(1, 41)
    ]
    delivery = Delivery(identity=identity(1), host="may-1", stream="s", received=1, skew=0, arrivals=arrivals)
    inbox.append(delivery).result(60)
    answer = asyncio.run(Consumers(inbox).answer(Fetch(consumer="detector", after=0, limit=512, wait=0)))
    assert isinstance(answer, Fetched)
    assert [b.seq for b in answer.blocks] == list(range(1, len(answer.blocks) + 1))
    assert 8 < len(answer.blocks) < 40
    assert len(msgspec.msgpack.encode(answer)) < MAX_FRAME_BYTES
    inbox.close()
