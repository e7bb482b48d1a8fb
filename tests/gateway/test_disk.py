"""A full disk and a full inbox: agents are told to keep what they have, and nothing else breaks."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.harness import Agent, GatewayProcess, Responder, identity, wait_for
from tests.gateway.trust import Trust

pytestmark = pytest.mark.root


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    mount = tmp_path / "small"
    mount.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(mount)], check=True)
    yield mount
    subprocess.run(["umount", str(mount)], check=True)


def test_a_full_disk_refuses_for_now_and_recovers_by_itself(tmp_path: Path, small: Path, trust: Trust) -> None:
    (tmp_path / "run").mkdir()
    responder = Responder(tmp_path / "run/responder.sock")
    with GatewayProcess(tmp_path, trust, inbox=small / "inbox.sqlite") as gateway:
        pem, serial = trust.agent(identity(1))
        responder.admit(identity(1), serial)
        agent = Agent(gateway, identity(1), pem)
        stored: list[int] = []
        code = ""
        for number in range(1, 300):
            body = agent.body(agent.cut(number, events=1, text=os.urandom(20_000).hex()))
            status, _ = agent.post(body)
            if status == 200:
                stored.append(number)
            else:
                code = agent.refused(body)[1]
                break
        assert (code, bool(stored)) == ("inbox_full", True)
        assert agent.request("GET", "/v1/commands?wait=0")[0] == 200
        assert gateway.metric("refusals", code="inbox_full") >= 1
        assert [b.block for b in gateway.fetch_all()] == stored
        subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
        assert agent.post(body)[0] == 200
        gateway.done(len(stored) + 1)
        wait_for(lambda: gateway.metric("inbox_blocks") == 0, "the inbox being pruned")
        agent.close()
        assert gateway.stop() == 0
        responder.close()
