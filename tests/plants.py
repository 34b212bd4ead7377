"""Reference plants for tests, brought to a standing state once and copied for each use."""

from __future__ import annotations

import functools

from facility.clock import from_iso
from facility.loading import parse_site
from facility.site import Site
from sim.parameters import PlantParameters
from sim.plant.jobs import GeneratedLoad
from sim.plant.weather import ConstantWeather, generated_weather
from sim.plant.workload import ConstantLoad
from sim.run import warmed_up
from sim.simulation import Simulation
from sim.sites import DESIGNS
from sim.sites.writer import texts

START_S = from_iso("2024-07-10")
LIVED_S = 6.0 * 3600.0


@functools.cache
def reference(name: str) -> tuple[Site, PlantParameters]:
    """A reference site and its plant of seed 1."""
    files = dict(texts(DESIGNS[name](), 15_000))
    site = parse_site(files["site.toml"], files["points.csv"])
    return site, PlantParameters.for_site(site, 1)


def standing(
    name: str,
    *,
    share: float = 0.8,
    wet_bulb_c: float = 18.0,
    dry_bulb_c: float | None = None,
    control: str = "guideline36",
) -> Simulation:
    """A plant that stands under constant load and weather: a copy of one's own."""
    dry_c = wet_bulb_c + 7.0 if dry_bulb_c is None else dry_bulb_c
    return _standing(name, share, dry_c, wet_bulb_c, control).copy()


@functools.cache
def _standing(name: str, share: float, dry_c: float, wet_c: float, control: str) -> Simulation:
    site, parameters = reference(name)
    return warmed_up(
        site,
        parameters,
        load=ConstantLoad(site, share),
        weather=ConstantWeather(dry_c, wet_c),
        local_control=control,
        start_s=START_S,
        seed=1,
    )


def living(name: str, control: str = "guideline36") -> Simulation:
    """A plant under made-up load and weather, made anew at each call."""
    site, parameters = reference(name)
    return warmed_up(
        site,
        parameters,
        load=GeneratedLoad(site, 3),
        weather=generated_weather(3),
        local_control=control,
        start_s=START_S,
        seed=1,
    )


@functools.cache
def lived(name: str, control: str) -> Simulation:
    """That plant six hours later: for looking only, since all who ask share it."""
    simulation = living(name, control)
    simulation.advance(START_S + LIVED_S)
    return simulation
