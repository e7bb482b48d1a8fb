"""Every page in both themes, sizes and languages: accessible, within the policy, within its width."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.console.world import World

Open = Callable[..., Page]
AXE = Path(__file__).parents[2] / "collector/console/web/node_modules/axe-core/axe.min.js"
PAGES = {"sign-in": "/sign-in", "queue": "/", "alert": f"/alerts/{0:032x}", "empty": "/?q=khong-co-gi"}
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def ready(page: Page, name: str) -> None:
    """The page has what it is for."""
    landmark = {
        "sign-in": page.locator("#user"),
        "queue": page.get_by_role("article").first,
        "alert": page.locator("details.event").first,
        "empty": page.locator(".empty"),
    }
    expect(landmark[name]).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(open_page: Open, name: str, scheme: str) -> None:
    assert AXE.is_file(), "axe-core is a development package of the console: npm ci --ignore-scripts"
    page = open_page(PAGES[name], signed_in=name != "sign-in", color_scheme=scheme)
    ready(page, name)
    # Through the debugging protocol: the page's own policy would refuse an inline script.
    page.evaluate(AXE.read_text())
    found = page.evaluate("tags => axe.run({runOnly: tags}).then(done => done.violations)", TAGS)
    told = [f"{fault['id']}: {node['html'][:160]}" for fault in found for node in fault["nodes"]]
    assert told == []


@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize("name", PAGES)
def test_a_phone_never_scrolls_sideways(open_page: Open, world: World, name: str, language: str) -> None:
    world.summary["lost_events"] = 1_234_567
    world.summary["agents"]["quarantined"] = 3
    size = {"width": 360, "height": 740}
    page = open_page(PAGES[name], signed_in=name != "sign-in", language=language, viewport=size)
    ready(page, name)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= size["width"]


def test_every_control_can_be_reached_and_seen_by_keyboard(open_page: Open) -> None:
    page = open_page("/")
    ready(page, "queue")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Tới nội dung chính")
    for _ in range(25):
        page.keyboard.press("Tab")
        seen = page.evaluate(
            "() => { const at = document.activeElement, box = at.getBoundingClientRect();"
            " const marked = [at, at.closest('label')].some("
            "   one => one && getComputedStyle(one).outlineStyle !== 'none');"
            " return box.width > 0 && marked }"
        )
        assert seen, page.evaluate("() => document.activeElement.outerHTML.slice(0, 200)")


def test_print_shows_the_whole_alert_and_no_controls(open_page: Open) -> None:
    page = open_page(PAGES["alert"])
    ready(page, "alert")
    page.emulate_media(media="print")
    expect(page.locator("header")).to_be_hidden()
    expect(page.get_by_role("button", name="Tiếp nhận")).to_be_hidden()
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def test_the_policy_is_in_force_and_violations_are_noticed(open_page: Open, faults: list[str]) -> None:
    page = open_page("/")
    ready(page, "queue")
    refused = page.evaluate(
        "() => { try { document.body.innerHTML = '<b>x</b>' } catch (error) { return error.name } }"
    )
    assert refused == "TypeError"
    another = page.evaluate("() => { try { trustedTypes.createPolicy('other', {}) } catch (e) { return e.name } }")
    assert another == "TypeError"
    assert len(faults) == 2
    faults.clear()
