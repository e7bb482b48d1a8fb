"""The console on a real collector: from the one-time password to an alert seen, handled and taken back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from tests.console.conftest import sign_in
from tests.console.hostile import TRICKS
from tests.journeys.harness import RULE, Collector, Ledger, enrol

FRESH = "mot-cau-dai-va-de-nho-42"
WITHIN_S = 2.0


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    """A collector with the marker rule."""
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "marker.yml").write_text(RULE)
    made = Collector(tmp_path / "collector", [rules])
    made.start()
    yield made
    made.stop()


@pytest.fixture
def agent(collector: Collector, tmp_path: Path) -> Iterator[Ledger]:
    """An enrolled agent's side of the wire."""
    ledger = enrol(collector, tmp_path)
    yield ledger
    ledger.close()


@pytest.fixture
def page(browser: Browser, collector: Collector, faults: list[str]) -> Iterator[Page]:
    """A browser at the collector's door."""

    def listen(message: ConsoleMessage) -> None:
        if "Content Security" in message.text:
            faults.append(message.text)

    context = browser.new_context(base_url=f"https://localhost:{collector.web_port}", ignore_https_errors=True)
    page = context.new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", listen)
    page.goto("/")
    yield page
    context.close()
    assert faults == []


def first_sign_in(page: Page, collector: Collector) -> None:
    """Replace the one-time password, as the first person does."""
    sign_in(page, "admin", Path(collector.made["admin_password_file"]).read_text().strip())
    page.locator("#fresh").fill(FRESH)
    page.locator("#again").fill(FRESH)
    page.locator("form button.primary").click()


def test_from_the_first_password_to_a_handled_alert(page: Page, collector: Collector, agent: Ledger) -> None:
    first_sign_in(page, collector)
    expect(page.get_by_role("heading", name="Không còn cảnh báo nào cần xử lý")).to_be_visible()

    agent.deliver(1, ["echo warm-up lienphong-marker"])
    row = page.get_by_role("article")
    expect(row).to_contain_text("lienphong-marker", timeout=30_000)
    expect(row).to_contain_text("may-1")
    expect(row).to_contain_text("root")

    sent = time.monotonic()
    agent.deliver(2, ["echo again lienphong-marker"])
    expect(row).to_contain_text("2 lần")
    assert time.monotonic() - sent < WITHIN_S

    row.get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Marker")
    expect(page.locator("tr.hit th").first).to_contain_text("CommandLine")
    expect(page.locator(".yaml .hit").first).to_contain_text("lienphong-marker")
    page.get_by_role("textbox").fill("đang xem")
    page.get_by_role("button", name="Tiếp nhận").click()
    expect(page.locator(".status")).to_have_text("Đã tiếp nhận")
    expect(page.get_by_role("blockquote")).to_have_text("đang xem")
    page.get_by_role("button", name="Hoàn tác").click()
    expect(page.locator(".status")).to_have_text("Đang mở")


def test_hostile_command_lines_pass_the_whole_way_as_text(page: Page, collector: Collector, agent: Ledger) -> None:
    first_sign_in(page, collector)
    agent.deliver(1, [f"lienphong-marker {text}" for text in TRICKS.values()])
    row = page.get_by_role("article").first
    expect(row).to_contain_text(f"{len(TRICKS)} lần", timeout=30_000)
    row.get_by_role("link").first.click()
    expect(page.locator("details.event")).to_have_count(len(TRICKS))
    for closed in page.locator("details.event summary").all()[1:]:
        closed.click()
    expect(page.locator("main")).to_contain_text("⟨U+202E⟩'hs.llehs esrever'")
    assert page.locator("main iframe, main script, main img").count() == 0
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth") is True


def test_a_restarted_collector_is_found_again(page: Page, collector: Collector, agent: Ledger) -> None:
    first_sign_in(page, collector)
    agent.deliver(1, ["lienphong-marker one"])
    expect(page.get_by_role("article")).to_contain_text("1 lần", timeout=30_000)
    collector.kill("responder")
    agent.deliver(2, ["lienphong-marker two"])
    expect(page.get_by_role("article")).to_contain_text("2 lần", timeout=30_000)
    expect(page.locator(".lost")).to_have_count(0)
