"""What is counted is shown, and what can be answered or counted is documented."""

from __future__ import annotations

import re
import urllib.request
from pathlib import Path

from collector.gateway import refusals
from collector.gateway.exceptions import Refused
from collector.gateway.metrics import Metrics
from collector.gateway.refusals import REFUSALS, response
from collector.inbox import Usage
from collector.messages import Fault
from tests.gateway.harness import Agent, GatewayProcess
from wire import codec
from wire.batch import Problem

DOCS = (Path(__file__).parents[2] / "docs/gateway.md").read_text()


def test_every_refusal_is_documented_with_its_status() -> None:
    for code, refusal in REFUSALS.items():
        assert f"| `{code}` | {refusal.status} |" in DOCS, code
    documented = set(re.findall(r"^\| `(\w+)` \| \d{3} \|", DOCS, re.M))
    assert documented == set(REFUSALS)


def test_every_metric_is_documented(agent: Agent, gateway: GatewayProcess) -> None:
    agent.deliver(1)
    text = urllib.request.urlopen(f"http://127.0.0.1:{gateway.metrics_port}/metrics", timeout=10).read().decode()
    names = set(re.findall(r"^# TYPE lienphong_gateway_(\w+)", text, re.M))
    assert {"answers_total", "append_seconds", "inbox_head", "admission_agents"} <= names
    for name in names:
        assert name.endswith("_created") or f"`{name}`" in DOCS, name


def test_conditions_are_read_when_asked_for() -> None:
    metrics = Metrics()
    usage = Usage(bytes=5, blocks=2, head=9, done={"detector": 4, "archiver": 9})
    metrics.observe(lambda: {"connections": 3}, lambda: usage)
    found = {
        (sample.name, sample.labels.get("consumer")): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
    }
    assert found["lienphong_gateway_connections", None] == 3
    assert found["lienphong_gateway_inbox_bytes", None] == 5
    assert found["lienphong_gateway_consumer_lag_blocks", "detector"] == 5


def test_a_refusal_says_when_to_come_back_and_an_unknown_fault_stays_inside() -> None:
    answer = response(Refused("busy", "", 2.5), close=True)
    assert (answer.status_code, answer.headers["retry-after"], answer.headers["connection"]) == (503, "3", "close")
    assert codec.decode(bytes(answer.body), Problem, "problem").retry_after == 2.5
    refused = refusals.from_fault(Fault(code="stack_trace", detail="of ours"))
    assert (refused.code, "of ours" in str(refused)) == ("unavailable", False)
