"""The process: from start to a clean stop."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import threading
import time

import pytest

from tests.gateway.harness import Agent, GatewayProcess, wait_for


def test_a_stop_answers_what_is_under_way_and_keeps_what_was_stored(own: tuple[GatewayProcess, Agent]) -> None:
    gateway, agent = own
    agent.deliver(1)
    waiting = Agent(gateway, agent.who, None)
    waiting.context = agent.context
    answers: list[int] = []
    thread = threading.Thread(
        target=lambda: answers.append(waiting.request("GET", "/v1/commands?wait=60")[0]), daemon=True
    )
    thread.start()
    wait_for(lambda: gateway.metric("connections") == 2, "both connections")
    time.sleep(0.1)
    started = time.monotonic()
    assert gateway.stop() == 0
    assert time.monotonic() - started < 5
    thread.join(5)
    waiting.close()
    assert answers == [200]
    with pytest.raises((OSError, http.client.HTTPException)):
        agent.deliver(2)
    gateway.start()
    wait_for(lambda: delivered(agent, 2), "the restarted gateway taking a batch")
    assert [b.block for b in gateway.fetch_all()] == [1, 2]


def delivered(agent: Agent, number: int) -> bool:
    """Try once, as an agent does after a lost connection."""
    try:
        return agent.post(agent.body(agent.cut(number)))[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def test_a_stalled_connection_does_not_hold_up_a_stop(own: tuple[GatewayProcess, Agent]) -> None:
    gateway, agent = own
    agent.deliver(1)
    connection = agent.connect()
    connection.putrequest("POST", "/v1/batch")
    connection.putheader("Content-Type", "application/vnd.lienphong.batch")
    connection.putheader("Content-Length", "1000")
    connection.endheaders(b"half of it")
    wait_for(lambda: gateway.metric("connections") == 2, "both connections")
    started = time.monotonic()
    gateway.signal(signal.SIGTERM)
    assert gateway.stop() == 0
    assert time.monotonic() - started < 8
    connection.close()


def test_a_port_that_is_taken_ends_it_with_a_reason(own: tuple[GatewayProcess, Agent]) -> None:
    gateway, _ = own
    options = gateway._options | {"inbox_path": str(gateway.log.with_name("other.sqlite"))}
    done = subprocess.run(
        [*gateway._command, json.dumps(options)],
        capture_output=True,
        text=True,
        timeout=30,
        env=gateway.environment,
    )
    assert done.returncode != 0
    assert "cannot listen" in done.stderr
