"""The envelope's worst case against the simulated plant: what it admits survives there.

Setpoints are drawn at random and then taken to the very edge of what the worst case admits; the
plant stands at a low load under them, every rack rises to its rated power in a minute, a unit is
lost, and the plant is left alone or handed back. No limit may be broken on noise-free truth.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from facility.devices import Actuator
from facility.site import Site
from models.contract import Array
from safety.arithmetic import units
from safety.backup import Backup
from safety.backup_held import WorstCase
from safety.backup_site import backup_of
from sim.parameters import PlantParameters
from sim.plant.weather import ConstantWeather
from sim.simulation import Simulation
from tests.planning_plant import reference_site

START_S = 1_720_008_000.0
WARM_S = 7200.0
MINUTES = 25


class StepLoad:
    """Every rack at a share of its rated power, and at all of it a minute after a moment."""

    def __init__(self, site: Site, share: float, at_s: float) -> None:
        self._rated_kw = np.array([rack.rated_kw for rack in site.racks.values()])
        self._share, self._at_s = share, at_s

    def starting_at(self, start_s: float) -> StepLoad:
        return self

    def rack_kw(self, times_s: Array) -> Array:
        risen = np.clip((times_s - self._at_s) / 60.0, 0.0, 1.0)
        share = self._share + (1.0 - self._share) * risen
        return np.asarray(share[:, None] * self._rated_kw)

    def wet_bulb(self) -> None:
        return None

    def ends_at_s(self) -> float:
        return np.inf


def at_the_edge(site: Site, rng: np.random.Generator, wet_bulb_c: float) -> dict[str, float]:
    """Random setpoints, alike for units of a kind, then taken just within the worst case."""
    share = {quantity: rng.uniform() for quantity in sorted({a.quantity for a in _all(site)})}
    held = {a.id: a.minimum + share[a.quantity] * (a.maximum - a.minimum) for a in _all(site)}
    order = list(share)
    rng.shuffle(order)
    for quantity in order * 2:
        for actuator in _all(site):
            if actuator.quantity == quantity:
                admitted = _asked(site, held, wet_bulb_c).interval(actuator.id)
                low, high = admitted.lower, admitted.upper
                value = held[actuator.id]
                value = value if low is None else max(value, units(low))
                held[actuator.id] = value if high is None else min(value, units(high))
    return held


def _all(site: Site) -> list[Actuator]:
    return list(site.actuators.values())


@cache
def _backup(name: str) -> Backup:
    return backup_of(reference_site(name))


def _asked(site: Site, held: dict[str, float], wet_bulb_c: float) -> WorstCase:
    return WorstCase(_backup(site.id), lambda name: (held[name],), wet_bulb_c)


def _lose(simulation: Simulation, unit: str) -> None:
    state = simulation._memory.state
    if unit == "tower":
        state.towers["available"][0] = 0.0
    elif unit == "crah":
        state.crahs["tripped"][1] = 1.0
    else:
        running = np.flatnonzero(state.chillers["running"] > 0.5)
        state.chillers["tripped"][running[0] if running.size else 0] = 1.0


@pytest.mark.parametrize(
    ("name", "lost", "seed"),
    [
        ("frontier", "tower", 1),
        ("frontier", "chiller", 2),
        ("campus", "crah", 3),
        ("campus", "tower", 4),
        ("campus", "chiller", 5),
    ],
)
def test_what_the_worst_case_admits_survives_it(name: str, lost: str, seed: int) -> None:
    site, rng = reference_site(name), np.random.default_rng(seed)
    wet_bulb_c = float(rng.uniform(-5.0, 25.0))
    held = at_the_edge(site, rng, wet_bulb_c)
    worst = _asked(site, held, wet_bulb_c)
    assert max(worst.excess_k(i) for i in range(len(_backup(name).circuits))) <= 1e-3
    at_s = START_S + WARM_S
    plant = Simulation(
        site,
        PlantParameters.for_site(site, seed),
        load=StepLoad(site, float(rng.uniform(0.1, 0.4)), at_s),
        weather=ConstantWeather(wet_bulb_c + 6.0, wet_bulb_c),
        local_control="guideline36" if seed % 2 else "fixed",
        start_s=START_S,
        seed=seed,
    )
    plant.set_at_panel(held)
    plant.advance(at_s)
    for handed_back in (False, True):
        alone = plant.copy()
        alone.open_accounts()
        _lose(alone, lost)
        if handed_back:
            alone.set_at_panel({})
        alone.advance(at_s + 60.0 * MINUTES)
        accounts = alone.accounts()
        assert accounts.limit_violation_degree_minutes == 0.0
        assert accounts.throttled_kwh == 0.0
