"""IT load and weather of a run: from files, or from the built-in generators."""

from __future__ import annotations

from pathlib import Path

from facility.site import Site
from sim.plant.jobs import GeneratedLoad
from sim.plant.reading import InputError
from sim.plant.traces import read_load
from sim.plant.weather import WeatherSource, generated_weather, read_epw
from sim.plant.workload import LoadSource

__all__ = ["InputError", "inputs"]


def inputs(
    site: Site, load: Path | None, weather: Path | None, *, seed: int, hours: float
) -> tuple[LoadSource, WeatherSource]:
    """The load and weather of a run of ``hours``.

    Raises
    ------
    InputError
        A file cannot be used, or a trace is shorter than the run; it names file, row and
        field, and the mend.
    """
    source: LoadSource = GeneratedLoad(site, seed) if load is None else read_load(load, site)
    length_h = (source.starting_at(0.0).ends_at_s()) / 3600.0
    if length_h < hours - 1e-6:
        raise InputError(
            f"{load} is {length_h:.2f} h long and the run {hours:g} h: run fewer hours or give a "
            "longer trace"
        )
    return source, generated_weather(seed) if weather is None else read_epw(weather)
