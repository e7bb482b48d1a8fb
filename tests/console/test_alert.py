"""One alert's page: what matched, why, and what people did."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.console.world import World

Open = Callable[..., Page]
ALERT = f"{0:032x}"


def test_matched_fields_stand_beside_the_rule_that_asks_for_them(open_page: Open) -> None:
    page = open_page(f"/alerts/{ALERT}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Mở kết nối ngược từ trình thông dịch lệnh")
    expect(page.locator("details.event").first.locator("tr.hit th")).to_contain_text(["Image", "CommandLine"])
    marked = page.locator(".yaml .hit")
    expect(marked.first).to_have_text("        Image|endswith:")
    expect(marked).to_have_count(6)
    expect(page.get_by_text("40 trên 41")).to_be_visible()


def test_the_rule_page_follows_the_language(open_page: Open) -> None:
    page = open_page(f"/alerts/{ALERT}", language="en")
    expect(page.get_by_role("heading", level=1)).to_have_text("Reverse shell from an interactive shell")
    expect(page.get_by_text("someone controls the machine from afar")).to_be_visible()


def test_a_note_goes_with_the_action_into_the_history(open_page: Open, world: World) -> None:
    page = open_page(f"/alerts/{ALERT}")
    page.get_by_role("textbox").fill("Đã gọi đơn vị vận hành")
    page.get_by_role("button", name="Tiếp nhận").click()
    expect(page.locator(".status")).to_have_text("Đã tiếp nhận")
    expect(page.get_by_role("blockquote")).to_have_text("Đã gọi đơn vị vận hành")
    assert world.alerts[ALERT]["history"][-1]["person"] == "Ca trực một"
    page.get_by_role("button", name="Mở lại").click()
    expect(page.locator(".status")).to_have_text("Đang mở")


def test_keys_typed_into_the_note_are_text(open_page: Open, world: World) -> None:
    page = open_page(f"/alerts/{ALERT}")
    page.get_by_role("textbox").press_sequentially("a e j?")
    expect(page.get_by_role("textbox")).to_have_value("a e j?")
    assert world.alerts[ALERT]["status"] == "open"


def test_stepping_to_the_neighbours(open_page: Open) -> None:
    page = open_page(f"/alerts/{1:032x}")
    expect(page.get_by_text("2 trên 40")).to_be_visible()
    page.get_by_role("button", name="Sau").click()
    expect(page).to_have_url(f"/alerts/{2:032x}")
    page.keyboard.press("k")
    page.keyboard.press("k")
    expect(page).to_have_url(f"/alerts/{0:032x}")
    expect(page.get_by_role("button", name="Trước")).to_be_disabled()


def test_an_open_page_follows_what_happens(open_page: Open, world: World) -> None:
    page = open_page(f"/alerts/{ALERT}")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    world.act([ALERT], "close", "xong", "Ca trực hai")
    expect(page.locator(".status")).to_have_text("Đã đóng")
    expect(page.get_by_text("Ca trực hai")).to_be_visible()


def test_an_unknown_alert_says_what_that_may_mean(open_page: Open) -> None:
    page = open_page("/alerts/ffffffffffffffffffffffffffffffff")
    expect(page.get_by_role("alert")).to_contain_text("Không tìm thấy")


def test_copying_gives_the_original_text(open_page: Open, world: World) -> None:
    page = open_page(f"/alerts/{ALERT}")
    page.get_by_role("button", name="Sao chép dòng lệnh").click()
    assert page.evaluate("() => navigator.clipboard.readText()") == world.alerts[ALERT]["summary"]
