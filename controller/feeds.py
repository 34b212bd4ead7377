"""The site's feeds in the controller: fetched beside the loop, asked by every tick from memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import numpy.typing as npt
import pandas as pd

from adapters.feeds import EnergyPrices
from adapters.feeds.fetched import TIMEOUT_S, FeedStatus, FetchedFeed
from controller.estimation.forecasts import Forecaster, Outlook
from facility.outside import FeedQuantity
from facility.site import Site
from models.contract import Array

LOOK_S = 1.0
"""Wall time between two looks whether a feed is due."""


class Feeds:
    """All feeds of a site.

    Parameters
    ----------
    folder
        The site's: where paths of files begin.
    keep
        Where answers are kept over a restart.
    now
        Plant time.
    """

    def __init__(self, site: Site, folder: Path, keep: Path, now: Callable[[], float]) -> None:
        self._site, self._now = site, now
        self._feeds = [FetchedFeed(source, folder, keep) for source in site.feeds]
        for feed in self._feeds:
            feed.resume()

    @property
    def prices(self) -> EnergyPrices | None:
        """Price and carbon intensity; None where the site has no feed of either."""
        energy = self._of(FeedQuantity.ENERGY_PRICE)
        carbon = self._of(FeedQuantity.CARBON_INTENSITY)
        return EnergyPrices(energy, carbon, self._now) if energy or carbon else None

    def forecaster(self, own: Forecaster) -> Forecaster:
        """``own``, with the feeds of weather and load in its place where they know."""
        weather = {
            "dry_bulb_c": self._of(FeedQuantity.DRY_BULB),
            "wet_bulb_c": self._of(FeedQuantity.WET_BULB),
        }
        loads = {
            feed.source.hall: feed
            for feed in self._feeds
            if feed.source.quantity is FeedQuantity.IT_LOAD
        }
        known = {name: feed for name, feed in weather.items() if feed is not None}
        return FedForecaster(own, self._site, known, loads) if known or loads else own

    def status(self) -> tuple[FeedStatus, ...]:
        """How each feed is doing."""
        return tuple(feed.status(self._now()) for feed in self._feeds)

    async def refresh(self, client: httpx.AsyncClient) -> None:
        """Fetch what is due, all at once."""
        now_s = self._now()
        await asyncio.gather(*(feed.refresh(client, now_s) for feed in self._feeds))

    async def run(self) -> None:
        """Keep the feeds fresh until cancelled."""
        if not self._feeds:
            return
        async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
            while True:
                await self.refresh(client)
                await asyncio.sleep(LOOK_S)

    def _of(self, quantity: FeedQuantity) -> FetchedFeed | None:
        return next((feed for feed in self._feeds if feed.source.quantity is quantity), None)


class FedForecaster:
    """A forecaster whose weather and load give way to feeds where these know.

    A hall's load is spread over its racks as ``own`` expects it: job schedulers know halls, and
    history knows racks.
    """

    def __init__(
        self,
        own: Forecaster,
        site: Site,
        weather: dict[str, FetchedFeed],
        loads: dict[str, FetchedFeed],
    ) -> None:
        self._own, self._weather, self._loads = own, weather, loads
        racks = tuple(site.racks.values())
        self._columns = {
            hall: np.array([rack.hall == hall for rack in racks], dtype=np.bool_) for hall in loads
        }

    def outlook(self, frame: pd.DataFrame, start_s: float, step_s: float, steps: int) -> Outlook:
        found = self._own.outlook(frame, start_s, step_s, steps)
        times = [start_s + (k + 0.5) * step_s for k in range(steps)]
        changes: dict[str, Array] = {}
        for name, feed in self._weather.items():
            values = feed.known(times, start_s)
            if values is not None:
                changes[name] = np.array(values)
        power = found.it_power_kw
        for hall, feed in self._loads.items():
            values = feed.known(times, start_s)
            if values is not None:
                power = _spread(power, self._columns[hall], np.array(values))
        return replace(found, it_power_kw=power, **changes)


def _spread(power_kw: Array, columns: npt.NDArray[np.bool_], total_kw: Array) -> Array:
    """``power_kw`` (T, R) with the racks of ``columns`` scaled to a total (T,)."""
    expected = power_kw[:, columns].sum(axis=1)
    share = np.divide(total_kw, expected, out=np.ones_like(total_kw), where=expected > 0.0)
    scaled = power_kw.copy()
    scaled[:, columns] *= share[:, None]
    return scaled
