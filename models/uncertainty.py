"""How far predictions err: margins for the optimiser, bands for people.

Errors are measured minus predicted, so a positive one is hotter than thought. A margin
is for the *maximum* over a group of racks, one-sided: the optimiser holds every rack,
and only the hot side hurts. Quantiles are taken on later data than the model was fitted
on, by group and lead time. Where the plant moves away from those, the upper band of each rack is
kept honest by tracking its quantile with late feedback (Gibbs and Candès 2021, arXiv:2106.00170;
in units of the error itself: Angelopoulos, Candès and Tibshirani 2023, arXiv:2307.16895).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.contract import Array
from models.layout import rack_groups

__all__ = ["ErrorModel", "GroupErrors", "group_errors", "rack_groups", "tracked_upper"]

LEADS_S = (60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 10800.0, 14400.0)
MISS_SHARE = 0.01
"""Share of moments at which the maximum may exceed the margin."""
BAND = (0.05, 0.95)
UPPER_SHARE = 0.9
"""Of the tracked upper band: the share of readings below it."""
UPPER_OF_BAND = 1.2816 / 1.6449
"""Where tracking starts, over the upper end of the band: normal quantiles of 90 and 95 %."""
TRACK_STEP = 0.08
"""One excess raises a rack's upper band by nine tenths of so much of its mean error; each success
lowers it by a ninth of that."""
TRACK_MEMORY = 0.02
"""Weight of one outcome in a rack's mean error."""
LEAST_K = 0.05
"""Below a sensor's own resolution no margin means anything."""
NORMAL_TAIL, NORMAL_UPPER = 2.326, 1.282
"""99 and 90 % of a normal distribution lie below so many standard deviations."""
ENOUGH = 200
"""Origins from which a quantile of 99 % is taken as it is."""


@dataclass(frozen=True, slots=True)
class GroupErrors:
    """Quantiles of a group's errors by lead of `LEADS_S`, K."""

    maximum_k: tuple[float, ...]
    """99 % of the maximum over the group, inputs known."""
    maximum_forecast_k: tuple[float, ...]
    """The same with loads and weather forecast."""
    lower_k: tuple[float, ...]
    """5 % of a single rack's error."""
    upper_k: tuple[float, ...]
    """95 %."""


@dataclass(frozen=True)
class ErrorModel:
    """Errors by group (a CDU's racks, a hall's air-cooled racks) and lead time."""

    groups: Mapping[str, GroupErrors]

    def margins(
        self,
        lead_s: Array,
        group: str,
        *,
        forecast: bool = False,
    ) -> Array:
        """K to keep below a limit at each lead, so that 99 % of the group's maxima are within.

        Raises
        ------
        KeyError
            There is no such group.
        """
        errors = self._group(group)
        table = errors.maximum_forecast_k if forecast else errors.maximum_k
        # What holds for a lead holds at least for a longer one.
        rising = np.maximum.accumulate(table)
        return np.maximum(np.interp(lead_s, LEADS_S, rising), LEAST_K)

    def band(self, lead_s: Array, group: str) -> tuple[Array, Array]:
        """Lower and upper distance of a 90 % band from a rack's prediction, K, at each lead."""
        errors = self._group(group)
        lower = np.interp(lead_s, LEADS_S, errors.lower_k)
        upper = np.interp(lead_s, LEADS_S, errors.upper_k)
        return np.minimum(lower, -LEAST_K), np.maximum(upper, LEAST_K)

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers."""
        names = ("maximum_k", "maximum_forecast_k", "lower_k", "upper_k")
        return {
            group: {name: list(getattr(errors, name)) for name in names}
            for group, errors in self.groups.items()
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ErrorModel:
        """What `to_json` told."""
        return cls(
            {
                group: GroupErrors(**{name: tuple(values) for name, values in errors.items()})
                for group, errors in data.items()
            }
        )

    def _group(self, group: str) -> GroupErrors:
        if group not in self.groups:
            known = ", ".join(self.groups)
            raise KeyError(f"there is no rack group {group!r}; there are {known}")
        return self.groups[group]


def tracked_upper(errors: Array, start_k: Array, delay: int) -> Array:
    """(B, R) upper distance in force at each origin, K: `UPPER_SHARE` of readings stay below.

    Parameters
    ----------
    errors
        (B, R) measured minus predicted by origin, in order; NaN where nothing was measured.
    start_k
        (R,) upper distance before anything was seen.
    delay
        Origins until the outcome of one is known.
    """
    bound, usual = start_k.copy(), start_k.copy()
    found = np.empty_like(errors)
    for at in range(len(errors)):
        if at >= delay:
            outcome = errors[at - delay]
            told = np.isfinite(outcome)
            missed = np.where(told, outcome, -np.inf) > found[at - delay]
            size = np.where(told, np.abs(outcome), usual)
            usual = np.maximum(usual + TRACK_MEMORY * (size - usual), LEAST_K)
            move = TRACK_STEP * usual * (missed - (1.0 - UPPER_SHARE))
            bound = np.where(told, bound + move, bound)
        found[at] = bound
    return found


def group_errors(
    errors: Array, above: tuple[Array, Array], members: tuple[int, ...]
) -> GroupErrors:
    """Quantiles at `LEADS_S`; all arrays (origins, leads, R), NaN where nothing was measured.

    Parameters
    ----------
    errors
        Measured minus predicted: what bands are made of.
    above
        How far measurements exceed predictions, with inputs known and with inputs forecast:
        what margins are made of.
    members
        The racks of the group.
    """
    own = errors[..., list(members)]
    known, forecast = (part[..., list(members)] for part in above)
    lower, upper = [], []
    for lead in range(own.shape[1]):
        values = own[:, lead][np.isfinite(own[:, lead])]
        found = np.quantile(values, BAND) if len(values) else np.array([-1.0, 1.0])
        lower.append(float(found[0]))
        upper.append(float(found[1]))
    return GroupErrors(_maxima(known), _maxima(forecast), tuple(lower), tuple(upper))


def _maxima(errors: Array) -> tuple[float, ...]:
    """99 % of the maximum by lead; of few origins, at least what a normal upper tail would say."""
    found: list[float] = []
    for lead in range(errors.shape[1]):
        highest = np.where(np.isfinite(errors[:, lead]), errors[:, lead], -np.inf).max(axis=1)
        highest = highest[np.isfinite(highest)]
        if len(highest) == 0:
            found.append(found[-1] if found else 1.0)
            continue
        # Conformal: one more outcome is within with the share promised.
        share = min((1.0 - MISS_SHARE) * (1.0 + 1.0 / len(highest)), 1.0)
        margin = float(np.quantile(highest, share))
        if len(highest) < ENOUGH:
            middle, upper = np.quantile(highest, (0.5, 0.9))
            margin = max(margin, float(middle + NORMAL_TAIL / NORMAL_UPPER * (upper - middle)))
        found.append(margin)
    return tuple(found)
