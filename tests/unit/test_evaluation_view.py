"""The live view: what a terminal shows at the sizes people have, and lines where there is none."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from controller.demo.view import LiveView, render, status_line
from controller.frame import EventView, LiveFrame, RunView, Saving, frame_of, proposal_view
from facility.commands import Binding, Mode, Move, Proposal
from facility.loading import load_site
from facility.site import Site
from facility.telemetry import Authority, DeviceStatus, Quality, Reading, Snapshot
from sim.sites import write as write_site

NOW_S = 1_712_455_200.0
EVENTS = (
    EventView(NOW_S - 600.0, "mode", "all actuators automatic"),
    EventView(NOW_S - 60.0, "alarm", "r08b is 0.9 K above its limit"),
)


@pytest.fixture(scope="module", params=["frontier", "campus"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("site") / request.param
    write_site(request.param, folder, 20_000)
    return load_site(folder)


def lost(site: Site) -> str:
    """The device that does not answer."""
    return list(site.devices)[1]


def snapshot(site: Site, **changed: Reading) -> Snapshot:
    values = {"degC": 30.0, "kW": 10.0, "%": 60.0}
    readings = {
        p.tag: Reading(values.get(p.unit, 1.0), Quality.GOOD, NOW_S) for p in site.points.values()
    }
    devices = {
        name: DeviceStatus(name, name != lost(site), Authority.REMOTE, True, NOW_S, 2.0)
        for name in site.devices
    }
    devices["bms"] = DeviceStatus("bms", True, Authority.LOCAL, False, NOW_S, 2.0)
    return Snapshot(
        NOW_S, readings | changed, devices, dict.fromkeys(site.actuators, Mode.AUTOMATIC)
    )


def proposal(site: Site) -> Proposal:
    moves = tuple(
        Move(a.id, a.fallback, a.fallback + 0.1 * number)
        for number, a in enumerate(site.actuators.values())
    )
    return Proposal(
        *("p1", "hash", NOW_S - 60.0, NOW_S + 1740.0, moves, 82.4, 193.0, (), ()),
        binding=(Binding("case temperature of r08b", 1.0, "K"),),
        region=(),
        model_version="m",
        solver="piqp",
        verified=True,
    )


def frame(site: Site, **changed: Reading) -> LiveFrame:
    run = RunView(
        started_s=NOW_S - 7200.0,
        ends_s=NOW_S + 14_400.0,
        proposal=proposal_view(site, proposal(site)),
        saving=Saving(412.0, 430.0, "Guideline 36", NOW_S - 60.0),
        events=EVENTS,
        docs_url="http://127.0.0.1:8080/docs",
    )
    return frame_of(site, snapshot(site, **changed), run)


def screen(view: LiveFrame, width: int, height: int) -> list[str]:
    console = Console(width=width, height=height, file=io.StringIO(), color_system=None)
    with console.capture() as capture:
        console.print(render(view, width, height), height=height)
    return capture.get().splitlines()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (140, 45), (220, 70)])
def test_the_screen_fits_and_shows_what_matters(site: Site, width: int, height: int) -> None:
    lines = screen(frame(site), width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    for words in (
        *("AUTOMATIC", "2024-04-07 02:00:00 UTC", "2 h of 6 h", "PUE", "+4.2 % (+18 kWh)"),
        *("+82.4 kW saved", "expires in 29 min", "r08b is 0.9 K", f"NO CONNECTION: {lost(site)}"),
        *("http://127.0.0.1:8080/docs", "Ctrl-C"),
    ):
        assert words in text


def test_a_terminal_of_no_size_does_not_break_it(site: Site) -> None:
    assert screen(frame(site), 20, 5)


def test_a_rack_over_its_limit_is_said_in_words(site: Site) -> None:
    rack = next(iter(site.racks.values()))
    tag = site.tag(rack.id, rack.limited_temperature)
    assert tag is not None
    hot = Reading(rack.limit_c + 1.5, Quality.GOOD, NOW_S)
    text = "\n".join(screen(frame(site, **{tag: hot}), 140, 45))
    assert f"{rack.id} {rack.limit_c + 1.5:.1f} °C, 1.5 K OVER ITS LIMIT" in text


def test_one_silent_meter_leaves_no_total(site: Site) -> None:
    tag = site.tag("warm", "pump_power")
    assert tag is not None
    view = frame(site, **{tag: Reading(10.0, Quality.STALE, NOW_S - 60.0, "missed")})
    assert view.power_kw["pumps"] is None
    assert view.cooling_kw is None
    assert view.pue is None
    assert "PUE –" in "\n".join(screen(view, 80, 24))


def test_moves_are_told_by_group(site: Site) -> None:
    view = proposal_view(site, proposal(site))
    assert len(view.moves) == len(site.groups)
    assert sum(move.points for move in view.moves) == len(site.actuators)
    assert all(move.unit in ("°C", "L/s", "%") for move in view.moves)


def test_without_a_terminal_each_event_is_one_line_once(site: Site) -> None:
    out = io.StringIO()
    with LiveView(Console(file=out, width=80)) as view:
        assert not view.interactive
        view.progress("training the model")
        view.progress("training the model")
        view.show(frame(site))
        view.show(frame(site))
    lines = out.getvalue().splitlines()
    assert sum("r08b is 0.9 K above its limit" in line for line in lines) == 1
    assert sum("automatic · " in line for line in lines) == 1
    assert lines[:2] == ["training the model", "REST documentation: http://127.0.0.1:8080/docs"]
    assert "\x1b" not in out.getvalue()


def test_a_status_line_says_it_all_in_one(site: Site) -> None:
    line = status_line(frame(site))
    assert "\n" not in line
    assert "automatic" in line
    assert "+4.2 %" in line


def test_ctrl_c_gives_the_terminal_back(site: Site) -> None:
    out = io.StringIO()
    console = Console(file=out, width=80, height=24, force_terminal=True, color_system=None)
    with pytest.raises(KeyboardInterrupt), LiveView(console) as view:  # noqa: PT012 - as it comes
        view.show(frame(site))
        raise KeyboardInterrupt
    assert out.getvalue().count("\x1b[?1049h") == out.getvalue().count("\x1b[?1049l") == 1
    assert out.getvalue().rindex("\x1b[?25h") > out.getvalue().rindex("\x1b[?25l")
