"""What every route shares: a refusal becomes its answer, every answer is counted, and a log is not flooded."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from collector.gateway.exceptions import Refused
from collector.gateway.metrics import Metrics
from collector.gateway.refusals import response

LOG_EVERY_S = 60.0
LOGGED = 4_096

DISCARDED_BYTES = 16 << 20
"""A body that was refused unread is read and thrown away up to this size, so that the client, which may send all
before it listens, hears the answer; the connection of a larger one is closed."""

Endpoint = Callable[[Request], Awaitable[Response]]

log = logging.getLogger(__name__)


class Answering:
    """Wraps endpoints."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._logged: OrderedDict[tuple[str, str], float] = OrderedDict()

    def __call__(self, route: str, endpoint: Endpoint) -> Endpoint:
        """The endpoint, with its refusals answered and counted under `route`."""

        async def answered(request: Request) -> Response:
            try:
                answer = await endpoint(request)
            except Refused as refused:
                answer = self._refuse(request, refused)
            except ClientDisconnect:
                self._metrics.cut.labels("client").inc()
                return Response(status_code=400)
            self._metrics.answers.labels(route, str(answer.status_code)).inc()
            return answer

        return answered

    def otherwise(self) -> Mapping[Any, Callable[[Request, Exception], Awaitable[Response]]]:
        """What Starlette needs for unknown routes and for our own failures, which it also logs and raises."""

        async def unknown(request: Request, _: Exception) -> Response:
            return self._refuse(request, Refused("not_found"))

        async def failed(request: Request, _: Exception) -> Response:
            return self._refuse(request, Refused("internal"))

        return {404: unknown, 405: unknown, Exception: failed}

    def _refuse(self, request: Request, refused: Refused) -> Response:
        self._metrics.refusals.labels(refused.code).inc()
        self._tell(request, refused)
        stated = request.headers.get("content-length", "0")
        endless = "transfer-encoding" in request.headers or int(stated) > DISCARDED_BYTES
        return response(refused, close=endless or refused.code == "timeout")

    def _tell(self, request: Request, refused: Refused) -> None:
        """One line a minute for each caller and code."""
        certificate = request.scope.get("state", {}).get("certificate")
        peer = request.client.host if request.client else ""
        caller = f"agent {certificate.identity.agent} at {peer}" if certificate else peer
        now = time.monotonic()
        if now - self._logged.get((caller, refused.code), float("-inf")) < LOG_EVERY_S:
            return
        self._logged[caller, refused.code] = now
        if len(self._logged) > LOGGED:
            self._logged.popitem(last=False)
        log.warning("%s refused at %r: %s %r", caller, request.scope["path"], refused.code, refused.detail)
