"""The simulated plant under the control step and the envelope, without gateway and devices.

What shadow runs are held against: the same step and envelope as in a shadow run, but on the plant
itself, whose setpoints are set at the devices' panels. Minutes cost what the plant costs, so that
weeks can be run; the whole controller in one process is `controller.evaluation.in_process`.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from controller.evaluation.shadow.beside import EnvelopeBeside, shown
from controller.evaluation.shadow.inputs import LearnedParts
from facility.points import Access
from facility.site import Site
from facility.telemetry import Quality, Reading, Snapshot

if TYPE_CHECKING:
    from sim.scenarios.build import Prepared
    from sim.simulation import Simulation

ROW_S = 60.0


@dataclass(frozen=True)
class Ran:
    """A run's account, on noise-free truth, and what its sensors showed."""

    energy_kwh: float
    """Of cooling."""
    it_energy_kwh: float
    violation_k_min: float
    """Degree-minutes above the named limits."""
    measured: pd.DataFrame
    setpoints: dict[str, float]
    """By actuator: its mean."""


def saving(ours: Ran, local: Ran) -> float:
    """Share of the cooling energy saved, more IT energy than under local control counted."""
    used = ours.energy_kwh + ours.it_energy_kwh - local.it_energy_kwh
    return 1.0 - used / local.energy_kwh


def run_at_panels(
    prepared: Prepared, local_control: str, panel: dict[str, float] | None = None
) -> Ran:
    """A scenario under the plant's own control, some setpoints set at the panels for good."""
    hall = _Hall(prepared.site, prepared.warmed_up(local_control))
    hall.simulation.set_at_panel(panel or {})
    rows = [hall.row()]
    while hall.now_s < prepared.ends_s - 1e-6:
        hall.simulation.advance(min(hall.now_s + ROW_S, prepared.ends_s))
        rows.append(hall.row())
    return _ran(hall, rows)


def run_controlled(
    prepared: Prepared,
    site: Site,
    parts: LearnedParts,
    every_s: float,
    say: Callable[[float], None] | None = None,
) -> Ran:
    """A scenario under the control step, every ``every_s``, from its first hour's half on."""
    return asyncio.run(_controlled(prepared, site, parts, every_s, say))


async def _controlled(
    prepared: Prepared,
    site: Site,
    parts: LearnedParts,
    every_s: float,
    say: Callable[[float], None] | None,
) -> Ran:
    from controller.tick import TickState, tick
    from models.thermal import MEMORY_ROWS

    hall = _Hall(site, prepared.warmed_up("guideline36"))
    gateway = EnvelopeBeside(hall)
    wired = parts.wired(site, gateway, prepared.grid)
    state, rows = TickState.start(site), [hall.row()]
    next_s = prepared.start_s + MEMORY_ROWS * ROW_S
    while hall.now_s < prepared.ends_s - 1e-6:
        hall.simulation.advance(min(hall.now_s + ROW_S, prepared.ends_s))
        rows.append(hall.row())
        snapshot = hall.snapshot()
        state = state.seen(snapshot)
        gateway.scan(snapshot)
        if hall.now_s >= next_s:
            next_s = hall.now_s + every_s
            state, _record = await tick(state, hall.snapshot(), wired)
        hall.simulation.set_at_panel(hall.held)
        if say is not None:
            say((hall.now_s - prepared.start_s) / (prepared.ends_s - prepared.start_s))
    return _ran(hall, rows)


def _ran(hall: _Hall, rows: list[tuple[float, dict[str, float | None]]]) -> Ran:
    accounts = hall.simulation.accounts()
    index = pd.to_datetime(np.array([time_s for time_s, _ in rows]) * 1e9, utc=True)
    frame = pd.DataFrame([values for _, values in rows], index=index, dtype=np.float64)
    means = {a.id: float(frame[a.read_back].mean()) for a in hall.site.actuators.values()}
    return Ran(
        accounts.cooling_energy_kwh,
        accounts.it_energy_kwh,
        accounts.limit_violation_degree_minutes,
        frame,
        means,
    )


class _Hall:
    """The plant as a hall whose setpoints are ours (`controller.evaluation.shadow.beside.Hall`)."""

    def __init__(self, site: Site, simulation: Simulation) -> None:
        self.site, self.simulation = site, simulation
        self.armed: set[str] = set()
        self.held: dict[str, float] = {}
        self._tags = [p.tag for p in site.points.values() if p.access is not Access.WRITE]
        self._own: dict[str, dict[str, Reading]] = {name: {} for name in site.devices}
        self._row: tuple[float, dict[str, float | None]] | None = None

    @property
    def now_s(self) -> float:
        """Plant time."""
        return self.simulation.now_s

    def row(self) -> tuple[float, dict[str, float | None]]:
        """What sensors show now; read once a moment."""
        if self._row is None or self._row[0] != self.now_s:
            self._row = self.now_s, {tag: self.simulation.read(tag).value for tag in self._tags}
        return self._row

    def snapshot(self) -> Snapshot:
        """The plant now; what has just been set is shown as in force."""
        now_s, (_, values) = self.now_s, self.row()
        values = values | {self.site.actuators[name].read_back: v for name, v in self.held.items()}
        readings = {
            tag: Reading(None, Quality.BAD, now_s)
            if value is None
            else Reading(value, Quality.GOOD, now_s)
            for tag, value in values.items()
        }
        return shown(self.site, now_s, readings, self.armed, self._own)

    def hold(self, actuator: str, value: float) -> None:
        """Set an actuator with the next step."""
        self.held[actuator] = value

    def give_back(self, device: str) -> None:
        """Local control's again."""
        self.armed.discard(device)
        for actuator in self.site.device_actuators(device):
            self.held.pop(actuator.id, None)


def site_and_model(prepared: Prepared, home: str) -> tuple[Site, Path]:
    """A scenario's site as its files give it, and a model of it: trained where none is kept."""
    from controller.demo.model import ensure_model
    from controller.evaluation.in_process import lay_site

    os.environ["ISOTHERM_HOME"] = home
    with tempfile.TemporaryDirectory(prefix="isotherm-bench-") as name:
        site = lay_site(prepared, Path(name))
        model, _new = ensure_model(Path(name) / "site", seed=1, progress=lambda *_: None)
    return site, model


def shadow_trial(
    *, scenario: str, seed: int, hours: float, every_s: float, baseline: str, home: str
) -> dict[str, Any]:
    """A shadow run's verdict on a record, and the truth of the same period in closed loop.

    ``baseline`` is the plant's own control in the record: ``guideline36``, ``fixed``, or ``kept``,
    where somebody has set the panels to what Isotherm would choose on average.
    """
    from controller.evaluation.shadow import estimate, reasons, run_shadow
    from controller.evaluation.shadow.inputs import learned_parts
    from sim.scenarios import find, prepare

    prepared = prepare(find(scenario), seed=seed, hours=hours)
    site, model = site_and_model(prepared, home)
    parts = learned_parts(site, model)
    ours = run_controlled(prepared, site, parts, every_s)
    if baseline == "kept":
        local = run_at_panels(prepared, "guideline36", ours.setpoints)
    else:
        local = run_at_panels(prepared, baseline)
    study = asyncio.run(
        run_shadow(
            site,
            parts.bundle,
            local.measured,
            parts.planner,
            parts.settings,
            prices=prepared.grid,
            every_s=every_s,
        )
    )
    found = estimate(study, parts.bundle)
    if found.interval_share is None or found.blocks is None:
        raise ValueError(f"{hours:g} hours are too short for an interval")
    low, high = found.interval_share
    against = [reason.name for reason in reasons(study, found) if not reason.holds]
    return {
        "estimate": found.saved_share,
        "low": low,
        "high": high,
        "truth": saving(ours, local),
        "violation_ours_k_min": ours.violation_k_min,
        "violation_local_k_min": local.violation_k_min,
        "least_saving_share": site.go_no_go.least_saving_share,
        "against": against,
        "spread_blocks": found.blocks.spread,
        "spread_model": found.spread_model,
        "spread_leakage": found.spread_leakage,
        "slope": found.slope,
        "model_error_share": found.model_error_share,
        "held_share": study.held_share,
    }
