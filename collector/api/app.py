"""The people's door as one ASGI application: the API's routes, the console's files, and the guard around both."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute
from starlette.types import ASGIApp

from collector.api import alerts, openapi, overview, signin
from collector.api.console import Console
from collector.api.guard import Guard
from collector.api.problems import problem
from collector.api.routes import Call, Route
from collector.api.services import Services

log = logging.getLogger(__name__)


async def describe(_call: Call) -> object:
    """The OpenAPI document of everything here."""
    return openapi.document(ROUTES)


ROUTES: tuple[Route, ...] = (
    *signin.ROUTES,
    *alerts.ROUTES,
    *overview.ROUTES,
    Route("GET", "/api/v1/openapi.json", "signed_in", describe, "The OpenAPI document", answer=dict[str, Any]),
)
"""Everything that the API answers; docs/api.md says who may what."""


def create_app(services: Services, hostnames: Iterable[str], console: Path) -> ASGIApp:
    """The application for the web listener. `console` is the directory of the console's built files."""
    files = Console(console)

    async def elsewhere(request: Request) -> Response:
        if request.url.path.startswith("/api/"):
            return problem(HTTPStatus.NOT_FOUND, "not_found", "there is nothing at this address")
        return await files.serve(request)

    starlette = Starlette(
        routes=[
            *(StarletteRoute(r.path, _endpoint(services, r), methods=[r.method]) for r in ROUTES),
            StarletteRoute("/{path:path}", elsewhere, methods=["GET"]),
        ],
        exception_handlers={HTTPException: _http_problem, Exception: _internal},
    )
    return Guard(starlette, hostnames)


def _endpoint(services: Services, route: Route) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await route.serve(services, request)

    return endpoint


async def _http_problem(request: Request, error: Exception) -> Response:
    """Starlette's own refusals: no such address, or not with this method."""
    headers = error.headers if isinstance(error, HTTPException) else None
    if isinstance(error, HTTPException) and error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return problem(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", request.method, headers)
    return problem(HTTPStatus.NOT_FOUND, "not_found", "there is nothing at this address", headers)


async def _internal(request: Request, error: Exception) -> Response:
    """An error of ours: told without its details, which are in the log."""
    log.error("%s %s failed: %s", request.method, request.url.path, type(error).__name__)
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "the error is in the responder's log")
