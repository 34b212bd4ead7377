"""Climates in the terms of the weather generator, fitted to typical years by `sim.fitting`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Climate:
    """Seasons, days and fronts of a place; K unless named otherwise.

    Dry bulb is the mean, a yearly and a daily harmonic and fronts of some days; the dew point
    lies a depression below it that has the same parts and a wetness of its own.
    """

    name: str
    mean_c: float
    season_k: float
    coldest_day: float
    """Of the year, local standard time."""
    day_k: float
    warmest_h: float
    """Of the day, local standard time."""
    front_k: float
    """Standard deviation of fronts of three to eleven days."""
    depression_k: float
    depression_season_k: float
    """More in summer, where it is above 0."""
    depression_day_k: float
    depression_front_k: float
    """More where a front is warm."""
    wetness_k: float
    """Amplitude of spells of dry and humid air."""
    offset_h: float = -5.0
    """Local standard time over UTC."""


CLIMATES = {
    climate.name: climate
    for climate in (
        # The normals of Leesburg, VA, rounded: what runs without a weather file have.
        Climate("mid_atlantic", 13.0, 12.0, 20.0, 5.0, 15.0, 3.5, 6.0, 0.0, 2.5, 1.0, 2.5),
        # TMYx of Dallas-Fort Worth and Seattle-Tacoma; TMY3 of the others. Miami.
        Climate("hot_humid", 24.5, 4.4, 26.0, 2.5, 14.7, 2.8, 5.6, -0.5, 2.7, 0.1, 3.9, -5.0),
        # Phoenix.
        Climate("hot_dry", 23.8, 11.7, 16.0, 5.5, 16.2, 3.4, 19.1, 6.2, 6.6, 3.3, 8.4, -7.0),
        # Dallas.
        Climate("southern_plains", 19.8, 11.4, 18.0, 4.2, 16.1, 4.4, 8.7, 1.7, 4.7, 1.1, 6.2, -6.0),
        # Seattle.
        Climate("cool_marine", 11.7, 7.4, 19.0, 2.9, 15.9, 3.5, 5.1, 1.9, 2.6, 1.1, 3.8, -8.0),
        # Chicago.
        Climate("continental", 10.0, 14.2, 18.0, 3.4, 14.5, 5.4, 5.7, 0.9, 2.9, 0.7, 4.8, -6.0),
    )
}
"""The climates by name."""
