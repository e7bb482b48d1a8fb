"""Lets the gateway wait for the admission list to change instead of asking again and again."""

from __future__ import annotations

import asyncio

from collector.fleet import agents
from collector.messages import Admissions
from collector.state import Database


class AdmissionWatch:
    """The current admission list in memory, and those who wait for a newer one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._list: Admissions | None = None
        self._changed = asyncio.Condition()

    async def refresh(self) -> Admissions:
        """Read the list again if its version has grown, and wake who waits. Call it after a change."""
        held = self._list
        current = await self._database.reading(agents.version)
        if held is not None and held.version >= current:
            return held
        fresh = await self._database.reading(agents.admissions)
        async with self._changed:
            if self._list is None or fresh.version > self._list.version:
                self._list = fresh
            self._changed.notify_all()
            return self._list

    async def newer(self, version: int, wait_s: float) -> Admissions:
        """The list once it is newer than `version`, or the whole list as it is after `wait_s` seconds: an answer
        always says who is admitted. A version ahead of ours (a restored database) is answered at once."""
        current = self._list or await self.refresh()
        if current.version != version:
            return current
        try:
            async with asyncio.timeout(wait_s), self._changed:
                await self._changed.wait_for(lambda: self._list is not None and self._list.version != version)
        except TimeoutError:
            return await self.refresh()
        return await self.refresh()
