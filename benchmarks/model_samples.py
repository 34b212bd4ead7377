"""What the peers of the thermal model see: past and future of each rack, as a person would choose.

A sample is a rack at an origin. Everything up to the origin may be used, and of what comes after it
the setpoints, the weather and a path of the IT load: the one that came, or another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.contract import Array
from models.dataset import History
from models.forecast import running_mean
from models.layout import Ints

PAST_ROWS = 60
BLOCK_ROWS = 5
NOW_ROWS = 5


@dataclass(frozen=True)
class Rows:
    """Histories of one kind of racks, (N, racks) each but for what all share, (N,)."""

    racks: Ints
    limited: Array
    share: Array
    """IT power over the rating."""
    hall: Array
    """Of all racks, (N,)."""
    setpoint: Array
    """Of the supply of the rack's own units, mean."""
    supply: Array
    """Measured; the setpoint where it is not."""
    flow: Array
    """Share of the design's."""
    plant: Array
    """(N, P): setpoints of the water loops, and the wet bulb."""

    @classmethod
    def of(cls, history: History, racks: Ints) -> Rows:
        """The rows of some racks."""
        layout = history.layout
        liquid = {int(r): [int(u)] for r, u in zip(layout.liquid, layout.liquid_unit, strict=True)}
        air = {
            int(r): [int(u) for u in units[there]]
            for r, units, there in zip(
                layout.air, layout.air_units, layout.air_units_there, strict=True
            )
        }
        own = {**liquid, **air}

        def mean(values: Array) -> Array:
            return np.stack([values[:, own[int(r)]].mean(axis=1) for r in racks], axis=1)

        set_c = np.stack([history.setpoints[:, max(n.setpoint, 0)] for n in layout.nodes], axis=1)
        speed = np.stack(
            [history.setpoints[:, max(n.flow, 0)] / n.flow_scale for n in layout.nodes], axis=1
        )
        supply = np.where(np.isfinite(history.supply_c), history.supply_c, set_c)
        loops = [
            n.setpoint for n in layout.nodes if n.kind in ("tower", "loop") and n.setpoint >= 0
        ]
        share = history.it_power_kw / layout.rated_kw
        return cls(
            racks=racks,
            limited=history.limited_c[:, racks],
            share=share[:, racks],
            hall=share.mean(axis=1),
            setpoint=mean(set_c),
            supply=mean(supply),
            flow=mean(speed),
            plant=np.column_stack([history.setpoints[:, loops], history.wet_bulb_c]),
        )

    @property
    def now(self) -> Array:
        """(N, racks) the last five minutes' mean: what persistence says."""
        return running_mean(self.limited, NOW_ROWS)


def origins_of(history: History, every: int, ahead: int) -> Ints:
    """Rows with an hour of whole history before them and ``ahead`` whole rows after."""
    good = history.usable & np.isfinite(history.limited_c).all(axis=1)
    rows = np.arange(PAST_ROWS, history.rows - ahead, every)
    kept = [int(r) for r in rows if good[r - PAST_ROWS + 1 : r + ahead + 1].all()]
    return np.array(kept, dtype=np.int64)


def table(rows: Rows, origins: Ints, lead: int, load: Array | None = None) -> Array:
    """(origins, racks, features) for a direct model ``lead`` minutes ahead.

    ``load`` (origins, minutes, racks), share of the rating, stands in for the loads that came.
    """
    ends = origins + lead
    racks = rows.limited.shape[1]

    def past(values: Array, width: int) -> Array:
        return running_mean(values, width)[origins]

    spans = origins[:, None] + 1 + np.arange(lead)
    path = rows.share[spans] if load is None else load[:, :lead]

    def coming(width: int) -> Array:
        return np.asarray(path[:, -min(width, lead) :].mean(axis=1))

    def ahead(values: Array, width: int) -> Array:
        return running_mean(values, min(width, lead))[ends]

    now = rows.now[origins]
    last = coming(1)
    flow = np.maximum(ahead(rows.flow, 5), 0.05)
    every_rack = [
        now,
        rows.limited[origins] - now,
        now - rows.limited[origins - 15],
        now - rows.limited[origins - 45],
        past(rows.share, 1),
        past(rows.share, 5),
        past(rows.share, 30),
        rows.setpoint[origins],
        rows.supply[origins],
        rows.flow[origins],
        last,
        coming(5),
        coming(15),
        coming(60),
        ahead(rows.setpoint, 1),
        ahead(rows.setpoint, 10),
        ahead(rows.setpoint, 30),
        ahead(rows.flow, 1),
        ahead(rows.flow, 15),
        last / flow,
        past(rows.share, 5) / np.maximum(past(rows.flow, 5), 0.05),
    ]
    hall = path.mean(axis=2)
    shared = [
        rows.hall[origins],
        hall[:, -1],
        hall[:, -min(15, lead) :].mean(axis=1),
        *rows.plant[ends].T,
        *(rows.plant[ends] - rows.plant[origins]).T,
    ]
    columns = [*every_rack, *(np.repeat(v[:, None], racks, axis=1) for v in shared)]
    return np.stack(columns, axis=-1)


def change(rows: Rows, origins: Ints, lead: int) -> Array:
    """(origins, racks) how much warmer than now it became, K: what peers learn."""
    return np.asarray(rows.limited[origins + lead] - rows.now[origins])


def sequences(
    rows: Rows, origins: Ints, ahead: int, load: Array | None = None
) -> tuple[Array, Array]:
    """Past and future for a recurrent net, by five minutes: (origins, racks, blocks, channels)."""
    now = rows.now[origins]
    back = origins[:, None] + np.arange(-PAST_ROWS + 1, 1)
    front = origins[:, None] + np.arange(1, ahead + 1)
    path = rows.share[front] if load is None else load[:, :ahead]

    def blocks(values: Array) -> Array:
        """(origins, rows, racks) to means, (origins, racks, blocks)."""
        shape = (values.shape[0], -1, BLOCK_ROWS, values.shape[2])
        return np.asarray(values.reshape(shape).mean(axis=2).transpose(0, 2, 1))

    def ends(values: Array) -> Array:
        return np.asarray(values[:, BLOCK_ROWS - 1 :: BLOCK_ROWS].transpose(0, 2, 1))

    def wide(values: Array) -> Array:
        return np.repeat(values[:, :, None], rows.limited.shape[1], axis=2)

    def both(spans: Ints, loads: Array) -> list[Array]:
        plant = [blocks(wide(rows.plant[:, p][spans])) for p in range(rows.plant.shape[1])]
        return [
            blocks(loads),
            ends(loads),
            blocks(rows.setpoint[spans]),
            blocks(rows.flow[spans]),
            blocks(wide(loads.mean(axis=2))),
            *plant,
        ]

    own = blocks(rows.limited[back]) - now[:, :, None]
    supply = blocks(rows.supply[back])
    level = np.repeat(now[:, :, None], own.shape[2], axis=2)
    past = np.stack([own, level, supply, *both(back, rows.share[back])], axis=-1)
    return past, np.stack(both(front, path), axis=-1)
