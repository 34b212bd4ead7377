"""``[[feeds]]``: where forecasts come from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from facility.loading.problems import Problem
from facility.loading.table import TableReader
from facility.outside import FeedQuantity, FeedSource

FILE = "site.toml"
RANGES = {
    FeedQuantity.ENERGY_PRICE: (-100.0, 100.0),
    FeedQuantity.CARBON_INTENSITY: (0.0, 5_000.0),
    FeedQuantity.DRY_BULB: (-60.0, 60.0),
    FeedQuantity.WET_BULB: (-60.0, 45.0),
    FeedQuantity.IT_LOAD: (0.0, 1e6),
}
"""Values outside are mistakes of whoever answers."""


def read_feeds(
    data: Mapping[str, Any], halls: Iterable[str], problems: list[Problem]
) -> tuple[FeedSource, ...]:
    """Read the tables; what is wrong goes to ``problems``."""
    rows = data.get("feeds", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        problems.append(
            Problem(FILE, "[[feeds]]", "", "it is not a list of tables", "Write [[feeds]].")
        )
        return ()
    known = tuple(halls)
    found: list[FeedSource] = []
    for number, row in enumerate(rows, start=1):
        reader = TableReader(FILE, f"[[feeds]] {number}", row, problems)
        feed = _feed(reader, known)
        if any((feed.quantity, feed.hall) == (other.quantity, other.hall) for other in found):
            reader.problem("quantity", f"{feed.quantity.value} is there twice", "Keep one.")
        found.append(feed)
    return tuple(found)


def _feed(reader: TableReader, halls: tuple[str, ...]) -> FeedSource:
    quantity = reader.choice("quantity", FeedQuantity)
    low, high = RANGES[quantity]
    hall = reader.text("hall", "")
    if quantity is FeedQuantity.IT_LOAD:
        reader.known("hall", hall or "(empty)", halls, "hall")
    elif hall:
        reader.problem("hall", "only an IT load is a hall's", "Leave it out.")
    normal = FeedSource(quantity, "", "", "")
    feed = FeedSource(
        quantity=quantity,
        source=reader.text("source"),
        time_field=reader.text("time_field", "time"),
        value_field=reader.text("value_field", "value"),
        hall=hall,
        issued_field=reader.text("issued_field", ""),
        factor=reader.number("factor", 1.0),
        known_ahead_s=reader.number("known_ahead_s", normal.known_ahead_s, minimum=0.0),
        refresh_s=reader.number("refresh_s", normal.refresh_s, minimum=10.0),
        stale_s=reader.number("stale_s", normal.stale_s, minimum=10.0),
        hold_s=reader.number("hold_s", normal.hold_s, minimum=0.0),
        minimum=reader.number("minimum", low),
        maximum=reader.number("maximum", high),
        token_variable=reader.text("token_variable", ""),
    )
    if feed.stale_s < feed.refresh_s:
        reader.problem(
            "stale_s",
            f"{feed.stale_s:g} s is over before the next fetch after {feed.refresh_s:g} s",
            "Make it two or three times refresh_s.",
        )
    if feed.source.startswith("http://") and feed.token_variable:
        reader.problem("source", "a token would cross the network in the clear", "Use https.")
    reader.done()
    return feed
