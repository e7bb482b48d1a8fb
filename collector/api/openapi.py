"""The OpenAPI 3.1 document, made from the routes' declarations: it cannot differ from what is served."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from importlib.metadata import version
from typing import Any

import msgspec

from collector.api import sessions
from collector.api.problems import CONTENT_TYPE, Problem
from collector.api.routes import Route

REFERENCE = "#/components/schemas/{name}"
CHANGES = {"POST", "DELETE"}


@cache
def document(routes: tuple[Route, ...]) -> dict[str, Any]:
    """The document for these routes."""
    types = list(dict.fromkeys(_types(routes)))
    schemas, components = msgspec.json.schema_components(types, ref_template=REFERENCE)
    by_type = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, by_type, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Lien Phong", "version": version("lien-phong"), "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": sessions.COOKIE},
                "csrf": {"type": "apiKey", "in": "header", "name": "X-CSRF-Token"},
            },
        },
    }


def _types(routes: Iterable[Route]) -> Iterable[Any]:
    yield Problem
    for route in routes:
        yield from (kind for kind in (route.query, route.body, route.answer) if kind is not None)


def _operation(route: Route, by_type: dict[Any, Any], components: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "summary": route.summary,
        "description": f"Permission: `{route.permission}`. Codes of refusal: {', '.join(codes(route))}.",
        "parameters": _parameters(route, components),
        "responses": _responses(route, by_type),
        "x-permission": route.permission,
    }
    if route.body is not None:
        content = {"application/json": {"schema": by_type[route.body]}}
        operation["requestBody"] = {"required": True, "content": content}
    if route.permission != "public":
        names = ["session", "csrf"] if route.method in CHANGES else ["session"]
        operation["security"] = [{name: [] for name in names}]
    return operation


def codes(route: Route) -> list[str]:
    """Every code of refusal that the route can answer with."""
    found = {"bad_host", "unavailable", *route.problems}
    if route.permission != "public":
        found |= {"signed_out"}
        if not route.before_password_change:
            found |= {"must_change_password"}
        if route.permission != "signed_in":
            found |= {"forbidden"}
    if route.query is not None:
        found |= {"bad_query"}
    if route.method in CHANGES:
        found |= {"bad_origin"} if route.permission == "public" else {"bad_origin", "bad_csrf"}
    if route.body is not None:
        found |= {"bad_body", "too_large", "slow_body", "unsupported_media_type"}
    return sorted(found)


def _parameters(route: Route, components: dict[str, Any]) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
    ]
    if route.query is not None:
        properties = components[route.query.__name__]["properties"]
        found += [{"name": name, "in": "query", "schema": schema} for name, schema in properties.items()]
    return found


def _responses(route: Route, by_type: dict[Any, Any]) -> dict[str, Any]:
    done: dict[str, Any] = {"description": route.status.phrase}
    if route.answer is not None:
        done["content"] = {route.media: {"schema": by_type[route.answer]}}
    refused = {"description": "Refused", "content": {CONTENT_TYPE: {"schema": by_type[Problem]}}}
    return {str(int(route.status)): done, "default": refused}


def permissions(routes: Sequence[Route]) -> dict[str, str]:
    """Which permission each method and address needs."""
    return {f"{route.method} {route.path}": route.permission for route in routes}
