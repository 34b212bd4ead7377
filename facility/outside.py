"""What a site is told from outside: what energy costs, and where forecasts come from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Tariff:
    """What energy costs here."""

    currency: str
    energy_per_kwh: float
    """Flat price; a price feed outranks it."""
    carbon_g_per_kwh: float
    carbon_price_per_t: float
    demand_per_kw_month: float


class FeedQuantity(Enum):
    """What the world outside can tell; the value is in the unit named."""

    ENERGY_PRICE = "energy_price"
    """The site's currency for each kWh."""
    CARBON_INTENSITY = "carbon_intensity"
    """Grams of CO2 equivalent for each kWh."""
    DRY_BULB = "dry_bulb"
    """Outdoor, °C."""
    WET_BULB = "wet_bulb"
    """Outdoor, °C."""
    IT_LOAD = "it_load"
    """Of a hall, kW, as its job scheduler expects it."""


@dataclass(frozen=True, slots=True)
class FeedSource:
    """Where a forecast comes from (docs/feeds.md)."""

    quantity: FeedQuantity
    source: str
    """A URL, or the path of a file, relative to the site's folder."""
    time_field: str
    value_field: str
    hall: str = ""
    """Of an IT load: whose."""
    issued_field: str = ""
    """When each value became known; without one a file is known ``known_ahead_s`` ahead."""
    factor: float = 1.0
    known_ahead_s: float = 129_600.0
    refresh_s: float = 900.0
    stale_s: float = 21_600.0
    """So long an answer is worth using after it was fetched; then the last value is held."""
    hold_s: float = 86_400.0
    """So long the last value is worth holding; then nothing is known."""
    minimum: float = -1e9
    maximum: float = 1e9
    token_variable: str = ""
    """Environment variable with a token that the URL wants."""
