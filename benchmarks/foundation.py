"""The main job end to end: what a run saves against the plant's own control, and how it held."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.harness import Bench, Measure, data_folder
from facility.commands import Mode

SCOPE = (
    "one run of six hours on the simulated frontier site: measured heat of 2024-04-07 and the "
    "weather of Leesburg, Virginia, where the field data are at hand, else built-in generators; "
    "simulator, gateway and controller as processes over Modbus TCP and OPC UA in stepped time. "
    "--full adds twelve hours of a summer day on campus. A simulator's figures, not a plant's."
)
TRACE = Path("it_load") / "frontier_2024-04-07_cdu_heat_15s.csv"
WEATHER = Path("weather") / "USA_VA_Leesburg.epw"


def measure(bench: Bench) -> Iterator[Measure]:
    """Run the demonstration without a person and read its report."""
    data = data_folder()
    trace, weather = (
        (data / TRACE, data / WEATHER)
        if data and (data / TRACE).is_file() and (data / WEATHER).is_file()
        else (None, None)
    )
    inputs = "the measured trace" if trace else "generated load and weather"
    run = _run(bench, "frontier", 6.0, "2024-04-07", trace, weather)
    yield from _measures(run, "", f"demo --headless, frontier, 6 h, automatic, {inputs}")
    if bench.full:
        run = _run(bench, "campus", 12.0, "2024-07-15", None, weather)
        yield from _measures(run, "campus_", "demo --headless, campus, 12 h of a summer day")


def _run(
    bench: Bench, site: str, hours: float, start: str, load: Path | None, weather: Path | None
) -> Mapping[str, Any]:
    inputs = {
        "site": site,
        "hours": hours,
        "start": start,
        "load": load.name if load else None,
        "weather": weather.name if weather else None,
    }

    def compute() -> dict[str, Any]:
        from controller.demo.options import DemoOptions
        from controller.demo.orchestrate import headless

        stages: set[str] = set()

        def progress(stage: str, _share: float) -> None:
            if stage not in stages:
                stages.add(stage)
                bench.say(stage)

        with tempfile.TemporaryDirectory(prefix="isotherm-bench-") as folder:
            options = DemoOptions(
                site=site,
                hours=hours,
                start=start,
                mode=Mode.AUTOMATIC,
                out=Path(folder) / "out",
                load=load,
                weather=weather,
            )
            began = time.monotonic()
            report = headless(options, progress)
            return {"report": report, "seconds": time.monotonic() - began}

    result: Mapping[str, Any] = bench.step(f"{site}-{hours:g}h", inputs, compute)
    return result


def _measures(run: Mapping[str, Any], prefix: str, how: str) -> Iterator[Measure]:
    report = run["report"]
    accounts = "energy as the report's accounts count it: IT's difference and stored heat included"

    def saved(against: str) -> float:
        energy = report["energy_kwh"]
        return 1.0 - float(energy["isotherm"]) / float(energy[against])

    violation = report["limit_violation_degree_minutes"]
    worse = violation["isotherm"] - min(violation["guideline36"], violation["fixed"])
    ticks = max(int(report["ticks"]), 1)
    first, second = saved("guideline36"), saved("fixed")
    yield Measure(
        f"{prefix}saving_vs_guideline36", first, "share", 0.03, "at_least",
        how=f"{how}; {accounts}",
    )  # fmt: skip
    yield Measure(
        f"{prefix}saving_vs_fixed", second, "share", 0.0, "at_least", how=f"{how}; {accounts}"
    )
    yield Measure(
        f"{prefix}violation_above_baselines", float(worse), "K·min", 0.0, "at_most",
        how=f"{how}; degree-minutes above the limits on noise-free truth, less the lower of both "
        "baselines",
    )  # fmt: skip
    yield Measure(
        f"{prefix}held_share", float(report["actuator_hours_held_share"]), "share", 0.95,
        "at_least", how=f"{how}; actuator-hours in remote control, from what the devices received",
    )  # fmt: skip
    yield Measure(
        f"{prefix}fallback_share", float(report["fallbacks"]) / ticks, "share", 0.02, "at_most",
        how=f"{how}; ticks without a verified answer of a solver",
    )  # fmt: skip
    agrees = bool(report["journal_valid"]) and bool(report["journal_agrees_with_recorder"])
    yield Measure(
        f"{prefix}journal_agrees", float(agrees), "1 = yes", 1.0, "at_least",
        how=f"{how}; the chain verifies, and every write that the devices recorded is in it",
    )  # fmt: skip
    for name in ("tick_seconds_p50", "tick_seconds_p95"):
        yield Measure(
            f"{prefix}{name}", float(report[name]), "s", how=f"{how}; wall time of a control step"
        )
    yield Measure(
        f"{prefix}run_seconds", float(run["seconds"]), "s", 900.0, "at_most",
        how=f"{how}; wall time with both baselines, and with training where no model was kept",
    )  # fmt: skip
