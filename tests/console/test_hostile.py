"""Hostile text in every field of every page: it is shown, never obeyed, and never breaks the page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.console.hostile import NOW_US, TRICKS, alert, tricks
from tests.console.world import World

Open = Callable[..., Page]
UNSEEN = r"/[\0-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/u"


@pytest.fixture(autouse=True)
def hostile(world: World) -> None:
    """Every trick is an alert."""
    world.add(*tricks())


def innocent(page: Page) -> None:
    """Nothing ran, nothing was made of the text but text, and no unseen character was left unseen."""
    assert "owned" not in page.title().split(" · ")[-1]
    assert page.locator("main iframe, main script, main img, main [onload], main [onerror]").count() == 0
    assert page.evaluate(f"() => {UNSEEN}.test(document.querySelector('main').innerText)") is False


def fits(page: Page) -> None:
    """No horizontal scrolling."""
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth") is True
    assert page.evaluate("() => document.querySelector('main').scrollWidth <= innerWidth") is True


@pytest.mark.parametrize("width", [390, 1440])
def test_the_queue(open_page: Open, width: int) -> None:
    page = open_page("/?rule=tricks", viewport={"width": width, "height": 3_000})
    expect(page.get_by_test_id("count")).to_contain_text(f"{len(TRICKS)} trên {len(TRICKS)}")
    innocent(page)
    fits(page)


def test_the_alert(open_page: Open) -> None:
    page = open_page("/?rule=tricks", viewport={"width": 390, "height": 844})
    for row in tricks():
        page.goto(f"/alerts/{row['id']}")
        expect(page.get_by_role("heading", level=1)).to_contain_text(row["titles"]["vi"].split(":")[0])
        innocent(page)
        fits(page)


def test_a_megabyte_is_cut_until_asked_for(open_page: Open, world: World) -> None:
    huge = {**alert(7_000, summary="A\u202e" * 500_000), "last_us": NOW_US + 1}
    world.add(huge)
    page = open_page(f"/alerts/{huge['id']}")
    command = page.locator(".command")
    expect(command).to_contain_text("A⟨U+202E⟩" * 100)
    assert len(page.locator("main").inner_text()) < 200_000
    command.get_by_role("button", name="Hiện thêm").click()
    expect(command.get_by_role("button", name="Hiện toàn bộ (1.000.000 ký tự)")).to_be_visible()
    assert len(command.inner_text()) > 200_000
    innocent(page)
    command.get_by_role("button", name="Thu gọn").click()
    assert len(page.locator("main").inner_text()) < 200_000


def test_an_override_cannot_turn_the_text_around(open_page: Open) -> None:
    page = open_page("/?rule=tricks")
    row = page.get_by_role("article").filter(has_text="rtl:")
    expect(row.locator(".command")).to_contain_text("⟨U+202E⟩'hs.llehs esrever'")
    expect(row.locator(".command .unseen").first).to_have_attribute("title", "U+202E")
