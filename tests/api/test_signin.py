"""Signing in: cookies, CSRF, the one-time password, locked accounts, sessions that end."""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.api.responder_process import ONE_TIME, PASSWORD, Browser, Running

NEW = "một câu dài khó đoán 2026"


def codes(browser: Browser, user: str, password: str, times: int) -> list[str]:
    return [browser.sign_in(user, password).json().get("code", "in") for _ in range(times)]


def test_signing_in_gives_a_cookie_that_no_script_and_no_other_site_gets(stranger: Browser) -> None:
    answer = stranger.sign_in("Analyst.Police")
    assert answer.status_code == 200
    assert {
        "user": "analyst.police",
        "must_change_password": False,
        "language": "vi",
    }.items() <= answer.json().items()
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-lienphong=")
    for word in ("Secure", "HttpOnly", "SameSite=strict", "Path=/"):
        assert word in cookie
    assert "Domain" not in cookie
    assert stranger.get("/api/v1/session").json() == answer.json()


@pytest.mark.parametrize("user", ["analyst.ict", "no-such-person", "gone"])
def test_wrong_passwords_are_told_alike(stranger: Browser, user: str) -> None:
    answer = stranger.sign_in(user, "wrong" if user != "gone" else PASSWORD)
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_credentials")
    assert "set-cookie" not in answer.headers
    assert stranger.get("/api/v1/session").json()["code"] == "signed_out"


def test_an_account_that_does_not_exist_takes_as_long(running: Running) -> None:
    def took(user: str) -> float:
        browser = running.browser()
        started = time.perf_counter()
        browser.sign_in(user, "wrong")
        browser.close()
        return time.perf_counter() - started

    known = statistics.median(took(f"approver.{force}") for force in ("police", "military", "cipher"))
    unknown = statistics.median(took(f"nobody-{number}") for number in range(3))
    assert 0.4 < known / unknown < 2.5


def test_signing_out_ends_the_session_on_the_server(running: Running) -> None:
    browser = running.browser("analyst.cipher")
    cookies = browser.session.cookies.copy()
    assert browser.call("DELETE", "/api/v1/session").status_code == 204
    browser.session.cookies = cookies
    assert browser.get("/api/v1/session").status_code == 401


def test_a_change_without_the_csrf_token_is_refused(analyst: Browser) -> None:
    for token in ("", "0" * 64):
        analyst.csrf = token
        answer = analyst.call("DELETE", "/api/v1/session")
        assert (answer.status_code, answer.json()["code"]) == (403, "bad_csrf")
    assert analyst.get("/api/v1/session").status_code == 200


def test_a_one_time_password_opens_nothing_but_its_change(running: Running) -> None:
    browser, elsewhere = running.browser("fresh0", ONE_TIME), running.browser("fresh0", ONE_TIME)
    assert browser.get("/api/v1/session").json()["must_change_password"] is True
    for path in ("/api/v1/alerts", "/api/v1/summary", "/api/v1/account/sessions", "/api/v1/stream"):
        assert browser.get(path).json()["code"] == "must_change_password"
    changed = browser.post("/api/v1/account/password", {"old": ONE_TIME, "new": NEW})
    assert changed.status_code == 204
    assert browser.get("/api/v1/alerts").status_code == 200
    assert browser.get("/api/v1/session").json()["must_change_password"] is False
    assert elsewhere.get("/api/v1/session").status_code == 401
    assert running.browser().sign_in("fresh0", ONE_TIME).status_code == 401
    assert running.browser().sign_in("fresh0", NEW).status_code == 200


@pytest.mark.parametrize(
    ("new", "why"),
    [
        ("short", "characters"),
        ("x" * 200, "characters"),
        ("aaaaaaaaaaaaaaaa", "different"),
        ("my name is fresh1 ok", "user name"),
        (ONE_TIME, "old one"),
    ],
)
def test_a_weak_password_is_refused_with_the_reason(running: Running, new: str, why: str) -> None:
    browser = running.browser("fresh1", ONE_TIME)
    answer = browser.post("/api/v1/account/password", {"old": ONE_TIME, "new": new})
    assert (answer.status_code, answer.json()["code"]) == (422, "weak_password")
    assert why in answer.json()["detail"]


def test_the_old_password_must_be_right(running: Running) -> None:
    browser = running.browser("fresh2", ONE_TIME)
    answer = browser.post("/api/v1/account/password", {"old": "something else", "new": NEW})
    assert (answer.status_code, answer.json()["code"]) == (403, "bad_credentials")


def test_guessing_at_one_account_locks_the_guesser_out_and_not_its_owner(running: Running) -> None:
    guesser = running.browser()
    assert codes(guesser, "person0", "guess", 8) == ["bad_credentials"] * 5 + ["locked"] * 3
    answer = guesser.sign_in("person0")
    assert (answer.status_code, answer.json()["code"]) == (429, "locked")
    assert 0 < int(answer.headers["retry-after"]) <= 30
    assert running.browser().sign_in("person0").status_code == 200


def test_an_account_that_does_not_exist_is_locked_alike(running: Running) -> None:
    assert codes(running.browser(), "no-person", "guess", 7) == ["bad_credentials"] * 5 + ["locked"] * 2


def test_guessing_at_many_accounts_locks_the_address(running: Running) -> None:
    browser = running.browser()
    with ThreadPoolExecutor(8) as threads:
        told = list(threads.map(lambda n: codes(browser, f"guess-{n}", "x", 1)[0], range(40)))
    assert told.count("bad_credentials") <= 20
    assert told.count("locked") >= 20
    assert browser.sign_in("analyst.ict").json()["code"] == "locked"
    assert running.browser().sign_in("analyst.ict").status_code == 200


def test_many_guesses_at_once_get_no_further_than_one_after_another(running: Running) -> None:
    browser = running.browser()
    with ThreadPoolExecutor(16) as threads:
        told = list(threads.map(lambda _: codes(browser, "person1", "guess", 1)[0], range(16)))
    assert told.count("bad_credentials") == 5


def test_a_right_password_forgets_the_wrong_ones(running: Running) -> None:
    browser = running.browser()
    for _ in range(3):
        assert codes(browser, "person2", "guess", 4) == ["bad_credentials"] * 4
        assert browser.sign_in("person2").status_code == 200


def test_a_person_lists_and_ends_own_sessions_and_no_others(running: Running) -> None:
    here, there, other = running.browser("person3"), running.browser("person3"), running.browser("person4")
    listed = here.get("/api/v1/account/sessions").json()
    assert listed["total"] == len(listed["items"]) == 2
    [mine] = [s for s in listed["items"] if s["current"]]
    [elsewhere] = [s for s in listed["items"] if not s["current"]]
    assert (mine["peer"], elsewhere["peer"]) == (here.address, there.address)
    path = f"/api/v1/account/sessions/{elsewhere['id']}"
    assert other.call("DELETE", path).status_code == 404
    assert there.get("/api/v1/session").status_code == 200
    assert here.call("DELETE", path).status_code == 204
    assert there.get("/api/v1/session").status_code == 401


def test_the_oldest_session_makes_way(running: Running) -> None:
    browsers = [running.browser("person5") for _ in range(17)]
    alive = [browser.get("/api/v1/session").status_code for browser in browsers]
    assert alive == [401] + [200] * 16


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (b"{", {"Content-Type": "application/json"}, (422, "bad_body")),
        (b'{"user": "a"}', {"Content-Type": "application/json"}, (422, "bad_body")),
        (b'{"user": 1, "password": "x"}', {"Content-Type": "application/json"}, (422, "bad_body")),
        (b'{"user":"a","password":"b","x":1}', {"Content-Type": "application/json"}, (422, "bad_body")),
        (b"[" * 60_000, {"Content-Type": "application/json"}, (422, "bad_body")),
        (b"\xff\xfe", {"Content-Type": "application/json"}, (422, "bad_body")),
        (b"x" * 70_000, {"Content-Type": "application/json"}, (413, "too_large")),
        (
            b"user=a&password=b",
            {"Content-Type": "application/x-www-form-urlencoded"},
            (415, "unsupported_media_type"),
        ),
        (b'{"user":"a","password":"b"}', {"Content-Type": "text/plain"}, (415, "unsupported_media_type")),
        (b"{}", {"Content-Type": "application/json", "Origin": "https://evil.example"}, (403, "bad_origin")),
        (b"{}", {"Content-Type": "application/json", "Origin": "null"}, (403, "bad_origin")),
        (b"{}", {"Content-Type": "application/json", "Sec-Fetch-Site": "cross-site"}, (403, "bad_origin")),
        (b"{}", {"Content-Type": "application/json", "Host": "evil.example"}, (421, "bad_host")),
    ],
)
def test_what_is_not_a_sign_in_is_refused(
    stranger: Browser, body: bytes, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    answer = stranger.session.post(stranger.url + "/api/v1/session", data=body, headers=headers, timeout=20)
    assert (answer.status_code, answer.json()["code"]) == expected
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_body_without_a_length_is_cut_off_at_the_limit(stranger: Browser) -> None:
    answer = stranger.session.post(
        stranger.url + "/api/v1/session",
        data=iter([b"x" * 10_000] * 10),
        headers={"Content-Type": "application/json"},
        timeout=20,
    )
    assert answer.status_code == 413
