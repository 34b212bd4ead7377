"""Who loads whom: from each rack's load to that of nodes, rows, halls and rooms."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from models.layout import Layout
from models.racks import Racks


def load_shares(layout: Layout, racks: Racks) -> sparse.csr_array:
    """(M + Ll + La + La, R): as shares, from kW of each rack.

    The load of each node, of each liquid-cooled rack, and of the row and the hall of each
    air-cooled one.
    """
    parts = [
        sparse.csr_array(layout.load_share),
        _liquid_share(layout, racks).T,
        _row_share(layout).T,
        sparse.csr_array(layout.hall_heat)[layout.hall],
    ]
    return sparse.csr_array(sparse.vstack(parts))


def _liquid_share(layout: Layout, racks: Racks) -> sparse.csr_array:
    """(R, Ll): its own load; behind a door mostly its room's, as `models.racks` has it."""
    count, total = len(layout.liquid), len(layout.racks)
    share = np.zeros(count)
    if len(layout.doors):
        share[layout.doors] = float(racks.room.detach().sigmoid())
    place = (layout.liquid, np.arange(count))
    own = sparse.csr_array(
        ((1.0 - share) / layout.rated_kw[layout.liquid], place), shape=(total, count)
    )
    door, rack = np.nonzero(layout.door_heat)
    behind = layout.doors[door]
    heat = share[behind] * layout.door_heat[door, rack]
    return sparse.csr_array(own + sparse.csr_array((heat, (rack, behind)), shape=(total, count)))


def _row_share(layout: Layout) -> sparse.csr_array:
    """(R, La): from loads in kW to the mean share of the racks in the row of each."""
    count = len(layout.air)
    rows = int(layout.row.max()) + 1 if count else 0
    place = (layout.air, layout.row)
    by_row = sparse.csr_array(
        (1.0 / layout.rated_kw[layout.air], place), shape=(len(layout.racks), rows)
    )
    mean = np.bincount(layout.row, minlength=rows)[layout.row]
    picks = sparse.csr_array(
        (1.0 / np.maximum(mean, 1), (layout.row, np.arange(count))), shape=(rows, count)
    )
    return sparse.csr_array(by_row @ picks)
