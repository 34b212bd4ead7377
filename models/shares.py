"""Who loads whom: from each rack's load to that of nodes, rows, halls and rooms."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from models.layout import Ints, Layout
from models.racks import Racks


def load_shares(layout: Layout, racks: Racks) -> tuple[sparse.csr_array, Ints]:
    """(lines, R) from kW of each rack to shares; and whose line each one's is, (M + Ll + La + La,).

    The load of each node, of each liquid-cooled rack, and of the row and the hall of each
    air-cooled one. Racks of a row or a hall have one line together.
    """
    parts = [
        sparse.csr_array(layout.load_share),
        sparse.csr_array(_liquid_share(layout, racks).T),
        _row_share(layout),
        sparse.csr_array(layout.hall_heat),
    ]
    own = parts[0].shape[0] + parts[1].shape[0]
    line = [np.arange(own), own + layout.row, own + parts[2].shape[0] + layout.hall]
    return sparse.csr_array(sparse.vstack(parts)), np.concatenate(line)


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
    """(rows, R): from loads in kW to the mean share of the air-cooled racks in each row."""
    rows = int(layout.row.max()) + 1 if len(layout.air) else 0
    count = np.bincount(layout.row, minlength=rows)[layout.row]
    share = 1.0 / layout.rated_kw[layout.air] / np.maximum(count, 1)
    return sparse.csr_array((share, (layout.row, layout.air)), shape=(rows, len(layout.racks)))
