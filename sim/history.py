"""A commissioning history: the facility moved jointly through its range, as its points saw it.

All setpoints move together and each on its own: steps of one unit at a time never visit the
joint extremes (plant-physics, «Learned model»). They move at the site's own rates, through the
devices, so that the history is one that a real site could record.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from facility.clock import from_iso
from facility.points import Access, Role
from facility.site import Actuator, Cooling, RackKind, Site
from sim.parameters import PlantParameters
from sim.plant.jobs import GeneratedLoad
from sim.plant.weather import swept_weather
from sim.run import warmed_up
from sim.simulation import Simulation

START = "2023-01-09"
SAMPLE_S = 60.0
DITHER_S = (1200.0, 3600.0)
"""How long a unit's own setpoint stands."""
JOINT_S = (2400.0, 7200.0)
"""How long the level stands that all units share."""
JOINT_WEIGHT = 0.6
TURN_BACK_K = {RackKind.DIRECT_TO_CHIP: 6.0, RackKind.AIR: 3.0}
"""So near its limit nobody experiments on with a rack: a job's start takes the rest in a minute."""
COVER = (0.0, 0.9)
"""Shares of the range from most to least cooling that are visited: the last tenth is for
nobody to go while racks are at work."""


def record_history(
    site: Site,
    parameters: PlantParameters,
    *,
    hours: float,
    seed: int,
    progress: Callable[[float], None] | None = None,
) -> pd.DataFrame:
    """Run an excited facility and sample all its measured points.

    Load and weather are the built-in generators', of ``seed``: jobs and inference, from
    winter to a heat wave. No trace that anything is judged on is part of it.

    Returns
    -------
    UTC times every 60 s, one column a readable tag, canonical units; NaN where there is no
    value.
    """
    start_s = from_iso(START)
    simulation = warmed_up(
        site,
        parameters,
        load=GeneratedLoad(site, seed, peak=1.03),
        weather=swept_weather(seed, hours, start_s),
        local_control="guideline36",
        start_s=start_s,
        seed=seed,
    )
    rng = np.random.default_rng([seed, 9])
    actuators = tuple(site.actuators.values())
    targets = _Targets(site, rng, start_s)
    devices = sorted({actuator.device for actuator in actuators})
    enable = {p.device: p.tag for p in site.points.values() if p.role is Role.ENABLE}
    heart = {p.device: p.tag for p in site.points.values() if p.role is Role.HEARTBEAT}
    held = {a.id: simulation.read(a.read_back).value or a.fallback for a in actuators}
    watched = _watched(site)
    readable = [p.tag for p in site.points.values() if p.access is not Access.WRITE]
    # The heart beats so often that the strictest watchdog of the site is content.
    beat_s = max(1.0, np.floor(min(d.watchdog_s for d in site.devices.values()) / 2.0))
    for actuator in actuators:
        simulation.write(actuator.id, held[actuator.id])
    beats, rows, times = 0, [], []
    samples = round(hours * 3600.0 / SAMPLE_S)
    for sample in range(samples):
        now_s = start_s + sample * SAMPLE_S
        targets.at(now_s)
        hot = _hot_units(simulation, watched)
        for actuator in actuators:
            target = targets.coldest(actuator) if actuator.equipment in hot else (
                targets.of(actuator)
            )  # fmt: skip
            held[actuator.id] = _towards(actuator, held[actuator.id], target)
            simulation.write(actuator.id, held[actuator.id])
        time_s = now_s
        while time_s < now_s + SAMPLE_S:
            beats += 1
            for device in devices:
                simulation.write(heart[device], float(beats % 60_000))
                if beats == 1:
                    simulation.write(enable[device], 1.0)
            time_s = min(time_s + beat_s, now_s + SAMPLE_S)
            simulation.advance(time_s)
        times.append(time_s)
        rows.append([_value(simulation.read(tag).value) for tag in readable])
        if progress is not None and sample % 16 == 0:
            progress(sample / samples)
    index = pd.to_datetime(np.array(times), unit="s", utc=True)
    index.name = "time"
    return pd.DataFrame(np.array(rows), index=index, columns=readable)


class _Targets:
    """Where each group of actuators is to go: a level that all share, and one of its own."""

    def __init__(self, site: Site, rng: np.random.Generator, start_s: float) -> None:
        self._rng = rng
        self._groups = tuple(site.groups)
        self._joint, self._joint_until_s = 0.5, start_s
        self._own = dict.fromkeys(self._groups, 0.5)
        self._until_s = dict.fromkeys(self._groups, start_s)

    def at(self, now_s: float) -> None:
        """Draw anew what has stood long enough."""
        rng = self._rng
        if now_s >= self._joint_until_s:
            self._joint = float(rng.uniform(*COVER))
            self._joint_until_s = now_s + float(rng.uniform(*JOINT_S))
        for group in self._groups:
            if now_s >= self._until_s[group]:
                self._own[group] = float(rng.uniform(*COVER))
                self._until_s[group] = now_s + float(rng.uniform(*DITHER_S))

    @staticmethod
    def coldest(actuator: Actuator) -> float:
        """The end of its range that cools most."""
        return actuator.maximum if actuator.cooling is Cooling.HIGHER else actuator.minimum

    def of(self, actuator: Actuator) -> float:
        """The value that ``actuator`` is to go to."""
        share = JOINT_WEIGHT * self._joint + (1.0 - JOINT_WEIGHT) * self._own[actuator.group]
        if actuator.cooling is Cooling.HIGHER:
            share = 1.0 - share
        return actuator.minimum + share * (actuator.maximum - actuator.minimum)


def _watched(site: Site) -> tuple[tuple[str, float, str], ...]:
    """Of each rack: the tag of its limited temperature, where to turn back, and its unit."""
    return tuple(
        (tag, rack.limit_c - TURN_BACK_K[rack.kind], rack.units[0])
        for rack in site.racks.values()
        if (tag := site.tag(rack.id, rack.limited_temperature)) is not None
    )


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
    return held + float(np.clip(target - held, -step, step))


AWAY_FACTOR = 6.0
"""A commissioning experiment is watched by people: away from cooling it goes faster than the
envelope lets an optimiser go, else a range would take hours to cross."""


def _value(value: float | None) -> float:
    return np.nan if value is None else value
