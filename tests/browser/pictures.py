"""Pictures of every page for the documentation, from a console that runs.

``python -m tests.browser.pictures LOGIN_LINK FOLDER [PATH]``, with the link that `isotherm demo`
prints. ``PATH``, the folder of the run, is shown as ``/run``: a picture is of no one's machine.
"""

from __future__ import annotations

import io
import shutil
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
COLOURS = 48
"""Grey pages need few, and a picture in the repository should be small."""


SHORTER = """(path) => {
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode;
    if (node.data.includes(path)) node.data = node.data.replaceAll(path, "/run");
  }
}"""


def main(link: str, folder: Path, path: str = "") -> None:
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
            _take(page, folder / f"console-{name}.png", path)
        page.set_viewport_size({"width": 390, "height": 844})
        page.goto(base)
        _take(page, folder / "console-phone.png", path, whole=False)
        page.set_viewport_size({"width": 1440, "height": 900})
        page.emulate_media(color_scheme="dark")
        page.goto(base)
        _take(page, folder / "console-dark.png", path)
        browser.close()


def _take(page: Page, file: Path, path: str, *, whole: bool = True) -> None:
    page.wait_for_selector("[data-link=open]")
    page.wait_for_timeout(500)
    if path:
        page.evaluate(SHORTER, path)
    height = min(TALLEST, page.evaluate("document.documentElement.scrollHeight")) if whole else 844
    width = page.viewport_size["width"] if page.viewport_size else 1440
    taken = page.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": width, "height": height})
    picture = Image.open(io.BytesIO(taken)).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
    print(f"{file}: {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
