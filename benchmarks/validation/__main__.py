"""``python -m benchmarks.validation [--plots]``: every comparison, as a table on stdout."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.validation import (
    components,
    cooling_loss,
    energyplus,
    frontier_day,
    office_zones,
)
from benchmarks.validation import machine_pictures as machines
from benchmarks.validation import plant_pictures as plants
from benchmarks.validation.drawing import FOLDER
from benchmarks.validation.office import SEASONS
from benchmarks.validation.same_plant import PLATE_SHARE, Agreement, compare

Row = tuple[str, str, str]
"""What, ours, what it is held against."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, print, and draw where that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.validation", description=__doc__)
    parser.add_argument(
        "--plots", action="store_true", help=f"draw the pictures of docs/simulation.md in {FOLDER}"
    )
    plots = parser.parse_args(arguments).plots
    rows = [*_energyplus(plots), *_machines(plots), *_failures(plots), *_frontier(plots)]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    for row in rows:
        print("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())
    if plots:
        for name, size in plants.sizes(FOLDER).items():
            print(f"{name}  {size / 1024:.0f} KiB")
    return 0


def _energyplus(plots: bool) -> Iterator[Row]:
    if not energyplus.available():
        yield "EnergyPlus", "not compared", "pyenergyplus-lbnl is not installed"
        return
    zones = office_zones.simulate()
    yield (
        "data-centre zones: heat handed on over IT",
        f"{100 * zones.handed_on:.1f} % ({100 * zones.least:.0f} to {100 * zones.most:.0f} %)",
        f"EnergyPlus alone, its large office as shipped, {zones.it_kw:.0f} kW of IT",
    )
    for season, share, tower, note in (
        (SEASONS[0], 1.0, "YorkCalc", "summer"),
        (SEASONS[0], 1.0, "CoolToolsCrossFlow", "summer, their own tower model"),
        (SEASONS[1], 1.0, "YorkCalc", "winter, UA of the economiser as at design"),
        (SEASONS[1], PLATE_SHARE, "YorkCalc", "winter, UA as our plates have it at those flows"),
    ):
        found = compare(season, tower=tower, exchanger_share=share)
        if tower == "YorkCalc" and plots and (share != 1.0 or not season.economiser):
            plants.energyplus(found)
        a = Agreement.of(found)
        theirs = f"EnergyPlus, {note}, {a.hours} h"
        yield "chiller electricity", f"{100 * a.chillers:+.1f} %", theirs
        yield "tower fan electricity", f"{100 * a.fans:+.1f} %", theirs
        yield "both", f"{100 * a.both:+.1f} %", theirs
        yield "season's COP", f"{100 * a.cop:+.1f} %", theirs
        yield "economiser heat", f"{100 * a.economiser:+.1f} %", theirs
        yield "worst hour of chiller power", f"{100 * a.worst_hour:.1f} % of peak", theirs
        yield "water leaving towers", f"{a.tower_k:.2f} K mean", theirs
        yield "water leaving condensers", f"{a.condenser_k:.2f} K mean", theirs
        yield "wet bulb", f"{a.wet_bulb_k:.2f} K at most", theirs
        if note == "summer":
            errors = components.chiller_errors(found.plant, found.steps)
            text = f"{100 * errors.min():+.2f} to {100 * errors.max():+.2f} %"
            yield "chiller at its states", text, f"EnergyPlus, {len(errors)} steps"
            apart = components.tower_errors_k(found.plant, found.steps)
            text = f"{apart.min():+.2f} to {apart.max():+.2f} K"
            yield "tower at its states", text, f"EnergyPlus, {len(apart)} steps at full speed"


def _machines(plots: bool) -> Iterator[Row]:
    for case in EXCHANGERS:
        error = components.exchanger_error(*case)
        what = f"CDU exchanger {case[0]:g}/{case[1]:g} L/s, {case[2]:g} kW/K"
        yield what, f"{100 * error:+.2f} %", "integration with CoolProp's fluids"
    worst = float(np.abs(components.wet_bulb_errors_k().to_numpy()).max())
    yield "wet bulb, 0 to 40 °C", f"{worst:.3f} K at most", "CoolProp HumidAir"
    if plots:
        machines.chiller_cop()
        machines.tower_approach()
        machines.rack_temperature()


EXCHANGERS = (
    (30.0, 28.0, 240.0, 37.0, 21.0),
    (20.0, 30.0, 150.0, 45.0, 30.0),
    (30.0, 15.0, 240.0, 37.0, 17.0),
)
"""Coolant and water, L/s; UA, kW/K; inlets, °C."""


def _failures(plots: bool) -> Iterator[Row]:
    pump = cooling_loss.cdu_pump_trip()
    yield pump.title, f"{60 * pump.minutes_to(pump.limit_c):.0f} s to limit", pump.published
    air = {
        "5 kW a rack": cooling_loss.all_crahs_trip(0.35),
        "11 kW a rack": cooling_loss.all_crahs_trip(0.75),
    }
    for label, trip in air.items():
        allowable = trip.minutes_to(35.0)
        shutdown = trip.minutes_to(cooling_loss.SHUTDOWN_INLET_C)
        yield f"{trip.title}, {label}", f"{allowable:.1f} / {shutdown:.1f} min", trip.published
    if plots:
        plants.pull_down(pump, air)


def _frontier(plots: bool) -> Iterator[Row]:
    path = frontier_day.trace_file()
    if path is None:
        yield "Frontier day", "not compared", "the trace is not at hand (ISOTHERM_DATA names it)"
        return
    day = frontier_day.simulate(path)
    settled = day.frame[day.frame.index > 0.5]
    back = settled["fws_return_c"]
    yield (
        "Frontier day: facility return",
        f"{back.quantile(0.05):.1f} to {back.quantile(0.95):.1f} °C (5 to 95 %)",
        "30 to 38 °C (Sun et al. 2024)",
    )
    flow = f"{settled['fws_ls'].mean():.0f} L/s mean"
    yield "Frontier day: facility water", flow, "about 379 L/s (6,000 gal/min)"
    late = f"{frontier_day.delay_s(day):.0f} s"
    yield "Frontier day: heat behind the chips", late, "minutes (Grant et al. 2026)"
    apart = day.frame["cdu_kw"].mean() / day.frame["measured_kw"].mean() - 1.0
    yield "Frontier day: heat carried over measured", f"{100 * apart:+.1f} %", "CDU pumps' heat"
    if plots:
        plants.frontier_day(day)


if __name__ == "__main__":
    sys.exit(main())
