"""The console's page in a real browser: bytes of the first load, first paint, alarm to screen.

Used by the benchmark `service`; needs Debian's chromium.
"""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any

from benchmarks.harness import BenchmarkError, Measure

LOADS = 9
"""Of each page; what else the machine does makes some of them slow."""
PEER = "/login"
"""A page of a dozen lines: its paint is the browser's and the machine's part."""
WITHIN_S = 30.0
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
WATCH = """
() => { window.seenAt = null;
  const bar = document.querySelector('#alarm-bar');
  const look = () => {
    const told = bar.textContent.includes('no word from the gateway');
    if (window.seenAt === null && told) window.seenAt = Date.now();
  };
  new MutationObserver(look).observe(bar, {subtree: true, childList: true, attributes: true,
    characterData: true});
  look();
}
"""


def page_measures(
    url: str, log_in: Callable[[Any], None], raise_alarm: Callable[[], float]
) -> Iterable[Measure]:
    """Measures of one page against a running service.

    Parameters
    ----------
    url
        Of the service.
    log_in
        Gives a browser's page its session.
    raise_alarm
        Brings up the alarm of a gateway that is gone, and answers when, in POSIX seconds of the
        wall's clock.
    """
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        raise BenchmarkError("the page is measured in Debian's chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-http-cache"]
        )
        try:
            _load(browser, url + PEER, log_in)  # the browser's own first page
            paints, sizes, peers = [], [], []
            for _ in range(LOADS):
                paint, size = _load(browser, url + "/", log_in)
                paints.append(paint)
                sizes.append(size)
                peers.append(_load(browser, url + PEER, log_in)[0])
            waited_s = _alarm(browser, url + "/", log_in, raise_alarm)
        finally:
            browser.close()
    yield Measure(
        "first_paint_ms",
        round(statistics.median(paints), 1),
        "ms",
        500.0,
        "at_most",
        how=f"first contentful paint of the overview, median of {LOADS} loads without a cache",
    )
    yield Measure(
        "first_paint_peer_ms",
        round(statistics.median(peers), 1),
        "ms",
        how=f"the same of the log-in page, loaded by turns with it; the overview takes "
        f"{statistics.median(paints) / statistics.median(peers):.2f} times as long",
    )
    yield Measure(
        "first_load_kb",
        round(max(sizes) / 1000.0, 1),
        "kB",
        150.0,
        "at_most",
        how="bytes of headers and bodies that the overview's first load takes, without the stream",
    )
    yield Measure(
        "alarm_to_screen_s",
        round(waited_s, 3),
        "s",
        1.0,
        "at_most",
        how="from the alarm's record to its text in the bar of an open page",
    )


def _load(browser: Any, url: str, log_in: Callable[[Any], None]) -> tuple[float, int]:
    context = browser.new_context()
    page = context.new_page()
    log_in(page)
    page.goto("about:blank")
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    sizes: list[int] = []
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    page.goto(url, wait_until="load")
    paint = _awaited(page, PAINT)
    page.wait_for_timeout(300)
    context.close()
    return float(paint), int(sum(sizes))


def _alarm(
    browser: Any, url: str, log_in: Callable[[Any], None], raise_alarm: Callable[[], float]
) -> float:
    context = browser.new_context()
    page = context.new_page()
    log_in(page)
    page.goto(url)
    page.wait_for_selector("[data-link=open]")
    page.evaluate(WATCH)
    raised_s = raise_alarm()
    seen_s = _awaited(page, "window.seenAt") / 1000.0
    context.close()
    return max(0.0, float(seen_s) - raised_s)


def _awaited(page: Any, expression: str) -> float:
    """The value of an expression once it is not null.

    Asked from outside: what the browser would evaluate again and again by itself, the console's
    content security policy forbids.
    """
    deadline_s = time.monotonic() + WITHIN_S
    while (found := page.evaluate(expression)) is None:
        if time.monotonic() > deadline_s:
            raise BenchmarkError(f"{expression} did not come within {WITHIN_S:.0f} s")
        page.wait_for_timeout(20)
    return float(found)
