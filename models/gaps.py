"""What of a table is filled or blanked before models see it: short gaps, frozen sensors."""

from __future__ import annotations

import numpy as np

from models.contract import Array
from models.layout import Layout

BRIDGE_ROWS = 10
"""A gap in a load or the weather is bridged in a straight line up to so many minutes."""
FROZEN_ROWS = 180
"""A temperature that shows one value for so many minutes while its rack's load moves is frozen."""
FROZEN_LOAD_SHARE = 0.05
"""Range of the rack's power over that time, as a share of its rating, that counts as moving."""


def bridged(values: Array) -> Array:
    """``values`` (N, k) with gaps of up to `BRIDGE_ROWS` filled in a straight line.

    Longer ones stay whole: their first minutes are as unknown as the last. So do those at an end.
    """
    for column in np.flatnonzero(np.isnan(values).any(axis=0)):
        gap = np.isnan(values[:, column])
        known, missing = np.flatnonzero(~gap), np.flatnonzero(gap)
        after = np.searchsorted(known, missing)
        inside = (after > 0) & (after < len(known))
        missing, after = missing[inside], after[inside]
        short = missing[known[after] - known[after - 1] - 1 <= BRIDGE_ROWS]
        if len(short):
            values[short, column] = np.interp(short, known, values[known, column])
    return values


def blank_frozen(limited: Array, load: Array, layout: Layout, notes: list[str]) -> None:
    """Set a temperature to NaN where it stood still for hours while its rack's load moved."""
    if len(limited) < FROZEN_ROWS:
        return
    for rack in range(limited.shape[1]):
        values = limited[:, rack]
        changes = np.flatnonzero(np.diff(values, prepend=np.nan) != 0.0)
        ends = np.append(changes[1:], len(values))
        long = ends - changes >= FROZEN_ROWS
        for start, end in zip(changes[long], ends[long], strict=True):
            if np.isnan(values[start]):
                continue
            if np.ptp(load[start:end, rack]) > FROZEN_LOAD_SHARE:
                limited[start:end, rack] = np.nan
                notes.append(f"{layout.limited_tags[rack]}: frozen for {end - start} minutes")
