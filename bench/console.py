"""How fast the console is in a real Chromium, on this machine's speed and slowed six times.

`python bench/console.py [--quick]` prints one JSON line a figure. The server is the tests' stand-in, so the
figures are the browser's: time from navigation to the first alert that can be read and used, main-thread time
under a stream of 100 alerts a second, and what the page's heap gained by it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, sync_playwright

sys.path.insert(1, str(Path(__file__).parents[1]))

from tests.console.conftest import ARGUMENTS, CHROMIUM
from tests.console.hostile import alert
from tests.console.stand_in import USER, serving
from tests.console.world import World

ALERTS = 5_000
PER_SECOND = 100
BURSTS = 4
"""Changes come in this many groups a second, as the server sends them."""

WATCH = """
const look = () => document.querySelector('article .title')
  ? window.interactive = performance.now() : requestAnimationFrame(look);
look();
"""
INTERACTIVE = """
() => new Promise(done => {
  const look = () => window.interactive ? done(window.interactive) : requestAnimationFrame(look);
  look();
})
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a shorter stream and fewer loads")
    quick = parser.parse_args().quick
    world = World()
    world.add(*(alert(number) for number in range(ALERTS)))
    with tempfile.TemporaryDirectory() as folder, serving(world, Path(folder)) as url, sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for slowdown in (1, 6):
            loads = sorted(first_view(browser, url, slowdown) for _ in range(2 if quick else 5))
            tell("first_alert_ms", loads[len(loads) // 2], slowdown=slowdown, loads=len(loads))
        under_stream(browser, url, world, seconds=5 if quick else 30)
        browser.close()


def tell(figure: str, value: float, **more: float) -> None:
    """One JSON line."""
    print(json.dumps({"bench": "console", "figure": figure, "value": round(value, 2), **more}), flush=True)


def signed_in(browser: Browser, url: str) -> BrowserContext:
    """A context with a session and an empty cache."""
    context = browser.new_context(base_url=url, ignore_https_errors=True, viewport={"width": 1440, "height": 900})
    context.add_cookies([{"name": "__Host-lienphong", "value": USER, "url": url, "secure": True}])
    return context


def first_view(browser: Browser, url: str, slowdown: int) -> float:
    """Milliseconds from navigation, nothing cached, to the first alert on the screen."""
    context = signed_in(browser, url)
    page = context.new_page()
    context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slowdown})
    page.add_init_script(WATCH)
    page.goto("/")
    value = float(page.evaluate(INTERACTIVE))
    context.close()
    return value


def under_stream(browser: Browser, url: str, world: World, seconds: int) -> None:
    """Share of the main thread and growth of the heap while alerts repeat and arrive."""
    context = signed_in(browser, url)
    page = context.new_page()
    page.goto("/")
    page.get_by_role("article").first.wait_for()
    session = context.new_cdp_session(page)
    session.send("Performance.enable")
    heap, busy, started = heap_mb(session), metric(session, "TaskDuration"), time.monotonic()
    stream(page, world, seconds)
    elapsed = time.monotonic() - started
    share = 100 * (metric(session, "TaskDuration") - busy) / elapsed
    tell("main_thread_percent", share, alerts_per_second=PER_SECOND, seconds=round(elapsed, 1))
    tell("heap_growth_mb", heap_mb(session) - heap, after_alerts=PER_SECOND * seconds)
    context.close()


def stream(page: Page, world: World, seconds: int) -> None:
    """Half of the changes repeat alerts on the screen, half are new."""
    number = ALERTS
    for _ in range(seconds * BURSTS):
        due = time.monotonic() + 1 / BURSTS
        for index in range(PER_SECOND // BURSTS // 2):
            world.hit(f"{index:032x}")
            world.add({**alert(number), "last_us": int(time.time() * 1e6)})
            number += 1
        page.wait_for_timeout(max(0.0, 1_000 * (due - time.monotonic())))


def metric(session: CDPSession, name: str) -> float:
    """One of Chromium's performance metrics."""
    found = session.send("Performance.getMetrics")["metrics"]
    return float(next(each["value"] for each in found if each["name"] == name))


def heap_mb(session: CDPSession) -> float:
    """What the page's script heap holds after a collection."""
    session.send("HeapProfiler.collectGarbage")
    return metric(session, "JSHeapUsedSize") / 1e6


if __name__ == "__main__":
    main()
