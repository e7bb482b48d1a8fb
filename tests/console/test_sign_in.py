"""The door: who gets in, who does not, and what they are told."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.console.conftest import sign_in
from tests.console.stand_in import ONE_TIME, USER

Open = Callable[..., Page]


def test_signing_in_returns_to_the_address_that_was_asked_for(open_page: Open) -> None:
    page = open_page("/?level=critical", signed_in=False)
    expect(page).to_have_url("/sign-in?next=%2F%3Flevel%3Dcritical")
    sign_in(page)
    expect(page).to_have_url("/?level=critical")
    expect(page.get_by_test_id("count")).to_have_text("10 trên 10")


def test_next_never_leaves_the_console(open_page: Open, address: str) -> None:
    page = open_page("/sign-in?next=%2F%2Fevil.example%2F", signed_in=False)
    sign_in(page)
    expect(page.get_by_role("feed")).to_be_visible()
    assert page.url == f"{address}/"


def test_a_wrong_password_says_so_and_clears_itself(open_page: Open) -> None:
    page = open_page("/sign-in", signed_in=False)
    sign_in(page, password="sai")
    expect(page.get_by_role("alert")).to_have_text("Sai tên đăng nhập hoặc mật khẩu.")
    expect(page.locator("#password")).to_have_value("")


def test_a_locked_account_counts_down(open_page: Open) -> None:
    page = open_page("/sign-in", signed_in=False)
    for _ in range(4):
        sign_in(page, password="sai")
        expect(page.get_by_role("alert")).not_to_be_empty()
    expect(page.get_by_role("alert")).to_have_text(re.compile(r"Hãy thử lại sau 1:0\d"))
    expect(page.locator("form button.primary")).to_be_disabled()


def test_caps_lock_is_pointed_out(open_page: Open) -> None:
    page = open_page("/sign-in", signed_in=False)
    page.locator("#password").evaluate(
        "field => field.dispatchEvent("
        "new KeyboardEvent('keydown', {key: 'A', modifierCapsLock: true, bubbles: true}))"
    )
    expect(page.locator("#caps")).to_have_text("Phím Caps Lock đang bật")


def test_the_one_time_password_must_be_replaced(open_page: Open) -> None:
    page = open_page("/", signed_in=False)
    sign_in(page, "admin", ONE_TIME)
    expect(page.get_by_role("heading", name="Đặt mật khẩu của bạn")).to_be_visible()
    page.locator("#fresh").fill("ngan")
    page.locator("#again").fill("khac")
    page.get_by_role("button", name="Đổi mật khẩu và vào").click()
    expect(page.get_by_role("alert")).to_have_text("Hai lần nhập mật khẩu mới không giống nhau.")
    page.locator("#again").fill("ngan")
    page.get_by_role("button", name="Đổi mật khẩu và vào").click()
    expect(page.get_by_role("alert")).to_contain_text("quá yếu")
    for field in ("#fresh", "#again"):
        page.locator(field).fill("mot-cau-dai-va-de-nho")
    page.get_by_role("button", name="Đổi mật khẩu và vào").click()
    expect(page.get_by_role("feed")).to_be_visible()


def test_signing_out_leaves_nothing_behind(open_page: Open) -> None:
    page = open_page("/")
    expect(page.get_by_role("feed")).to_be_visible()
    page.locator("summary").first.click()
    page.get_by_role("button", name="Đăng xuất").click()
    expect(page).to_have_url("/sign-in")
    assert page.locator("article").count() == 0
    assert USER not in page.content()


def test_language_and_theme_are_remembered(open_page: Open) -> None:
    page = open_page("/sign-in", signed_in=False, color_scheme="light")
    page.get_by_text("English").click()
    page.get_by_text("Dark").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_the_system_theme_is_followed_while_nothing_is_chosen(open_page: Open) -> None:
    page = open_page("/sign-in", signed_in=False, color_scheme="dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.emulate_media(color_scheme="light")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
