"""What the gateway tells the responder: quarantines until taken, and every two seconds who was heard of."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import Literal

from collector.door import AsyncDoor, DoorError
from collector.messages import Accepted, AgentSeen, Fault, Quarantine, Seen

SEEN_EVERY_S = 2.0
SEEN_AT_ONCE = 2_000
LONGEST_PAUSE_S = 5.0
ASK_S = 10.0

Code = Literal["content_conflict", "cloned_stream", "foreign_block"]

log = logging.getLogger(__name__)


class Reports:
    """Outboxes in memory, each with one entry an agent. What is lost with the process comes again: a misbehaving
    agent is caught again by its next request, and totals are told whole with the next word of an agent."""

    def __init__(self, responder: AsyncDoor) -> None:
        self._responder = responder
        self._quarantines: dict[tuple[str, Code], Quarantine] = {}
        self._seen: dict[str, AgentSeen] = {}
        self._urgent = asyncio.Event()

    def quarantine(self, agent: str, code: Code, detail: str) -> None:
        """An agent did what no honest one can do."""
        log.warning("agent %s: %s: %s", agent, code, detail)
        told = Quarantine(agent=agent, code=code, detail=detail, time=time.time_ns() // 1000)
        self._quarantines.setdefault((agent, code), told)
        self._urgent.set()

    def seen(self, report: AgentSeen) -> None:
        """An agent spoke; the newest report counts."""
        self._seen[report.agent] = report

    async def deliver_quarantines(self) -> None:
        """For ever: tell each until the responder has taken it."""
        wait = 0.05
        while True:
            await self._urgent.wait()
            self._urgent.clear()
            for key, told in list(self._quarantines.items()):
                if await self._tell(told):
                    del self._quarantines[key]
            if self._quarantines:
                await asyncio.sleep(random.uniform(wait / 2, wait))  # noqa: S311 - jitter
                wait = min(2 * wait, LONGEST_PAUSE_S)
                self._urgent.set()
            else:
                wait = 0.05

    async def deliver_seen(self) -> None:
        """For ever: every two seconds, those heard of since."""
        while True:
            await asyncio.sleep(SEEN_EVERY_S)
            await self.flush()

    async def flush(self) -> None:
        """Tell of those heard of since the last time; what cannot be told is kept, unless newer has come."""
        reports = list(self._seen.values())
        self._seen.clear()
        for start in range(0, len(reports), SEEN_AT_ONCE):
            part = reports[start : start + SEEN_AT_ONCE]
            if not await self._tell(Seen(agents=part)):
                for report in part:
                    self._seen.setdefault(report.agent, report)

    async def _tell(self, message: Quarantine | Seen) -> bool:
        """Whether it need not be told again."""
        try:
            answer = await self._responder.ask(message, ASK_S)
        except DoorError as error:
            log.debug("%s not told yet: %s", type(message).__name__, error)
            return False
        if isinstance(answer, Fault):
            log.error("the responder refuses %s: %s", type(message).__name__, answer.detail)
            return not answer.retry
        return isinstance(answer, Accepted)
