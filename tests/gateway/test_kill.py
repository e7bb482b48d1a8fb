"""`kill -9` of the gateway while agents send: what was acknowledged is there, once."""

from __future__ import annotations

import functools
import http.client
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.gateway.harness import Agent, GatewayProcess, Responder, identity, wait_for
from tests.gateway.trust import Trust
from wire import codec
from wire.batch import Receipt

KILLS = 20
AGENTS = 4
LONGEST_S = 0.3


class Sender(threading.Thread):
    """An agent that sends block after block, each until it is acknowledged, and keeps the ledger."""

    def __init__(self, agent: Agent) -> None:
        super().__init__(daemon=True)
        self.agent = agent
        self.acknowledged: dict[int, str] = {}
        self.enough = threading.Event()
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            number = 0
            while not self.enough.is_set():
                number += 1
                self._deliver(number)
        except Exception as error:  # noqa: BLE001 - told to the test, which raises it
            self.failure = error

    def _deliver(self, number: int) -> None:
        ref, packed = self.agent.cut(number)
        body = self.agent.body((ref, packed))
        deadline = time.monotonic() + 30
        while True:
            try:
                status, answer = self.agent.post(body)
            except (OSError, http.client.HTTPException):
                status, answer = 0, b""
            if status == 200:
                receipt = codec.decode(answer, Receipt, "receipt")
                assert receipt.stored == [("security", number)], receipt
                assert receipt.through["security"] >= number
                self.acknowledged[number] = ref.sha256
                return
            assert status in (0, 503), answer
            assert time.monotonic() < deadline, f"block {number} was not acknowledged"
            time.sleep(0.01)

    def finish(self) -> None:
        """Let the block under way be acknowledged, and end."""
        self.enough.set()
        self.join(60)
        self.agent.close()
        if self.failure is not None:
            raise self.failure


def acknowledged(senders: Sequence[Sender]) -> int:
    """How many blocks were acknowledged so far."""
    return sum(len(sender.acknowledged) for sender in senders)


def more_than(senders: Sequence[Sender], count: int) -> bool:
    return acknowledged(senders) > count


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_acknowledged_is_lost_and_nothing_is_there_twice(tmp_path: Path, trust: Trust, seed: int) -> None:
    (tmp_path / "run").mkdir()
    responder = Responder(tmp_path / "run/responder.sock")
    with GatewayProcess(tmp_path, trust) as gateway:
        senders = []
        for number in range(AGENTS):
            pem, serial = trust.agent(identity(number))
            responder.admit(identity(number), serial)
            senders.append(Sender(Agent(gateway, identity(number), pem)))
        for sender in senders:
            sender.start()
        chance = random.Random(seed)
        try:
            for _ in range(KILLS // 2):
                before = acknowledged(senders)
                wait_for(functools.partial(more_than, senders, before), "ingest")
                time.sleep(chance.uniform(0, LONGEST_S))
                gateway.kill()
                gateway.start()
        finally:
            for sender in senders:
                sender.finish()
        for sender in senders:
            mine = [b for b in gateway.fetch_all() if b.identity == sender.agent.who]
            assert {b.block: b.sha256 for b in mine} == sender.acknowledged
            assert set(Counter(b.block for b in mine).values()) == {1}
        assert gateway.stop() == 0
        responder.close()
