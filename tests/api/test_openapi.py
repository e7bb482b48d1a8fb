"""The OpenAPI document describes what is served, and answers keep to it."""

from __future__ import annotations

from typing import Any

import msgspec

from collector.api import ROUTES
from collector.api.openapi import codes, document
from collector.api.problems import TITLES
from tests.api.responder_process import Browser, Running
from tests.incidents.making import batch, made


def references(node: Any) -> set[str]:
    """Every `$ref` in a document."""
    if isinstance(node, dict):
        found = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return found.union(*(references(value) for value in node.values()))
    return set().union(*(references(value) for value in node)) if isinstance(node, list) else set()


def test_every_route_is_described_and_every_reference_resolves(analyst: Browser) -> None:
    told = analyst.get("/api/v1/openapi.json").json()
    assert told["openapi"] == "3.1.0"
    described = {(method.upper(), path) for path, methods in told["paths"].items() for method in methods}
    assert described == {(route.method, route.path) for route in ROUTES}
    for reference in references(told):
        assert reference.removeprefix("#/components/schemas/") in told["components"]["schemas"], reference
    operations = [o["operationId"] for methods in told["paths"].values() for o in methods.values()]
    assert len(operations) == len(set(operations))


def test_changes_need_the_token_and_public_addresses_nothing() -> None:
    told = document(ROUTES)["paths"]
    assert told["/api/v1/alerts/actions"]["post"]["security"] == [{"session": [], "csrf": []}]
    assert told["/api/v1/alerts"]["get"]["security"] == [{"session": []}]
    assert "security" not in told["/healthz"]["get"]
    names = {parameter["name"] for parameter in told["/api/v1/alerts"]["get"]["parameters"]}
    assert names == {"status", "level", "q", "host", "rule", "limit", "cursor"}


def test_every_code_of_a_route_has_a_title() -> None:
    for route in ROUTES:
        assert set(codes(route)) <= set(TITLES), route.path


def test_answers_have_the_declared_form(running: Running, analyst: Browser) -> None:
    running.hand_over(batch(made(1, agent=9_999)))
    [alert] = analyst.get("/api/v1/alerts?host=host-9999").json()["items"]
    for route in ROUTES:
        if route.method == "GET" and route.media == "application/json":
            answer = analyst.get(route.path.replace("{id}", alert["id"]))
            assert answer.status_code == 200, route.path
            msgspec.json.decode(answer.content, type=route.answer)
