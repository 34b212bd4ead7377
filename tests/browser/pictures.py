"""Pictures of every page for the documentation, from a console that runs.

``python -m tests.browser.pictures LINK FOLDER [PATH [NAME]]``, with the link that `isotherm demo`
prints. ``PATH``, the folder of the run, is shown as ``/run``: a picture is of no one's machine;
and its controller is held for some seconds, for the picture of a page that has lost it. Files are
called ``NAME-PAGE.png``, by default ``console-PAGE.png``.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

PAGES = {
    "overview": "",
    "proposals": "proposals",
    "trends": "trends",
    "overrides": "overrides",
    "alarms": "alarms",
    "shadow": "shadow",
    "model": "model",
    "audit": "audit",
    "users": "users",
}
TALLEST = 1500
COLOURS = 128
"""Grey pages need few, and a picture in the repository should be small."""


SHORTER = """(path) => {
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode;
    if (node.data.includes(path)) node.data = node.data.replaceAll(path, "/run");
  }
}"""


def main(link: str, folder: Path, path: str = "", called: str = "console") -> None:
    """Take them all."""
    base = link[: link.index("/login")]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(link)
        for name, address in PAGES.items():
            page.goto(f"{base}/{address}")
            _take(page, folder / f"{called}-{name}.png", path)
        page.set_viewport_size({"width": 390, "height": 844})
        page.goto(base)
        _take(page, folder / f"{called}-phone.png", path, whole=False)
        page.set_viewport_size({"width": 1440, "height": 900})
        page.emulate_media(color_scheme="dark")
        page.goto(base)
        _take(page, folder / f"{called}-dark.png", path)
        page.emulate_media(color_scheme="light")
        if path:
            page.goto(base)
            _lost(page, Path(path), folder / f"{called}-lost.png")
        browser.close()


def _lost(page: Page, run: Path, file: Path) -> None:
    """The page while its controller stands still: it is silent, and the page says so."""
    page.wait_for_selector("[data-link=open]")
    pid = int(json.loads((run / "controller" / "serve.json").read_text(encoding="utf-8"))["pid"])
    os.kill(pid, signal.SIGSTOP)
    try:
        page.wait_for_selector(".lost:not([hidden])", timeout=60_000)
        page.evaluate(SHORTER, str(run))
        _keep(page, file, 460)
    finally:
        os.kill(pid, signal.SIGCONT)


def _take(page: Page, file: Path, path: str, *, whole: bool = True) -> None:
    page.wait_for_selector("[data-link=open]")
    page.wait_for_timeout(500)
    if path:
        page.evaluate(SHORTER, path)
    height = min(TALLEST, page.evaluate("document.documentElement.scrollHeight")) if whole else 844
    _keep(page, file, height)


def _keep(page: Page, file: Path, height: int) -> None:
    width = page.viewport_size["width"] if page.viewport_size else 1440
    taken = page.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": width, "height": height})
    picture = Image.open(io.BytesIO(taken)).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
    print(f"{file}: {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
