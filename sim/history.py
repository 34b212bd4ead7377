"""A commissioning history: the facility moved jointly through its range, as its points saw it.

All setpoints move together and each on its own: steps of one unit at a time never visit the
joint extremes (plant-physics, «Learned model»). People set them at the devices' panels and at
the site's own rates, and turn back before a rack's limit, so that the history is one that a
real site could record.
"""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context, parent_process

import numpy as np
import pandas as pd

from facility.clock import from_iso
from facility.devices import Actuator
from facility.excitation import COVER, MOVED, RESTS, Design, Targets, turn_backs
from facility.points import Access
from facility.quantities import STAGE_REQUEST
from facility.site import Site
from sim.parameters import PlantParameters
from sim.plant.jobs import GeneratedLoad
from sim.plant.layout import Array
from sim.plant.weather import WeatherSource, swept_weather
from sim.plant.workload import LoadSource
from sim.run import warmed_up
from sim.simulation import Simulation

START = "2023-01-09"
SAMPLE_S = 60.0
MOVED_HOURS, REST_HOURS = 96.0, 108.0
SCANS = 5
"""Readings of a minute that its row is the mean of, as in a running controller: a load that steps
within the minute shows when."""
LOW_EVERY_S = (7200.0, 28_800.0)
LOW_FOR_S = (2400.0, 9000.0)
LOW_SHARE = (0.25, 0.7)
LOW_RAMP_S = 60.0
"""How often the whole hall falls, for how long, to what share of its load, and how fast."""
IDLE_SHARE = 0.15
"""Of nameplate: no rack that is on takes less."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the facility meets while its history is recorded."""

    weather: WeatherSource | None = None
    """None: from winter to a heat wave."""
    peak_load: float = 1.03
    """Of the generated load, share of the nameplate."""
    cover: tuple[float, float] = COVER
    """Shares of the setpoints' ranges, from most to least cooling, that are visited."""
    design: Design = MOVED
    """Of the experiment."""
    start_s: float = from_iso(START)


def record_history(
    site: Site,
    parameters: PlantParameters,
    *,
    hours: float,
    seed: int,
    conditions: Conditions | None = None,
    progress: Callable[[float], None] | None = None,
) -> pd.DataFrame:
    """Run an excited facility and sample all its measured points.

    Load and weather are the built-in generators', of ``seed``: jobs and inference, now and
    then with the whole hall down to a third of it, from winter to a heat wave. No trace that
    anything is judged on is part of it.

    Returns
    -------
    UTC times every 60 s, one column a readable tag, canonical units, the mean of the minute (of
    what is set or switched, its end); NaN where there is no value.
    """
    met = conditions or Conditions()
    start_s = met.start_s
    simulation = warmed_up(
        site,
        parameters,
        load=WholeHall(GeneratedLoad(site, seed, peak=met.peak_load), site, seed),
        weather=met.weather or swept_weather(seed, hours, start_s),
        local_control="guideline36",
        start_s=start_s,
        seed=seed,
    )
    excitation = Excitation(site, seed, simulation, met)
    readable = [p.tag for p in site.points.values() if p.access is not Access.WRITE]
    sensed = tuple(tag for tag in readable if simulation.is_sensor(tag))
    rows, times = [], []
    samples = round(hours * 3600.0 / SAMPLE_S)
    for sample in range(samples):
        now_s = start_s + sample * SAMPLE_S
        excitation.move(simulation)
        scans = []
        for scan in range(1, SCANS + 1):
            simulation.advance(now_s + scan * SAMPLE_S / SCANS)
            scans.append(simulation.sense(sensed))
        means = dict(zip(sensed, np.mean(scans, axis=0), strict=True))
        times.append(now_s + SAMPLE_S)
        rows.append([means[t] if t in means else _value(simulation, t) for t in readable])
        if progress is not None and sample % 16 == 0:
            progress(sample / samples)
    index = pd.to_datetime(np.array(times), unit="s", utc=True)
    index.name = "time"
    return pd.DataFrame(np.array(rows), index=index, columns=readable)


def record_commissioning(
    site: Site,
    parameters: PlantParameters,
    *,
    seed: int,
    progress: Callable[[float], None] | None = None,
) -> pd.DataFrame:
    """What a model is taught: the hall moved through its ranges, then left alone at many levels.

    A table as of `record_history`, `MOVED_HOURS` and `REST_HOURS` long; the two are recorded side
    by side, the first in a process of its own. ``progress`` is the second's, which is longer.
    """
    rests = Conditions(design=RESTS, start_s=from_iso(START) + 3600.0 * MOVED_HOURS)
    pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=_end_with_parent)
    with pool as beside:
        moved = beside.submit(record_history, site, parameters, hours=MOVED_HOURS, seed=seed)
        rested = record_history(
            site, parameters, hours=REST_HOURS, seed=seed, conditions=rests, progress=progress
        )
        return pd.concat([moved.result(), rested])


def _end_with_parent() -> None:
    """A process beside ends with the one that started it, however that one ends."""
    parent = parent_process()
    if parent is not None:

        def follow() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=follow, daemon=True).start()


class Excitation:
    """People at the panels who move all setpoints, jointly and each on its own.

    Parameters
    ----------
    simulation
        The facility as it stands when they begin.
    """

    def __init__(
        self,
        site: Site,
        seed: int,
        simulation: Simulation,
        conditions: Conditions | None = None,
    ) -> None:
        met = conditions or Conditions()
        self._actuators = tuple(site.actuators.values())
        uniform = np.random.default_rng([seed, 9]).uniform
        self._targets = Targets(site, uniform, simulation.now_s, met.cover, met.design)
        self._held = {
            a.id: simulation.read(a.read_back).value or a.fallback for a in self._actuators
        }
        self._watched = turn_backs(site)
        self._wet_bulb = next(iter(site.tags("wet_bulb_temperature")), None)

    def move(self, simulation: Simulation) -> None:
        """Set every panel for the next `SAMPLE_S`; racks near a limit get all the cooling."""
        outdoor = simulation.read(self._wet_bulb) if self._wet_bulb else None
        self._targets.at(simulation.now_s, outdoor.value if outdoor else None)
        hot = _hot_units(simulation, self._watched)
        for actuator in self._actuators:
            target = self._targets.of(actuator)
            if actuator.equipment in hot:
                target = self._targets.coldest(actuator)
            self._held[actuator.id] = _towards(actuator, self._held[actuator.id], target)
        simulation.set_at_panel(self._held)


class WholeHall:
    """A load whose racks now and then all fall together, as before a maintenance or a job
    that fills the hall: pods of a generator never all idle at once, so the plant would not be
    seen at low load.
    """

    def __init__(self, load: LoadSource, site: Site, seed: int) -> None:
        self._load = load
        self._idle_kw = IDLE_SHARE * np.array([rack.rated_kw for rack in site.racks.values()])
        rng = np.random.default_rng([seed, 10])
        spans_s = rng.uniform(*LOW_EVERY_S, 2000)
        self._starts_s = np.cumsum(spans_s)
        self._low_s = rng.uniform(*LOW_FOR_S, 2000)
        self._share = rng.uniform(*LOW_SHARE, 2000)
        self._origin_s = 0.0

    def starting_at(self, start_s: float) -> LoadSource:
        moved = copy.copy(self)
        moved._load, moved._origin_s = self._load.starting_at(start_s), start_s
        return moved

    def rack_kw(self, times_s: Array) -> Array:
        t = times_s - self._origin_s
        at = np.clip(np.searchsorted(self._starts_s, t, side="right") - 1, 0, None)
        into = t - self._starts_s[at]
        edge = np.clip(np.minimum(into, self._low_s[at] - into) / LOW_RAMP_S, 0.0, 1.0)
        kw = self._load.rack_kw(times_s)
        above = np.maximum(kw - self._idle_kw, 0.0)
        return np.asarray(kw - above * ((1.0 - self._share[at]) * edge)[:, None])

    def wet_bulb(self) -> tuple[Array, Array] | None:
        return self._load.wet_bulb()

    def ends_at_s(self) -> float:
        return self._load.ends_at_s()


def _hot_units(
    simulation: Simulation, watched: tuple[tuple[str, float, str], ...]
) -> frozenset[str]:
    """Units with a rack that is near its limit: people at the experiment give them cooling."""
    seen = ((simulation.read(tag).value, turn_c, unit) for tag, turn_c, unit in watched)
    return frozenset(unit for value, turn_c, unit in seen if value is not None and value > turn_c)


def _towards(actuator: Actuator, held: float, target: float) -> float:
    """One minute's move at most, by direction."""
    towards = actuator.is_more_cooling(target, held)
    rate = actuator.rate_towards_per_min if towards else actuator.rate_away_per_min * AWAY_FACTOR
    step = rate * SAMPLE_S / 60.0
    if actuator.quantity == STAGE_REQUEST:  # whole machines
        step = max(1.0, np.floor(step))
    return held + float(np.clip(target - held, -step, step))


AWAY_FACTOR = 6.0
"""A commissioning experiment is watched by people: away from cooling it goes faster than the
envelope lets an optimiser go, else a range would take hours to cross."""


def _value(simulation: Simulation, tag: str) -> float:
    value = simulation.read(tag).value
    return np.nan if value is None else value
