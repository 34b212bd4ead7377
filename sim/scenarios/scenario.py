"""What a scenario is: a site, its load, weather, grid and faults over some hours, by name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JobStart:
    """A big job on top of the load."""

    start_h: float
    """After the run's beginning."""
    hours: float
    ramp_s: float
    power_kw: float
    places: tuple[str, ...]
    """Racks, CDUs or halls; none for all of the site."""


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """IT load: made up (``generated``), a share of the ratings (``constant``) or a ``trace``."""

    kind: str
    mix: str = "mixed"
    """Of `sim.plant.shapes.MIXES`."""
    peak: float = 1.0
    share: float = 0.0
    file: str = ""
    """Below the folder of data."""
    jobs: tuple[JobStart, ...] = ()


@dataclass(frozen=True, slots=True)
class WeatherSpell:
    """A heat wave, or a cold one."""

    start_h: float
    hours: float
    dry_bulb_k: float
    dew_point_k: float


@dataclass(frozen=True, slots=True)
class WeatherPlan:
    """Weather: made up of a climate (``generated``), ``constant``, an ``epw`` file, ``swept``."""

    kind: str
    climate: str = "mid_atlantic"
    """Of `sim.plant.climates.CLIMATES`."""
    dry_bulb_c: float = 0.0
    wet_bulb_c: float = 0.0
    file: str = ""
    spells: tuple[WeatherSpell, ...] = ()


@dataclass(frozen=True, slots=True)
class HourlyPlan:
    """A quantity of the grid: 24 values of a day, or a column of a file; neither: the tariff's."""

    hours: tuple[float, ...] = ()
    file: str = ""
    column: str = ""


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """A fault as `sim.faults` has it: kind, place, time and severity."""

    kind: str
    place: str
    start: float
    """s after the run's beginning."""
    end: float | None = None
    """s after the run's beginning; None: it stays."""
    severity: float | None = None
    grows_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """A run that anybody can repeat: the same name and seed give the same run, bit for bit."""

    name: str
    title: str
    description: str
    site: str
    """A reference site's name."""
    start: str
    """ISO 8601, UTC."""
    hours: float
    seed: int
    tags: tuple[str, ...]
    load: LoadPlan
    weather: WeatherPlan
    price: HourlyPlan
    carbon: HourlyPlan
    faults: tuple[PlannedFault, ...] = ()
    excited: bool = False
    """Whether all setpoints are moved jointly through their ranges, as when commissioning."""

    @property
    def data_files(self) -> tuple[str, ...]:
        """Files that it needs below the folder of data."""
        named = (self.load.file, self.weather.file, self.price.file, self.carbon.file)
        return tuple(dict.fromkeys(file for file in named if file))
