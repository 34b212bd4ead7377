"""The month's peak: means of a quarter of an hour, a new month, gaps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from controller.estimation import history
from controller.estimation.peak import Peak, followed
from facility.clock import from_iso
from tests.planning_plant import reference_site

SITE = reference_site("campus")
LAST_OF_JULY_S = from_iso("2024-07-31T23:00:00Z")


def after(start_s: float, loads_kw: list[float]) -> history.History:
    """A minute each, all of the load on one meter."""
    empty = history.start(SITE)
    column = empty.tags.index(str(SITE.tag(next(iter(SITE.racks)), "it_power")))
    rows = []
    for kw in loads_kw:
        row = np.zeros(len(empty.tags))
        row[column] = kw
        rows.append(row)
    times = tuple(start_s + 60.0 * k for k in range(len(rows)))
    return replace(empty, times_s=times, rows=tuple(rows))


def test_a_short_spike_counts_for_what_it_is_in_a_quarter_of_an_hour() -> None:
    found = followed(None, after(LAST_OF_JULY_S, [300.0] * 15 + [1800.0] + [300.0] * 5), SITE)
    assert found is not None
    assert found.month == "2024-07"
    assert found.kw == pytest.approx(400.0)


def test_it_never_falls_within_a_month_and_begins_anew_with_the_next() -> None:
    before = Peak("2024-07", 900.0)
    assert followed(before, after(LAST_OF_JULY_S, [300.0] * 20), SITE) == before
    next_month = followed(before, after(LAST_OF_JULY_S + 3600.0, [300.0] * 20), SITE)
    assert next_month is not None
    assert next_month.month == "2024-08"
    assert next_month.kw == pytest.approx(300.0)


def test_too_little_read_changes_nothing() -> None:
    before = Peak("2024-07", 200.0)
    few = after(LAST_OF_JULY_S, [300.0] * 9)
    gap = after(LAST_OF_JULY_S, [float("nan")] * 20)
    for seen in (few, gap, history.start(SITE)):
        assert followed(before, seen, SITE) == before
    assert followed(None, few, SITE) is None
