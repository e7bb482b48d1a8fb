"""The hub alone: pings, one query for all who wait, no delta faster than four a second."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from collector.api import stream
from collector.api.stream import Hub
from collector.state import Database
from tests.incidents.making import HOUR, made, taken


async def yes() -> bool:
    return True


def on_hub(database: Database, work: Callable[[Hub], Coroutine[Any, Any, Any]]) -> Any:
    """Run the work beside a hub's pump."""

    async def run() -> Any:
        hub = Hub(database)
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            pump = group.create_task(hub.run())
            try:
                return await work(hub)
            finally:
                await hub.close()
                pump.cancel()

    return asyncio.run(run())


def test_a_quiet_stream_pings(sqlite: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "PING_S", 0.01)

    async def work(hub: Hub) -> list[bytes]:
        frames = hub.frames("an", ("",), None, yes)
        return [await anext(frames) for _ in range(4)]

    told = on_hub(sqlite, work)
    assert told[0] == stream.RETRY
    assert told[1].startswith(b"event: alerts\n")
    assert told[2:] == [stream.PING] * 2


def test_streams_of_the_same_scopes_share_one_query(sqlite: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(hub: Hub) -> int:
        streams = [hub.frames("an", ("",), None, yes) for _ in range(5)]
        for frames in streams:
            await anext(frames)
            await anext(frames)
        asked = 0
        reading = sqlite.reading

        async def counted(query: Any) -> Any:
            nonlocal asked
            asked += 1
            return await reading(query)

        monkeypatch.setattr(sqlite, "reading", counted)
        await asyncio.to_thread(taken, sqlite, made(1))
        hub.announce()
        told = await asyncio.gather(*(anext(frames) for frames in streams))
        assert len(set(told)) == 1
        return asked

    assert on_hub(sqlite, work) == 2


def test_changes_in_a_burst_are_told_together(sqlite: Database) -> None:
    async def work(hub: Hub) -> list[int]:
        frames = hub.frames("an", ("",), None, yes)
        await anext(frames)
        await anext(frames)
        sizes = []
        loop = asyncio.get_running_loop()
        started = loop.time()
        for n in range(40):
            await asyncio.to_thread(taken, sqlite, made(n, at=n * HOUR))
            hub.announce()
        while sum(sizes) < 40:
            frame = await anext(frames)
            sizes.append(len(json.loads(frame.partition(b"data: ")[2])["changed"]))
        assert len(sizes) <= (loop.time() - started) / stream.INTERVAL_S + 2
        return sizes

    assert sum(on_hub(sqlite, work)) == 40


def test_a_stream_whose_session_ended_is_told_at_once(sqlite: Database) -> None:
    alive = True

    async def still() -> bool:
        return alive

    async def work(hub: Hub) -> list[bytes]:
        nonlocal alive
        frames = hub.frames("an", ("",), None, still)
        await anext(frames)
        await anext(frames)
        await hub.session_ended()
        assert await anext(frames) == stream.PING
        alive = False
        await hub.session_ended()
        return [frame async for frame in frames]

    assert on_hub(sqlite, work) == [stream.SIGNED_OUT]


def test_closing_ends_every_stream_and_frees_its_place(sqlite: Database) -> None:
    async def work(hub: Hub) -> bool:
        streams = [hub.frames("an", ("",), None, yes) for _ in range(stream.MAX_PER_PERSON)]
        for frames in streams:
            await anext(frames)
        assert not hub.has_place("an")
        assert hub.has_place("binh")
        await hub.close()
        for frames in streams:
            assert [frame async for frame in frames] == []
        return hub.has_place("an")

    assert on_hub(sqlite, work)
