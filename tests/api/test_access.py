"""Every address × role × force against the table in docs/api.md, and the rules of grants."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.api import ROUTES
from collector.api.access import FORCES, PERMISSIONS, ROLES, Access, Grant, outermost
from collector.api.problems import TITLES
from collector.fleet.nodes import within
from tests.api.responder_process import ONE_TIME, Browser, Running

DOCUMENT = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
PEOPLE = [(role, force) for role in ROLES for force in FORCES]

BODIES = {
    "POST /api/v1/alerts/actions": {"ids": ["none"], "action": "close"},
    "POST /api/v1/account/password": {"old": "wrong", "new": "short"},
}


def table() -> dict[str, tuple[str, dict[str, bool]]]:
    """The written table: by address, the permission and who has it."""
    rows: dict[str, tuple[str, dict[str, bool]]] = {}
    for line in DOCUMENT.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if re.match(r"`(GET|POST|DELETE) /", cells[0]) and len(cells) == 2 + len(ROLES):
            rows[cells[0].strip("`")] = cells[1], {r: c == "yes" for r, c in zip(ROLES, cells[2:], strict=True)}
    return rows


@pytest.fixture(scope="module")
def people(running: Running) -> Iterator[dict[tuple[str, str], Browser]]:
    with ThreadPoolExecutor(4) as threads:
        browsers = threads.map(lambda who: running.browser(f"{who[0]}.{who[1]}"), PEOPLE)
        signed_in = dict(zip(PEOPLE, browsers, strict=True))
    yield signed_in
    for browser in signed_in.values():
        browser.close()


def ask(browser: Browser, address: str) -> tuple[int, str]:
    """Status and code of an answer; harmless to what is there."""
    method, path = address.split(" ")
    answer = browser.call(method, path.replace("{id}", "none"), BODIES.get(address), stream=True)
    streamed = answer.headers.get("content-type", "").startswith("text/event-stream")
    code = "" if answer.ok or streamed else answer.json()["code"]
    answer.close()
    return answer.status_code, code


def test_the_written_table_is_the_one_of_the_code() -> None:
    declared = {
        f"{route.method} {route.path}": (
            route.permission,
            {
                role: route.permission in {"public", "signed_in"} or route.permission in PERMISSIONS[role]
                for role in ROLES
            },
        )
        for route in ROUTES
    }
    assert table() == declared


@pytest.mark.parametrize("address", [a for a in table() if a not in {"DELETE /api/v1/session"}])
def test_every_role_of_every_force_gets_what_the_table_says(
    people: dict[tuple[str, str], Browser], address: str
) -> None:
    _, expected = table()[address]
    with ThreadPoolExecutor(4) as threads:
        told = dict(zip(PEOPLE, threads.map(lambda who: ask(people[who], address), PEOPLE), strict=True))
    for (role, force), (status, code) in told.items():
        assert (code != "forbidden") == expected[role], (address, role, force, status, code)
        assert code not in {"signed_out", "bad_csrf", "bad_body", "bad_query"} or address == "POST /api/v1/session"


@pytest.mark.parametrize("address", list(table()))
def test_without_a_session_only_public_addresses_answer(stranger: Browser, address: str) -> None:
    status, code = ask(stranger, address)
    assert ((status, code) == (401, "signed_out")) == (table()[address][0] != "public")


def test_a_person_without_any_grant_sees_nothing(running: Running) -> None:
    nobody = running.browser("nobody")
    for address, (permission, _) in table().items():
        if permission not in {"public", "signed_in"}:
            assert ask(nobody, address) == (403, "forbidden"), address


def test_a_one_time_password_opens_no_address_but_those_that_say_so(running: Running) -> None:
    fresh = running.browser("fresh3", ONE_TIME)
    for route in ROUTES:
        if route.permission != "public" and not route.before_password_change:
            assert ask(fresh, f"{route.method} {route.path}") == (403, "must_change_password"), route.path


def test_every_code_of_refusal_is_documented() -> None:
    documented = set(re.findall(r"^\| `([a-z_]+)` \|", DOCUMENT, re.MULTILINE))
    assert documented == set(TITLES)


subtrees = st.lists(st.lists(st.sampled_from("abc"), max_size=3).map("/".join), max_size=6)
node = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join)


@given(subtrees, node)
def test_scopes_cover_exactly_what_was_granted(granted: list[str], where: str) -> None:
    scopes = outermost(granted)
    assert any(within(where, s) for s in scopes) == any(within(where, g) for g in granted)
    assert not any(within(a, b) for a in scopes for b in scopes if a != b)


@given(st.lists(st.builds(Grant, force=st.sampled_from(FORCES), role=st.sampled_from(ROLES), subtree=node)))
def test_a_permission_comes_from_a_role_that_has_it_and_only_where_it_was_given(grants: list[Grant]) -> None:
    access = Access(user="an", grants=tuple(grants))
    for permission in ("alerts.act", "fleet.read", "overview.read"):
        where = {g.subtree for g in grants if permission in PERMISSIONS[g.role]}
        assert set(access.scopes(permission)) <= where  # type: ignore[arg-type]
        assert access.allows(permission) == bool(where)  # type: ignore[arg-type]
    assert access.allows("signed_in")
