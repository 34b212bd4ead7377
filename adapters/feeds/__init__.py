"""What the world outside tells: weather, energy prices, carbon intensity.

A feed answers what it knows now about moments to come, or nothing; it never guesses. Who
asks puts feeds in a row (`FirstThatKnows`) with `Persistence` at its end, which holds what was
seen last, as long as that is worth holding.
"""

from adapters.feeds.feed import Feed, FeedError, FirstThatKnows, Persistence, SeriesFeed
from adapters.feeds.prices import EnergyPrices
from adapters.feeds.series import Series, read_csv
from adapters.feeds.weather import WeatherYear, read_epw, wet_bulb_c

__all__ = [
    "EnergyPrices",
    "Feed",
    "FeedError",
    "FirstThatKnows",
    "Persistence",
    "Series",
    "SeriesFeed",
    "WeatherYear",
    "read_csv",
    "read_epw",
    "wet_bulb_c",
]
