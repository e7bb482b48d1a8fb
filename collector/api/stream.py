"""The live stream: grouped deltas to every open console, at most four a second, resumable by version.

All streams that are up to date wait for the same head, so one query and one encoding serve all of them that have
the same scopes.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

import msgspec

from collector import incidents
from collector.incidents.version import current
from collector.state import Database

INTERVAL_S = 0.25
PING_S = 15.0
RECHECK_S = 10.0
MAX_STREAMS = 512
MAX_PER_PERSON = 16

RETRY = b"retry: 2000\n\n"
PING = b": ping\n\n"
SIGNED_OUT = b"event: signed_out\ndata: {}\n\n"

Alive = Callable[[], Awaitable[bool]]
"""Whether a stream's session still has the rights it was opened with."""


class Hub:
    """Knows the version of the latest change, and wakes the streams when it grows, at most four times a second."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._announced = asyncio.Event()
        self._grown = asyncio.Condition()
        self._computing = asyncio.Lock()
        self._frames: dict[tuple[tuple[str, ...], int], bytes] = {}
        self._open: Counter[str] = Counter()
        self._closed = False
        self._ended = 0
        self.head = 0

    def announce(self) -> None:
        """Tell that alerts have changed. Costs nothing, however often it is called."""
        self._announced.set()

    async def run(self) -> None:
        """Move the head; runs until cancelled."""
        while True:
            await self._advance(await self._database.reading(current))
            await asyncio.sleep(INTERVAL_S)
            await self._announced.wait()
            self._announced.clear()

    async def session_ended(self) -> None:
        """Some session has ended: have every stream look whether it is its own."""
        async with self._grown:
            self._ended += 1
            self._grown.notify_all()

    async def close(self) -> None:
        """End every stream."""
        self._closed = True
        async with self._grown:
            self._grown.notify_all()

    async def frames(
        self, person: str, scopes: Sequence[str], known: int | None, alive: Alive
    ) -> AsyncGenerator[bytes, None]:
        """The stream of one client that knows everything up to `known` (`None`: from now on). The first frame
        comes at once and tells the totals; then one whenever something changed, and a ping while nothing does."""
        self._open[person] += 1
        try:
            yield RETRY
            async for frame in self._frames_from(tuple(scopes), known, alive):
                yield frame
        finally:
            self._open[person] -= 1
            if not self._open[person]:
                del self._open[person]

    async def _frames_from(
        self, scopes: tuple[str, ...], known: int | None, alive: Alive
    ) -> AsyncGenerator[bytes, None]:
        head = self.head
        known = head if known is None or known > head else known
        frame = await self._frame(scopes, known)
        checked, ended = time.monotonic(), self._ended
        while not self._closed:
            yield frame
            known = head
            head = await self._newer(known, ended)
            if time.monotonic() - checked > RECHECK_S or ended != self._ended:
                checked, ended = time.monotonic(), self._ended
                if not await alive():
                    yield SIGNED_OUT
                    return
            frame = await self._frame(scopes, known) if head > known else PING

    def has_place(self, person: str) -> bool:
        """Whether this person may open one more stream."""
        return self._open[person] < MAX_PER_PERSON and self._open.total() < MAX_STREAMS

    async def _advance(self, head: int) -> None:
        async with self._grown:
            if head != self.head:
                self.head = head
                self._frames.clear()
                self._grown.notify_all()

    async def _newer(self, known: int, ended: int) -> int:
        """The head once it is newer than `known`, or as it is when a session ended or it is time for a ping."""
        try:
            async with asyncio.timeout(PING_S), self._grown:
                await self._grown.wait_for(lambda: self._closed or self.head > known or self._ended != ended)
        except TimeoutError:
            return self.head
        return self.head

    async def _frame(self, scopes: tuple[str, ...], known: int) -> bytes:
        """One delta, made once for all who know as much and may see as much."""
        async with self._computing:
            key = (scopes, known)
            frame = self._frames.get(key)
            if frame is None:
                delta = await self._database.reading(lambda c: incidents.since(c, scopes, known))
                frame = b"event: alerts\nid: %d\ndata: %b\n\n" % (delta.version, msgspec.json.encode(delta))
                self._frames[key] = frame
            return frame
