"""The gateway's own door: the detector and the archiver fetch blocks here and say how far they are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from collector.inbox import Inbox
from collector.messages import Accepted, Answer, Done, Fault, Fetch, Fetched, GatewayRequest, InboxBlock


class Consumers:
    """Answers `Fetch` and `Done`; `appended` wakes whoever waits for news."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._news = asyncio.Event()

    def appended(self) -> None:
        """Something new is durable."""
        self._news.set()
        self._news = asyncio.Event()

    async def answer(self, request: GatewayRequest) -> Answer:
        """One question of a consumer. A cursor ahead of the inbox, as after one was restored from a copy, is an
        error for people: to go on would pass over blocks unseen."""
        cursor = request.after if isinstance(request, Fetch) else request.seq
        head = self._inbox.usage().head
        if cursor > head:
            detail = (
                f"{request.consumer} is at {cursor}, the inbox at {head}: one of the two was restored from a copy"
            )
            return Fault(code="cursor_ahead", detail=detail)
        if isinstance(request, Done):
            await asyncio.to_thread(self._inbox.done, request.consumer, request.seq)
            return Accepted(count=1)
        return await self._fetch(request)

    async def _fetch(self, request: Fetch) -> Fetched:
        deadline = time.monotonic() + request.wait
        while True:
            news = self._news
            blocks, head = await self._read(request.after, request.limit)
            left = deadline - time.monotonic()
            if blocks or left <= 0:
                return Fetched(blocks=list(blocks), head=head)
            try:
                async with asyncio.timeout(left):
                    await news.wait()
            except TimeoutError:
                return Fetched(blocks=[], head=head)

    async def _read(self, after: int, limit: int) -> tuple[Sequence[InboxBlock], int]:
        if after >= self._inbox.usage().head:
            return [], self._inbox.usage().head
        return await asyncio.to_thread(self._inbox.fetch, after, limit)
