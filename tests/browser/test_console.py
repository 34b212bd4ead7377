"""A person at the console: a real Chromium over a running demonstration."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from controller.demo.options import DemoOptions
from controller.demo.orchestrate import Running, prepare, started
from controller.demo.processes import await_file
from facility.commands import Mode
from tests.hasty_model import hasty_campus

pytestmark = [
    pytest.mark.timeout(420),
    pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Debian's chromium"),
]

AXE = Path(__file__).parents[1] / "peers" / "node_modules" / "axe-core" / "axe.min.js"
PAGES = ("", "proposals", "trends", "overrides", "alarms", "shadow", "model", "audit", "users")
PASSWORD = "correct horse battery staple"
PATIENCE_MS = 60_000
ATTEMPTS = 3
PACE = 30.0
SETPOINT = "warm.fws_supply_temperature_setpoint"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    options = DemoOptions(
        site="campus",
        hours=6.0,
        start="2024-07-15",
        mode=Mode.ADVISORY,
        out=tmp_path_factory.mktemp("demo") / "run",
        pace=PACE,
        model=hasty_campus(tmp_path_factory),
    )
    options.out.mkdir()
    folder, model = prepare(options, lambda *_: None)
    with started(options, folder, model) as processes:
        await_file(folder.controller / "serve.json", processes.controller, 300.0)
        yield processes


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox"],  # CI runs as root
        )
        yield made
        made.close()


class Errors(list[str]):
    """What a page complains of on its console."""

    def watch(self, page: Page) -> None:
        page.on("console", lambda m: self.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: self.append(str(error)))


@pytest.fixture
def errors() -> Errors:
    return Errors()


@pytest.fixture
def opened(browser: Browser, running: Running, errors: Errors) -> Iterator[Callable[..., Page]]:
    """A page that the demonstration's link has logged in."""
    contexts: list[BrowserContext] = []

    def open_page(width: int = 1440, height: int = 900) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height})
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        errors.watch(page)
        page.goto((running.folder.controller / "login-link").read_text().strip())
        return page

    yield open_page
    for context in contexts:
        context.close()


def live(page: Page) -> None:
    """Wait until the page hears from the server."""
    expect(page.locator("[data-link]")).to_have_attribute("data-link", "open", timeout=PATIENCE_MS)


def test_a_new_user_logs_in_and_chooses_a_password(
    browser: Browser, opened: Callable[..., Page], running: Running, errors: Errors
) -> None:
    admin = opened()
    admin.get_by_role("link", name="Users").click()
    admin.get_by_label("Name").fill("n.shift")
    admin.get_by_role("button", name="Make the user").click()
    once = admin.locator(".once code").inner_text()
    context = browser.new_context()
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    errors.watch(page)
    page.goto(running.address + "/alarms")
    page.get_by_label("Name").fill("n.shift")
    page.get_by_label("Password").fill(once)
    page.get_by_role("button", name="Log in").click()
    page.get_by_label("One-time password").fill(once)
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_label("The same again").fill(PASSWORD)
    page.get_by_role("button", name="Change the password").click()
    live(page)
    expect(page.locator("a.rack")).to_have_count(100)
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    context.close()
    assert errors == []


def test_the_hall_lives_without_a_reload(opened: Callable[..., Page], errors: Errors) -> None:
    page = opened()
    live(page)
    before = page.locator("time[data-live=time]").inner_text()
    rack = page.locator("a.rack", has_text="a101").locator("b")
    value = rack.inner_text()
    expect(page.locator("time[data-live=time]")).not_to_have_text(before, timeout=PATIENCE_MS)
    expect(rack).not_to_have_text(value, timeout=PATIENCE_MS)
    assert errors == []


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_accessible_quiet_and_fits_a_phone(
    opened: Callable[..., Page], running: Running, errors: Errors, path: str
) -> None:
    if not AXE.is_file():
        pytest.skip("needs axe-core: npm ci --prefix tests/peers")
    page = opened()
    page.goto(f"{running.address}/{path}")
    live(page)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run({resultTypes: ['violations']})")
    told = [
        f"{v['id']} ({v['impact']}): {v['help']}: {[n['target'] for n in v['nodes']][:3]}"
        for v in found["violations"]
        if v["impact"] in ("serious", "critical")
    ]
    assert told == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert errors == []


def test_keys_alone_reach_the_plants_release(opened: Callable[..., Page]) -> None:
    page = opened()
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.give-back summary')"):
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="devices back now")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="devices back now")).to_be_hidden()


def test_a_shift(opened: Callable[..., Page], running: Running, errors: Errors) -> None:
    page = opened()
    live(page)
    _approve(page)
    _override(page)
    _undo(page)
    _give_back(page)
    # The browser tells of refusals itself: an override that cannot be, a proposal that is gone.
    assert [error for error in errors if "422" not in error and "409" not in error] == []
    _lose_the_controller(page, running)


def _approve(page: Page) -> None:
    """A proposal comes by itself; half of it is approved, and devices take it.

    The models may object to it at the step of that very moment: then a newer proposal is there,
    which the page says, and that one is approved.
    """
    for _ in range(ATTEMPTS):
        page.get_by_role("link", name="Proposals").click()
        button = page.get_by_role("button", name="Approve: move")
        expect(button).to_be_enabled(timeout=PATIENCE_MS)
        page.locator("select[name=share]").select_option("50")
        page.get_by_label("Note, if you like").fill("a quiet night")
        button.click()
        expect(page.locator(".said").first).to_be_visible()
        if page.locator(".said.good").count():
            break
    said = page.locator(".said.good")
    expect(said).to_contain_text("devices took a new value")
    assert not said.inner_text().startswith("Approved: 0 of")
    page.get_by_role("link", name="Overrides").click()
    held = page.locator("#setpoints td", has_text="Isotherm")
    expect(held.first).to_be_visible(timeout=PATIENCE_MS)


def _override(page: Page) -> None:
    """What cannot be is refused with the reason kept; what can is held at the device."""
    page.locator("select[name=target]").select_option(SETPOINT)
    form = page.locator("form[action='/overrides']")
    text = page.locator("[data-range-text]").inner_text()
    now = float(text.rpartition("now ")[2].split()[0])
    form.get_by_label("Reason").fill("a valve is being worked on")
    form.get_by_label("Value").evaluate("(e) => { e.removeAttribute('max'); e.value = '99'; }")
    form.get_by_role("button", name="Hold it").click()
    expect(page.locator(".said.bad")).to_contain_text("outside")
    expect(form.get_by_label("Reason")).to_have_value("a valve is being worked on")
    form.get_by_label("Value").fill(f"{now - 0.3:.1f}")
    form.get_by_role("button", name="Hold it").click()
    row = page.locator("#active tr", has_text="FWS supply")
    expect(row).to_contain_text("a valve is being worked on")
    expect(row.locator("td").nth(1)).to_have_text(f"{now - 0.3:.1f} °C", timeout=PATIENCE_MS)
    row.get_by_role("button", name="End it").click()
    expect(page.locator("#active")).to_contain_text("None")


def _undo(page: Page) -> None:
    page.get_by_role("link", name="Proposals").click()
    page.locator("#undo").get_by_role("button", name="Undo").first.click()
    expect(page.locator(".said.good")).to_contain_text("back to the values from before")


def _give_back(page: Page) -> None:
    """From any page: the mode falls to shadow, and the devices say that they are local."""
    page.get_by_role("link", name="Trends").click()
    page.locator(".give-back summary").click()
    page.get_by_role("button", name="devices back now").click()
    expect(page.locator(".said.good")).to_contain_text("given back")
    expect(page.locator(".mode b")).to_have_text("shadow", timeout=PATIENCE_MS)
    expect(page.locator("#setpoints td", has_text="Isotherm")).to_have_count(0, timeout=PATIENCE_MS)


def _lose_the_controller(page: Page, running: Running) -> None:
    """The page says that it is lost, and how the plant is given back without it."""
    page.get_by_role("link", name="Overview").click()
    live(page)
    serve = json.loads((running.folder.controller / "serve.json").read_text())
    os.kill(int(serve["pid"]), signal.SIGKILL)
    banner = page.locator(".lost")
    expect(banner).to_be_visible(timeout=PATIENCE_MS)
    expect(banner).to_contain_text("This page has lost Isotherm")
    expect(banner).to_contain_text(f"isotherm release --gateway {running.socket}")
    expect(page.locator("[data-link]")).to_have_text("no connection")
