"""The twelve days of the control benchmark: three climates by four seasons, by Latin square."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.scenarios import Prepared, Scenario

CLIMATES = ("mid_atlantic", "hot_dry", "cool_marine")
SEASONS = {
    "winter": "2025-01-28",
    "spring": "2025-04-22",
    "summer": "2025-07-29",
    "autumn": "2025-10-21",
}
LOADS = (
    ("frontier", "supercomputer"),
    ("campus", "training"),
    ("campus", "inference"),
    ("campus", "mixed"),
)
SITES = tuple(dict.fromkeys(site for site, _ in LOADS))
STAGED_SITE = "campus-stages"
SEED = 7300
"""Of the first day; no model is trained on any of them, and nothing was chosen by them. (Of the
days before these, of seeds from 7100 on and a week earlier, two were looked at when rules of the
planner were chosen.)"""
SEEDS_APART = 100
MODEL_SEED = 1
BASE_PORT = 15_020
DAY_H = 24.0
APART_H = 4
"""Between the hours at which windows shorter than a day begin."""


@dataclass(frozen=True, slots=True)
class Day:
    """One of the twelve."""

    climate: str
    season: str
    site: str
    mix: str
    start: str
    hours: float
    seed: int

    @property
    def name(self) -> str:
        """A file name."""
        return f"{self.climate}-{self.season}-{self.seed}"

    def scenario(self) -> Scenario:
        """The day, as the simulator is told it."""
        from sim.scenarios.scenario import HourlyPlan, LoadPlan, Scenario, WeatherPlan

        return Scenario(
            name=self.name,
            title=f"{self.season} in {self.climate}, {self.mix} on {self.site}",
            description="A day of the control benchmark.",
            site=self.site,
            start=self.start,
            hours=self.hours,
            seed=self.seed,
            tags=(),
            load=LoadPlan("generated", mix=self.mix),
            weather=WeatherPlan("generated", climate=self.climate),
            price=HourlyPlan(),
            carbon=HourlyPlan(),
        )

    def prepared(self) -> Prepared:
        """The day, ready to be run."""
        from sim.scenarios import prepare

        return prepare(self.scenario())


def days(hours: float, repetition: int = 0) -> list[Day]:
    """The Latin square: no load twice in a climate, each three times in all.

    Each repetition is a week later, under other seeds.
    """
    found = []
    square = itertools.product(enumerate(CLIMATES), enumerate(SEASONS.items()))
    for number, ((row, climate), (column, (season, date))) in enumerate(square):
        site, mix = LOADS[(row + column) % len(LOADS)]
        first_h = 0 if hours >= DAY_H else APART_H * ((column + 2 * row) % 6)
        start = datetime.fromisoformat(date) + timedelta(weeks=repetition, hours=first_h)
        seed = SEED + number + SEEDS_APART * repetition
        found.append(Day(climate, season, site, mix, f"{start:%Y-%m-%dT%H:%M:%SZ}", hours, seed))
    return found


def staged_days(hours: float) -> list[Day]:
    """Two summer days at the site that takes stage requests: what planned stages are worth there.

    They are no part of the square, whose sites take none.
    """
    starts = ((CLIMATES[0], "training", "T12:00:00Z"), (CLIMATES[1], "mixed", "T20:00:00Z"))
    return [
        Day(climate, "summer", STAGED_SITE, mix, SEASONS["summer"] + at, hours, SEED + 50 + number)
        for number, (climate, mix, at) in enumerate(starts)
    ]


def train_model(site: str, folder: Path) -> Path:
    """The folder of a site's model, trained where none is kept."""
    from controller.demo.model import ensure_model
    from sim.scenarios.build import PLANT_SEED
    from sim.sites import write

    folder.mkdir(parents=True, exist_ok=True)
    write(site, folder, BASE_PORT, seed=PLANT_SEED)
    model, _ = ensure_model(folder, seed=MODEL_SEED, progress=lambda _stage, _share: None)
    return model
