"""The alert queue under a person's hands: live, by keyboard, in bulk, with a way back."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from tests.console.hostile import NOW_US, alert
from tests.console.world import World

Open = Callable[..., Page]
FIRST = "Mở kết nối ngược từ trình thông dịch lệnh"


def newer(number: int, **changes: object) -> dict[str, object]:
    """An alert that is newer than all in the world."""
    return {**alert(number), "last_us": NOW_US + number * 1_000, **changes}


def rows(page: Page) -> Locator:
    return page.get_by_role("article")


def count(page: Page) -> Locator:
    return page.get_by_test_id("count")


def toast(page: Page) -> Locator:
    return page.locator(".toast").last


def test_new_alerts_wait_behind_a_pill_and_nothing_jumps(open_page: Open, world: World) -> None:
    page = open_page("/")
    expect(count(page)).to_have_text("40 trên 40")
    world.add(newer(200), newer(201, level="critical"))
    pill = page.locator(".pill")
    expect(pill).to_contain_text("2 mới")
    expect(pill).to_contain_text("Nghiêm trọng")
    expect(page).to_have_title(re.compile(r"^\(2\) "))
    expect(rows(page).first).to_contain_text(FIRST)
    expect(count(page)).to_have_text("40 trên 42")
    pill.click()
    expect(rows(page).first).to_have_attribute("data-key", f"{201:032x}")
    expect(count(page)).to_have_text("42 trên 42")
    expect(pill).to_have_count(0)


def test_a_repeat_counts_up_in_its_place(open_page: Open, world: World) -> None:
    page = open_page("/")
    row = page.locator(f"article[data-key='{5:032x}']")
    before = world.alerts[f"{5:032x}"]["count"]
    expect(row).to_contain_text(f"{before} lần")
    place = row.get_attribute("data-index")
    world.hit(f"{5:032x}")
    expect(row).to_contain_text(f"{before + 1} lần")
    assert row.get_attribute("data-index") == place


def test_the_first_alert_of_an_empty_queue_is_shown_at_once(open_page: Open, world: World) -> None:
    page = open_page("/?level=informational&q=khong-co")
    expect(page.get_by_role("heading", name="Không có cảnh báo nào khớp bộ lọc")).to_be_visible()
    world.add(newer(300, level="informational", summary="khong-co gi"))
    expect(rows(page)).to_have_count(1)


def test_an_empty_queue_teaches(open_page: Open, world: World) -> None:
    world.act(list(world.alerts), "close", "", "x")
    page = open_page("/")
    expect(page.get_by_role("heading", name="Không còn cảnh báo nào cần xử lý")).to_be_visible()
    expect(page.get_by_text("lienphong-agent enrol")).to_contain_text("--collector https://localhost:7444")
    page.locator(".recipe button").last.click()
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert copied == "bash -c 'bash -i >& /dev/tcp/127.0.0.1/9 0>&1'"


def test_moving_opening_and_coming_back_by_keyboard(open_page: Open) -> None:
    page = open_page("/")
    expect(rows(page).first).to_be_visible()
    for _ in range(3):
        page.keyboard.press("j")
    page.keyboard.press("k")
    expect(page.locator("article:focus")).to_have_attribute("data-index", "1")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"/alerts/{1:032x}")
    page.keyboard.press("j")
    expect(page).to_have_url(f"/alerts/{2:032x}")
    page.keyboard.press("u")
    expect(page).to_have_url("/")
    expect(page.locator(".row.active")).to_contain_text("Kết nối ngược bằng Python")


def test_acknowledging_by_key_and_undoing_it(open_page: Open, world: World) -> None:
    page = open_page("/")
    expect(rows(page).first).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("a")
    expect(toast(page)).to_contain_text("Đã tiếp nhận 1 cảnh báo.")
    expect(count(page)).to_have_text("39 trên 39")
    assert world.alerts[f"{0:032x}"]["status"] == "acknowledged"
    expect(page.locator("article:focus")).to_have_attribute("data-key", f"{1:032x}")
    toast(page).get_by_role("button", name="Hoàn tác").click()
    expect(count(page)).to_have_text("40 trên 40")
    expect(rows(page).first).to_have_attribute("data-key", f"{0:032x}")
    assert world.alerts[f"{0:032x}"]["status"] == "open"


def test_bulk_closing_takes_the_picked_ids_and_no_others(open_page: Open, world: World) -> None:
    page = open_page("/")
    boxes = page.get_by_role("checkbox")
    boxes.nth(1).check()
    boxes.nth(4).click(modifiers=["Shift"])
    expect(page.get_by_role("toolbar")).to_contain_text("Đã chọn 4")
    world.add(newer(400))
    page.keyboard.press("e")
    expect(toast(page)).to_contain_text("Đã đóng 4 cảnh báo.")
    closed = {key for key, value in world.alerts.items() if value["status"] == "closed"}
    assert closed == {f"{number:032x}" for number in (1, 2, 3, 4)}


def test_undo_restores_each_old_state(open_page: Open, world: World) -> None:
    world.act([f"{0:032x}"], "acknowledge", "", "x")
    page = open_page("/?status=all")
    page.get_by_role("checkbox").nth(0).check()
    page.get_by_role("checkbox").nth(1).check()
    page.get_by_role("toolbar").get_by_role("button", name="Đóng").click()
    expect(toast(page)).to_contain_text("Đã đóng 2 cảnh báo.")
    toast(page).get_by_role("button", name="Hoàn tác").click()
    expect(toast(page)).to_contain_text("Đã hoàn tác 2 cảnh báo.")
    assert [world.alerts[f"{number:032x}"]["status"] for number in (0, 1)] == ["acknowledged", "open"]


def test_someone_elses_action_shows_without_moving_rows(open_page: Open, world: World) -> None:
    page = open_page("/")
    expect(count(page)).to_have_text("40 trên 40")
    world.act([f"{2:032x}"], "close", "", "Ca trực hai")
    row = rows(page).nth(2)
    expect(row).to_contain_text("Đã đóng")
    expect(row.locator(".row")).to_have_class(re.compile("stale"))
    expect(count(page)).to_have_text("40 trên 39")


def test_filters_live_in_the_address(open_page: Open) -> None:
    page = open_page("/")
    page.get_by_role("button", name="Nghiêm trọng").click()
    expect(page).to_have_url("/?level=critical")
    expect(count(page)).to_have_text("10 trên 10")
    page.locator("article .host").first.click()
    expect(page).to_have_url(re.compile(r"level=critical&host="))
    page.get_by_role("button", name="Xoá bộ lọc").click()
    expect(page).to_have_url("/")
    page.keyboard.press("/")
    page.keyboard.type("useradd")
    expect(page).to_have_url("/?q=useradd")
    expect(count(page)).to_have_text("5 trên 5")
    page.get_by_text("Đã đóng", exact=True).click()
    expect(page).to_have_url("/?status=closed&q=useradd")
    page.reload()
    expect(page.get_by_role("searchbox")).to_have_value("useradd")


def test_true_totals_and_further_pages_while_scrolling(open_page: Open, world: World) -> None:
    world.add(*(alert(number) for number in range(40, 1_000)))
    page = open_page("/")
    expect(count(page)).to_have_text("100 trên 1.000")
    assert rows(page).count() < 60
    last = page.locator(f"article[data-key='{999:032x}']")
    deadline = time.monotonic() + 30
    while last.count() == 0:
        assert time.monotonic() < deadline, count(page).text_content()
        page.locator(".feed").evaluate("feed => feed.scrollTo(0, feed.scrollHeight)")
        expect(page.get_by_role("feed")).to_have_attribute("aria-busy", "false")
    expect(count(page)).to_have_text("1.000 trên 1.000")
    last.scroll_into_view_if_needed()
    expect(last).to_be_in_viewport()
    assert rows(page).count() < 60


def test_a_lost_connection_is_told_and_mended(open_page: Open, world: World) -> None:
    page = open_page("/")
    expect(rows(page).first).to_be_visible()
    world.down = True
    expect(page.locator(".lost")).to_contain_text("Mất kết nối với máy chủ.")
    world.add(newer(500))
    world.down = False
    page.get_by_role("button", name="Thử lại ngay").click()
    expect(page.locator(".lost")).to_have_count(0)
    expect(page.locator(".pill")).to_contain_text("1 mới")


def test_a_session_that_ends_leads_back_to_the_door(open_page: Open) -> None:
    page = open_page("/?level=high")
    expect(rows(page).first).to_be_visible()
    page.context.clear_cookies()
    page.get_by_role("button", name="Thấp").click()
    expect(page).to_have_url("/sign-in?next=%2F%3Flevel%3Dhigh%2Clow")


def test_shortcuts_are_listed_and_can_be_switched_off(open_page: Open) -> None:
    page = open_page("/")
    expect(rows(page).first).to_be_visible()
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    dialog.get_by_role("checkbox").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    expect(page.locator("article:focus")).to_have_count(0)
    page.keyboard.press("ArrowDown")
    expect(page.locator("article:focus")).to_have_count(1)


def test_who_may_only_read_is_offered_no_action(open_page: Open, world: World) -> None:
    world.permissions = ["alerts.read", "overview.read"]
    page = open_page("/")
    expect(rows(page).first).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("a")
    page.keyboard.press("Enter")
    expect(page.locator("details.event").first).to_be_visible()
    assert page.get_by_role("checkbox").count() == 0
    assert page.get_by_role("button", name="Tiếp nhận").count() == 0
    assert world.alerts[f"{0:032x}"]["status"] == "open"
