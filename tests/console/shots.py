"""Photograph every page in light and dark, wide and phone, both languages, for a person to look at.

Run from the root: ``.venv/bin/python -m tests.console.shots``; it writes to ``docs/screenshots/draft/``, which git
ignores.
"""

from __future__ import annotations

import tempfile
from itertools import product
from pathlib import Path

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from tests.console.conftest import ARGUMENTS, CHROMIUM
from tests.console.hostile import NOW_US, alert, tricks
from tests.console.stand_in import USER, serving
from tests.console.world import World

FOLDER = Path(__file__).parents[2] / "docs" / "screenshots" / "draft"
SIZES: dict[str, ViewportSize] = {
    "wide": {"width": 1440, "height": 900},
    "phone": {"width": 390, "height": 844},
}


def populated() -> World:
    """A thousand alerts and every trick."""
    world = World()
    world.summary["lost_events"] = 12
    world.add(*(alert(number) for number in range(1_000)), *tricks())
    many = alert(0)
    many["history"] = [
        {
            "time_us": NOW_US,
            "person": "Ca trực hai",
            "action": "acknowledge",
            "note": "Đang gọi đơn vị vận hành",
        },
        {"time_us": NOW_US, "person": "Ca trực một", "action": "reopen", "note": ""},
    ]
    world.add(many)
    return world


def views(world: World) -> dict[str, str]:
    """Name and path of what is worth seeing."""
    found = {"queue": "/", "alert": f"/alerts/{0:032x}", "not-found": "/nowhere", "filtered": "/?q=khong-co-gi"}
    for row in tricks():
        name = row["titles"]["en"].split(":")[0]
        if name in ("script", "rtl", "ansi", "unbroken"):
            found[f"alert-{name}"] = f"/alerts/{row['id']}"
    found["tricks"] = "/?rule=tricks"
    assert world.alerts
    return found


def shoot(browser: Browser, url: str, world: World) -> None:
    """Every view in every dress."""
    for theme, size, language in product(("light", "dark"), SIZES, ("vi", "en")):
        context = browser.new_context(base_url=url, ignore_https_errors=True, viewport=SIZES[size])
        page = context.new_page()
        page.goto("/icon.svg")
        page.evaluate(
            "([theme, language]) => { localStorage.setItem('lienphong.theme', theme);"
            " localStorage.setItem('lienphong.language', language) }",
            [theme, language],
        )
        snap(page, "/sign-in", f"sign-in-{size}-{theme}-{language}")
        context.add_cookies([{"name": "__Host-lienphong", "value": USER, "url": url, "secure": True}])
        for name, path in views(world).items():
            if language == "en" and name not in ("queue", "alert"):
                continue
            snap(page, path, f"{name}-{size}-{theme}-{language}")
        context.close()


def snap(page: Page, path: str, name: str) -> None:
    """One photograph, once fonts and data are there."""
    page.goto(path)
    page.evaluate("() => document.fonts.ready.then(() => null)")
    page.wait_for_timeout(500)
    page.screenshot(path=FOLDER / f"{name}.png")


def main() -> None:
    """Serve, look, write."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    world = populated()
    with tempfile.TemporaryDirectory() as folder, serving(world, Path(folder)) as url, sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        shoot(browser, url, world)
        browser.close()


if __name__ == "__main__":
    main()
