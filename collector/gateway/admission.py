"""Who may speak now: a replica of the responder's list, kept current by a long poll, asked on every request."""

from __future__ import annotations

import asyncio
import logging
import random
import time

from msgspec import Struct

from collector.door import AsyncDoor, DoorError
from collector.gateway.certificate import Certificate
from collector.gateway.exceptions import Refused
from collector.gateway.refusals import pause
from collector.messages import Admission, Admissions, WatchAdmissions

POLL_S = 10.0
STALE_S = 60.0
"""Without a word from the responder for this long, nobody is admitted."""

CONFIRM_EVERY_S = 0.5
LONGEST_PAUSE_S = 2.0
TOLD = 7
"""Failures in a row, over some four seconds, after which people are told: a restart is shorter."""

log = logging.getLogger(__name__)


class Caller(Struct, frozen=True):
    """Who speaks: as admitted, with the certificate it used. `began` is when it began (monotonic seconds)."""

    admission: Admission
    certificate: Certificate
    began: float

    @property
    def agent(self) -> str:
        """The agent's id."""
        return self.certificate.identity.agent


class Replica:
    """The list in memory. `follow` keeps it; `admit` answers from it."""

    def __init__(self, responder: AsyncDoor) -> None:
        self._responder = responder
        self._agents: dict[str, Admission] = {}
        self._version = -1
        self._heard = self._applied = float("-inf")
        self._confirming = asyncio.Lock()

    @property
    def size(self) -> int:
        """How many agents are on the list."""
        return len(self._agents)

    @property
    def age_s(self) -> float:
        """Seconds since the responder last confirmed the list; infinite before the first time."""
        return time.monotonic() - self._heard

    async def follow(self) -> None:
        """Ask for the next version, for ever; a responder that is away is asked again after a jittered pause."""
        failures = 0
        while True:
            try:
                await self._ask(POLL_S)
                if failures >= TOLD:
                    log.info("the responder answers again")
                failures = 0
            except DoorError as error:
                failures += 1
                if failures == TOLD:
                    log.warning("the last admission list holds for %d s: %s", STALE_S, error)
                longest = min(0.05 * 2 ** min(failures, 10), LONGEST_PAUSE_S)
                await asyncio.sleep(random.uniform(longest / 2, longest))  # noqa: S311 - jitter

    async def admit(self, certificate: Certificate) -> Admission:
        """The agent's entry, if it may speak with this certificate.

        One that the list does not know yet (just enrolled, just renewed) is asked about before it is refused.

        Raises:
            Refused: why it may not.
        """
        if certificate.not_after < time.time_ns() // 1000:
            raise Refused("expired_certificate")
        if self.age_s > STALE_S:
            raise Refused("not_ready", "", pause())
        held = self._agents.get(certificate.identity.agent)
        if held is None or not _fits(held, certificate):
            await self._confirm()
            held = self._agents.get(certificate.identity.agent)
        return _judge(held, certificate)

    async def _confirm(self) -> None:
        """Have the list confirmed now. However many wait for it, the responder is asked twice a second at most."""
        asked = time.monotonic()
        async with self._confirming:
            if self._heard >= asked:
                return
            await asyncio.sleep(max(0.0, self._heard + CONFIRM_EVERY_S - time.monotonic()))
            try:
                await self._ask(0)
            except DoorError as error:
                raise Refused("not_ready", "", pause()) from error

    async def _ask(self, wait: float) -> None:
        began = time.monotonic()
        version = self._version if wait else -1
        answer = await self._responder.ask(WatchAdmissions(version=version, wait=wait), wait + POLL_S)
        if not isinstance(answer, Admissions):
            raise DoorError(f"the responder answered {type(answer).__name__} instead of the admission list")
        overtaken = answer.version < self._version and began < self._applied
        self._heard = time.monotonic()
        if answer.version != self._version and not overtaken:
            self._agents = {entry.identity.agent: entry for entry in answer.agents}
            self._version, self._applied = answer.version, self._heard
            log.info("admission list %d: %d agents", answer.version, len(self._agents))


def _fits(held: Admission, certificate: Certificate) -> bool:
    return held.identity == certificate.identity and certificate.serial in (held.serial, held.previous)


def _judge(held: Admission | None, certificate: Certificate) -> Admission:
    if held is None:
        raise Refused("unknown_agent")
    if held.status != "active":
        raise Refused(held.status)
    if not _fits(held, certificate):
        raise Refused("superseded_certificate")
    return held
