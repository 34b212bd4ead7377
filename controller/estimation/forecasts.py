"""What is to come, from what is known now: no function here can see further than its frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

from facility.site import Site
from models.contract import Array


@dataclass(frozen=True)
class Outlook:
    """Load and weather expected over the steps of a horizon."""

    it_power_kw: Array
    """(T, R)."""
    wet_bulb_c: Array
    """(T,)."""
    dry_bulb_c: Array
    """(T,)."""


class Forecaster(Protocol):
    """Forecasts of load and weather."""

    def outlook(self, frame: pd.DataFrame, start_s: float, step_s: float, steps: int) -> Outlook:
        """From a frame that ends before ``start_s``."""
        ...


class Prices(Protocol):
    """A feed of energy prices."""

    def energy_per_kwh(self, times_s: Sequence[float]) -> Sequence[float] | None:
        """Price at each moment as known now, in the site's currency; None where unknown."""
        ...

    def carbon_g_per_kwh(self, times_s: Sequence[float]) -> Sequence[float] | None:
        """Carbon intensity at each moment as forecast now; None where unknown."""
        ...


def outlook(
    frame: pd.DataFrame,
    site: Site,
    forecaster: Forecaster,
    *,
    start_s: float,
    step_s: float,
    steps: int,
) -> Outlook:
    """The forecast, kept within what can be: no rack below 0 or above its rating.

    The wet bulb cannot be above the dry bulb (psychrometrics), whatever two forecasts say.
    """
    if len(frame) and frame.index[-1].timestamp() > start_s:
        raise ValueError("the history given to a forecast goes beyond its start")
    found = forecaster.outlook(frame, start_s, step_s, steps)
    rated = np.array([rack.rated_kw for rack in site.racks.values()])
    for values in (found.it_power_kw, found.wet_bulb_c, found.dry_bulb_c):
        if not np.all(np.isfinite(values)):
            raise ValueError("a forecast holds values that are not finite")
    return Outlook(
        it_power_kw=np.clip(found.it_power_kw, 0.0, rated),
        wet_bulb_c=np.minimum(found.wet_bulb_c, found.dry_bulb_c),
        dry_bulb_c=found.dry_bulb_c,
    )


def prices_of(site: Site, feed: Prices | None, times_s: Sequence[float]) -> tuple[float, ...]:
    """Energy and carbon together, for each kWh: the feed where it knows, else the tariff."""
    tariff = site.tariff
    energy = feed.energy_per_kwh(times_s) if feed is not None else None
    carbon = feed.carbon_g_per_kwh(times_s) if feed is not None else None
    energy = _known(energy, tariff.energy_per_kwh, len(times_s))
    carbon = _known(carbon, tariff.carbon_g_per_kwh, len(times_s))
    # Price a tonne: 1 t is 1e6 g.
    return tuple(
        e + c * tariff.carbon_price_per_t * 1e-6 for e, c in zip(energy, carbon, strict=True)
    )


def _known(told: Sequence[float] | None, else_: float, count: int) -> list[float]:
    """What a feed told, and the tariff's flat value where it told nothing that is a number."""
    if told is None or len(told) != count:
        return [else_] * count
    return [value if math.isfinite(value) else else_ for value in told]
