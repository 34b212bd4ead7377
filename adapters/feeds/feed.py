"""The port of a feed, and those that need no network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from adapters.feeds.series import FeedError, Series

__all__ = ["Feed", "FeedError", "FirstThatKnows", "Persistence", "SeriesFeed"]

DAY_S = 86_400.0
DAY_AHEAD_S = 1.5 * DAY_S
"""Day-ahead markets publish a day at its eve: at most so far ahead is known."""


class Feed(Protocol):
    """One quantity of the world outside, in a canonical unit that its owner knows.

    A site's own feed is any object with this method; it must answer at once, from what it
    has fetched already.
    """

    def known(self, times_s: Sequence[float], now_s: float) -> tuple[float, ...] | None:
        """The values at ``times_s`` as known at ``now_s``.

        Parameters
        ----------
        times_s
            POSIX seconds UTC, ascending.
        now_s
            Nothing that was not known then may show in the answer.

        Returns
        -------
        One finite value each, or None where one of them is not known.
        """
        ...


class SeriesFeed:
    """A file as if it were published step by step.

    Parameters
    ----------
    known_ahead_s
        How far ahead of now the file may be looked into: 0 for measurements.
    """

    def __init__(self, series: Series, known_ahead_s: float = DAY_AHEAD_S) -> None:
        self._series, self._known_ahead_s = series, known_ahead_s

    def known(self, times_s: Sequence[float], now_s: float) -> tuple[float, ...] | None:
        if any(time_s > now_s + self._known_ahead_s for time_s in times_s):
            return None
        values = [self._series.at(time_s) for time_s in times_s]
        found = tuple(value for value in values if value is not None)
        return found if len(found) == len(values) else None


class Persistence:
    """What was seen last, held: the forecast of nobody who knows better.

    Parameters
    ----------
    worth_s
        So long after it was seen a value is worth holding.
    """

    def __init__(self, worth_s: float = DAY_S) -> None:
        self._worth_s = worth_s
        self._seen: tuple[float, float] | None = None

    def saw(self, value: float, time_s: float) -> None:
        """Take a value; an older one than the last changes nothing."""
        if self._seen is None or time_s >= self._seen[1]:
            self._seen = (value, time_s)

    def known(self, times_s: Sequence[float], now_s: float) -> tuple[float, ...] | None:
        if self._seen is None or not 0.0 <= now_s - self._seen[1] <= self._worth_s:
            return None
        return (self._seen[0],) * len(times_s)


class FirstThatKnows:
    """Several feeds of one quantity, the best first; ``last_used`` tells which one answered."""

    def __init__(self, **feeds: Feed) -> None:
        if not feeds:
            raise FeedError("a row of feeds needs at least one")
        self._feeds = feeds
        self.last_used: str | None = None

    def known(self, times_s: Sequence[float], now_s: float) -> tuple[float, ...] | None:
        for name, feed in self._feeds.items():
            values = feed.known(times_s, now_s)
            if values is not None:
                self.last_used = name
                return values
        self.last_used = None
        return None
