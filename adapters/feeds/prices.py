"""Energy price and carbon intensity, as the controller asks for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from adapters.feeds.feed import Feed


class EnergyPrices:
    """Two feeds behind the controller's port of prices.

    Parameters
    ----------
    energy
        The site's currency for each kWh; None where there is no feed.
    carbon
        Grams of CO2 equivalent for each kWh.
    now
        Plant time: what is published later is not known.
    """

    def __init__(self, energy: Feed | None, carbon: Feed | None, now: Callable[[], float]) -> None:
        self._energy, self._carbon, self._now = energy, carbon, now

    def energy_per_kwh(self, times_s: Sequence[float]) -> tuple[float, ...] | None:
        """Price at each moment as known now; None where unknown."""
        return None if self._energy is None else self._energy.known(times_s, self._now())

    def carbon_g_per_kwh(self, times_s: Sequence[float]) -> tuple[float, ...] | None:
        """Carbon intensity at each moment as known now; None where unknown."""
        return None if self._carbon is None else self._carbon.known(times_s, self._now())
