"""A browser, a stand-in server with a world of alerts, and a page that must not break the security policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from collector.console import DIST
from tests.console.hostile import alert
from tests.console.stand_in import PASSWORD, USER, serving
from tests.console.world import World

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, one for all tests."""
    assert (DIST / "index.html").is_file(), "build the console first: ./dev setup"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def world() -> World:
    """Forty open alerts; a test adds what it needs."""
    made = World()
    made.add(*(alert(number) for number in range(40)))
    return made


@pytest.fixture
def address(world: World, tmp_path: Path) -> Iterator[str]:
    """Where the stand-in serves `world`."""
    with serving(world, tmp_path) as url:
        yield url


@pytest.fixture
def faults() -> list[str]:
    """What the browser complained of: thrown errors and violations of the policy."""
    return []


@pytest.fixture
def open_page(browser: Browser, address: str, faults: list[str]) -> Iterator[Callable[..., Page]]:
    """Open a path of the console, signed in or not; nothing may violate the policy or throw meanwhile."""
    contexts: list[BrowserContext] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error" and "status of" not in message.text:
            faults.append(message.text)

    def open_at(path: str = "/", *, signed_in: bool = True, language: str = "vi", **options: Any) -> Page:
        context = browser.new_context(base_url=address, ignore_https_errors=True, **options)
        contexts.append(context)
        context.set_default_timeout(8_000)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        if signed_in:
            context.add_cookies([{"name": "__Host-lienphong", "value": USER, "url": address, "secure": True}])
        page = context.new_page()
        page.on("console", listen)
        page.on("pageerror", lambda error: faults.append(str(error)))
        if language != "vi":
            page.goto("/icon.svg")
            page.evaluate("language => localStorage.setItem('lienphong.language', language)", language)
        page.goto(path)
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert faults == []


def sign_in(page: Page, user: str = USER, password: str = PASSWORD) -> None:
    """Type the name and the password and send them."""
    page.locator("#user").fill(user)
    page.locator("#password").fill(password)
    page.locator("form button.primary").click()
