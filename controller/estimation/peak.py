"""The month's peak: the highest mean power of a metering period, which a demand charge is on.

What is metered is the electricity of IT and cooling. The mean slides over the last quarter of an
hour, which is never below what a meter with fixed periods would show.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from controller.estimation.history import METERS, ROW_S, History
from facility.site import Site

PERIOD_S = 900.0
LEAST_ROWS = 10
"""Minutes of a period that must have been read whole."""


@dataclass(frozen=True, slots=True)
class Peak:
    """Highest mean power so far in a calendar month (UTC)."""

    month: str
    """Such as ``2024-07``."""
    kw: float


def followed(peak: Peak | None, history: History, site: Site) -> Peak | None:
    """The peak with the last metering period counted; ``peak`` itself where too little was read."""
    if not history.times_s:
        return peak
    now_s = history.times_s[-1]
    tags = {tag for quantity in ("it_power", *METERS) for tag in site.tags(quantity)}
    columns = [i for i, tag in enumerate(history.tags) if tag in tags]
    recent = [
        row
        for time_s, row in zip(
            history.times_s[-round(PERIOD_S / ROW_S) :],
            history.rows[-round(PERIOD_S / ROW_S) :],
            strict=True,
        )
        if time_s > now_s - PERIOD_S
    ]
    totals = np.array([row[columns].sum() for row in recent])
    known = totals[np.isfinite(totals)]
    if len(known) < LEAST_ROWS or not columns:
        return peak
    month, kw = month_of(now_s), float(known.mean())
    if peak is not None and peak.month == month:
        kw = max(kw, peak.kw)
    return Peak(month, round(kw, 3))


def month_of(time_s: float) -> str:
    """The calendar month of a moment."""
    return f"{datetime.fromtimestamp(time_s, UTC):%Y-%m}"
