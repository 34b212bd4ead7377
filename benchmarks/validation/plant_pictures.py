"""Pictures of whole plants: failures, the Frontier day, EnergyPlus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.validation.cooling_loss import SHUTDOWN_INLET_C, Trip
from benchmarks.validation.drawing import (
    BLUE,
    GREEN,
    GREY,
    LIGHT,
    ORANGE,
    PUBLISHED,
    RED,
    picture,
)
from benchmarks.validation.frontier_day import Day
from benchmarks.validation.same_plant import SETTLED_H, Comparison


def pull_down(pump: Trip, air: dict[str, Trip]) -> None:
    """Racks after a CDU's pump trip, and after all CRAH fans have tripped."""
    with picture("pull-down", columns=2, height=3.7) as (left, right):
        _band(left, pump, ORANGE, "its ten racks", 1.0)
        left.axhline(pump.limit_c, color=RED, linewidth=1.0, linestyle=(0, (4, 2)))
        left.text(-28, pump.limit_c + 0.7, "limit of the case", color=RED, fontsize=8.5)
        left.plot([60.0], [pump.limit_c], **PUBLISHED, label="measured: shutdown within 1 min")
        left.set(
            title="CDU pump trip, full load",
            xlabel="seconds after the trip",
            ylabel="hottest case, °C",
            xlim=(-30, 120),
            ylim=(55, 115),
        )
        left.legend(loc="upper left")
        for (label, trip), colour in zip(air.items(), (BLUE, ORANGE), strict=True):
            _band(right, trip, colour, label, 60.0)
        right.axhline(35.0, color=GREY, linewidth=1.0, linestyle=(0, (4, 2)))
        right.text(8.9, 33.4, "A2 allowable", color=GREY, fontsize=8.5, ha="right")
        right.axhline(SHUTDOWN_INLET_C, color=RED, linewidth=1.0, linestyle=(0, (4, 2)))
        right.text(-0.9, SHUTDOWN_INLET_C + 0.5, "A3 allowable", color=RED, fontsize=8.5)
        right.plot(
            [3.15, 1.0],
            [SHUTDOWN_INLET_C, SHUTDOWN_INLET_C],
            **PUBLISHED,
            label="measured shutdown: 5 kW 3:09, 10 kW under 1:00",
        )
        right.set(
            title="All CRAH fans trip",
            xlabel="minutes after the trip",
            ylabel="server inlet, °C",
            xlim=(-1, 9),
            ylim=(15, 65),
        )
        right.legend(loc="upper left")


def _band(axes: Any, trip: Trip, colour: str, label: str, unit_s: float) -> None:
    """Range of the racks, the hottest as a line."""
    every = 3 if unit_s > 1.0 else 1
    t = trip.seconds[::every] / unit_s
    frame = trip.temperature_c.iloc[::every]
    low, high = frame.min(axis=1), frame.max(axis=1)
    axes.fill_between(t, low, high, color=colour, alpha=0.22, linewidth=0)
    axes.plot(t, high, color=colour, label=label)


def frontier_day(day: Day) -> None:
    """A measured day: heat, temperatures, flow."""
    frame = day.frame[day.frame.index > 0.5].iloc[::8]
    hours = frame.index.to_numpy()
    with picture(
        "frontier-day", rows=3, height=6.6, sharex=True, height_ratios=(1.0, 1.3, 0.8)
    ) as (heat, temperatures, flow):
        heat.plot(hours, frame["measured_kw"] / 1e3, color=RED, label="measured, 25 CDUs")
        heat.plot(
            hours,
            frame["cdu_kw"] / 1e3,
            color=BLUE,
            linewidth=1.1,
            label="simulated, into the facility water",
        )
        heat.set(title="Heat, MW", ylim=(0, 34))
        heat.legend(loc="upper right", ncols=2)
        temperatures.axhspan(30.0, 38.0, color=RED, alpha=0.10, lw=0)
        temperatures.text(
            0.1, 24.0, "band: waste heat as published, 30 to 38 °C", color=RED, fontsize=8.5
        )
        for column, colour, label in (
            ("case_c", GREY, "hottest case"),
            ("tcs_return_c", ORANGE, "TCS return"),
            ("fws_return_c", GREEN, "facility return (waste heat)"),
            ("tcs_supply_c", BLUE, "TCS supply"),
        ):
            temperatures.plot(hours, frame[column], color=colour, label=label, linewidth=1.3)
        temperatures.set(title="Temperatures, °C", ylim=(20, 88))
        temperatures.legend(loc="upper right", ncols=4)
        flow.plot(hours, frame["fws_ls"], color=BLUE, label="simulated")
        flow.axhline(378.5, color=RED, linewidth=1.2, linestyle=(0, (4, 2)))
        flow.text(12.9, 520.0, "about 6,000 gal/min as published", color=RED, fontsize=8.5)
        flow.set(
            title="Facility water, L/s", xlabel="hours of 2024-04-07", xlim=(0, 24), ylim=(0, 900)
        )


NAMES = {
    "chillers_kw": "chillers", "fans_kw": "fans", "tower_c": "towers", "condenser_c": "condensers",
    "economiser_kw": "economiser", "cooling_kw": "chillers", "return_c": "return",
}  # fmt: skip


def energyplus(found: Comparison) -> None:
    """The same days in both engines."""
    a, b = found.ours.iloc[SETTLED_H:], found.theirs.iloc[SETTLED_H:]
    rows = (
        (("chillers_kw", "fans_kw"), "Electricity: chillers and tower fans, kW"),
        (("tower_c", "condenser_c"), "Water leaving towers and condensers, °C"),
    )
    if found.season.economiser:
        rows = (
            (("economiser_kw", "cooling_kw"), "Cooling: economiser and chillers, kW"),
            (("tower_c", "return_c"), "Tower water and chilled-water return, °C"),
        )
    with picture(f"energyplus-{found.season.name}", rows=2, height=5.0, sharex=True) as axes:
        for panel, (columns, title) in zip(axes, rows, strict=True):
            for column, colour in zip(columns, (BLUE, ORANGE), strict=True):
                name = NAMES[column]
                panel.plot(a.index, a[column], color=colour, label=f"ours, {name}")
                panel.plot(
                    b.index,
                    b[column],
                    color="#101418",
                    linestyle="none",
                    marker="o" if colour == BLUE else "x",
                    markersize=3.2,
                    label=f"EnergyPlus, {name}",
                )
            panel.set(title=title, xlim=(0, len(found.ours)))
            panel.margins(y=0.28)
            if "kW" in title:
                panel.set_ylim(bottom=0.0)
            panel.legend(loc="upper right", ncols=4)
            panel.set_xticks(np.arange(0, len(found.ours) + 1, 12))
        season = found.season
        axes[1].set_xlabel(f"hours from {season.month:02d}-{season.day:02d}, Dulles, Virginia")
        for axis in axes:
            for day in range(24, len(found.ours), 24):
                axis.axvline(day, color=LIGHT, linewidth=0.8)


def sizes(folder: Path) -> dict[str, int]:
    """Bytes of each picture by name."""
    return {path.name: path.stat().st_size for path in sorted(folder.glob("*.svg"))}
