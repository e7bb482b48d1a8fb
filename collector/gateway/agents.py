"""The application behind the agents' door: no route is reached by anyone who is not admitted at that moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collector.door import AsyncDoor
from collector.gateway import certification, commands
from collector.gateway.admission import Caller, Replica
from collector.gateway.answers import Answering
from collector.gateway.batch import Batches
from collector.gateway.exceptions import Refused
from collector.gateway.limits import Buckets, Turns

Handler = Callable[[Request, Caller], Awaitable[Response]]


class Guard:
    """Stands before every route: certificate, admission, and what one agent may ask at a time."""

    def __init__(self, replica: Replica, turns: Turns, rate: Buckets) -> None:
        self._replica, self._turns, self._rate = replica, turns, rate

    def __call__(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """The handler, for admitted agents only."""

        async def guarded(request: Request) -> Response:
            began = time.monotonic()
            certificate = request.scope.get("state", {}).get("certificate")
            if certificate is None:
                raise Refused("no_certificate")
            caller = Caller(await self._replica.admit(certificate), certificate, began)
            self._rate.take(caller.agent)
            with self._turns.request(caller.agent):
                return await handler(request, caller)

        return guarded


def application(
    guard: Guard, batches: Batches, responder: AsyncDoor, answering: Answering, closing: asyncio.Event
) -> Starlette:
    """The routes of the agents' door."""
    renewal = certification.Renewal(responder)
    waiting = commands.Commands(closing)
    routes = [
        Route("/v1/batch", answering("batch", guard(batches.post)), methods=["POST"]),
        Route("/v1/renew", answering("renew", guard(renewal.post)), methods=["POST"]),
        Route("/v1/commands", answering("commands", guard(waiting.get)), methods=["GET"]),
    ]
    return Starlette(routes=routes, exception_handlers=answering.otherwise())
