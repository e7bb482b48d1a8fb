"""`GET /v1/commands`: an agent waits here for what it is to do."""

from __future__ import annotations

import asyncio
import random
import time

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from collector.gateway.admission import Caller
from collector.gateway.exceptions import Refused
from wire import codec, version
from wire.signed import Signed

MAX_WAIT_S = 60.0


class Commands:
    """The route. `closing` ends every wait, so that a stop does not take as long as the longest of them."""

    def __init__(self, closing: asyncio.Event) -> None:
        self._closing = closing

    async def get(self, request: Request, caller: Caller) -> Response:
        """Answer after about `wait` seconds, shortened at random, so that agents which began together do not
        come back together.

        Raises:
            Refused: `malformed`; `after` or `wait` is no number of its range.
        """
        wait = _number(request, "wait", MAX_WAIT_S)
        _number(request, "after", 2**53)
        try:
            async with asyncio.timeout(wait * random.uniform(0.7, 1)):  # noqa: S311 - jitter
                await self._closing.wait()
        except TimeoutError:
            pass
        return Response(codec.encode(CommandList(time=time.time_ns() // 1000)), media_type="application/json")


class CommandList(Struct, frozen=True, kw_only=True):
    """Signed commands in the order of their numbers. `time` is the collector's (µs UTC)."""

    v: int = version.VERSION
    time: int
    commands: list[Signed] = []


def _number(request: Request, name: str, most: float) -> float:
    try:
        value = float(request.query_params.get(name, "0"))
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        raise Refused("malformed", f"{name} must be a number from 0 to {most:g}")
    return value
