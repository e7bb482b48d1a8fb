"""What the responder is told, also when it was away."""

from __future__ import annotations

import asyncio
from pathlib import Path

from collector.door import AsyncDoor
from collector.gateway.reports import Reports
from collector.messages import AgentSeen
from tests.gateway.harness import Responder


def seen(events: int) -> AgentSeen:
    return AgentSeen(agent="a" * 16, time=1, skew=0, stream="s", events=events, gaps=0, lost_events=0)


def test_what_could_not_be_told_is_told_later_once_and_newest(tmp_path: Path) -> None:
    responder = Responder(tmp_path / "responder.sock")
    responder.shut()

    async def work() -> None:
        door = AsyncDoor(tmp_path / "responder.sock")
        reports = Reports(door)
        async with asyncio.TaskGroup() as group:
            delivering = group.create_task(reports.deliver_quarantines())
            for _ in range(50):
                reports.quarantine("a" * 16, "cloned_stream", "again")
            reports.quarantine("b" * 16, "content_conflict", "block 1")
            reports.seen(seen(1))
            await reports.flush()
            reports.seen(seen(2))
            await reports.flush()
            await asyncio.sleep(0.3)
            await asyncio.to_thread(responder.open)
            async with asyncio.timeout(15):
                while len(responder.quarantined) < 2:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            await reports.flush()
            delivering.cancel()
        await door.close()

    asyncio.run(work())
    assert sorted((q.agent, q.code) for q in responder.quarantined) == [
        ("a" * 16, "cloned_stream"),
        ("b" * 16, "content_conflict"),
    ]
    assert responder.seen["a" * 16] == seen(2)
    responder.close()
