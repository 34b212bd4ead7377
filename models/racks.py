"""Every rack's limited temperature: static heads, then lags of what arrives and what is added.

``x = F_s[supply] + F_r[rise]``, where each ``F = mix lag(fast) + (1 - mix) lag(slow)`` is a
convex combination of two lags (`models.recurrence`) with gains of the rack's own: the
supply passes hoses and manifolds, the rise passes chips and the air of the hall. The
poles do not depend on the flow, so that monotone heads make monotone trajectories.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from models.heads import AirHead, LiquidHead
from models.layout import Ints, Layout
from models.recurrence import lag
from models.supplies import gain_of, raw_gain

# Gains a minute where the fit starts, (fast, slow) of supply and rise, and the mix:
# chips 20 to 60 s; air inlets 20 to 60 s, exhaust 2 to 8 min; a room behind doors between the two;
# a tank's oil 5 to 15 min.
START = {
    "liquid": (raw_gain(0.7), raw_gain(0.3), raw_gain(0.8), raw_gain(0.3)),
    "air": (raw_gain(0.6), raw_gain(0.15), raw_gain(0.5), raw_gain(0.1)),
    "door": (raw_gain(0.6), raw_gain(0.15), raw_gain(0.5), raw_gain(0.1)),
    "tank": (raw_gain(0.3), raw_gain(0.1), raw_gain(0.3), raw_gain(0.1)),
}
MIX = 1.0
"""Logit of the fast lag's part."""
ROOM = 2.0
"""Logit of the room's part in what warms the air that a rack with a rear door breathes."""


@dataclass(frozen=True, slots=True)
class Drives:
    """What the lags are driven by, with what it was worked out from; (T, ..., R) and so on."""

    supply: Tensor
    rise: Tensor


class Racks(nn.Module):
    """Heads and lags of all racks of a site."""

    def __init__(self, layout: Layout, seed: int) -> None:
        super().__init__()
        self.racks = len(layout.racks)
        self.liquid = torch.as_tensor(layout.liquid)
        self.liquid_unit = torch.as_tensor(layout.liquid_unit)
        self.air = torch.as_tensor(layout.air)
        self.air_units = torch.as_tensor(layout.air_units)
        self.row = torch.as_tensor(layout.row)
        self.hall = torch.as_tensor(layout.hall)
        self.register_buffer("rated", torch.as_tensor(layout.rated_kw), persistent=False)
        self.register_buffer("hall_heat", torch.as_tensor(layout.hall_heat), persistent=False)
        rows = int(layout.row.max()) + 1 if len(layout.row) else 0
        in_row = torch.zeros(rows, len(layout.air), dtype=torch.float64)
        if rows:
            in_row[self.row, torch.arange(len(layout.air))] = 1.0
            in_row = in_row / in_row.sum(1, keepdim=True)
        self.register_buffer("in_row", in_row, persistent=False)
        self.doors = torch.as_tensor(layout.doors)
        self.register_buffer("door_heat", torch.as_tensor(layout.door_heat), persistent=False)
        self.liquid_head = LiquidHead(len(layout.liquid), seed)
        there = torch.as_tensor(layout.air_units_there, dtype=torch.float64)
        self.air_head = AirHead(len(layout.air), there, seed + 1)
        kinds, kind = _kinds(layout)
        self.register_buffer("kind", torch.as_tensor(kind), persistent=False)
        gains = torch.tensor([START[name] for name in kinds], dtype=torch.float64)
        self.gain = nn.Parameter(gains)
        self.own_gain = nn.Parameter(torch.zeros(self.racks, 4, dtype=torch.float64))
        self.mix = nn.Parameter(torch.full((len(kinds), 2), MIX, dtype=torch.float64))
        self.own_mix = nn.Parameter(torch.zeros(self.racks, 2, dtype=torch.float64))
        if len(layout.doors):
            self.room = nn.Parameter(torch.tensor(ROOM, dtype=torch.float64))

    def lags(self) -> tuple[Tensor, Tensor]:
        """Gains (4, R): supply fast and slow, rise fast and slow; weights (4, R) of each."""
        kind = cast(Tensor, self.kind)
        gains = gain_of(self.gain[kind] + self.own_gain).T
        mix = torch.sigmoid(self.mix[kind] + self.own_mix)
        weights = torch.stack([mix[:, 0], 1.0 - mix[:, 0], mix[:, 1], 1.0 - mix[:, 1]])
        return gains, weights

    def liquid_features(self, supply_c: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
        """Supply and flow of each liquid-cooled rack's CDU, (T, ..., Rl)."""
        return supply_c[..., self.liquid_unit], flow[..., self.liquid_unit]

    def air_features(self, supply_c: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
        """Supplies and speeds of each air-cooled rack's CRAHs, (T, ..., Ra, K)."""
        return supply_c[..., self.air_units], flow[..., self.air_units]

    def heads(
        self,
        liquid: tuple[Tensor, Tensor],
        air: tuple[Tensor, Tensor],
        it_power_kw: Tensor,
    ) -> Drives:
        """The static part, in one vectorised call: drives of all racks, (T, ..., R)."""
        load = it_power_kw / cast(Tensor, self.rated)
        supply = torch.zeros_like(load)
        rise = torch.zeros_like(load)
        if len(self.liquid):
            arrives, adds = self.liquid_head(*liquid, self._liquid_load(it_power_kw, load))
            supply = supply.index_copy(-1, self.liquid, arrives)
            rise = rise.index_copy(-1, self.liquid, adds)
        if len(self.air):
            own = load[..., self.air]
            row = (own @ cast(Tensor, self.in_row).T)[..., self.row]
            hall = (it_power_kw @ cast(Tensor, self.hall_heat).T)[..., self.hall]
            arrives, adds = self.air_head(*air, own, row, hall)
            supply = supply.index_copy(-1, self.air, arrives)
            rise = rise.index_copy(-1, self.air, adds)
        return Drives(supply, rise)

    def _liquid_load(self, it_power_kw: Tensor, load: Tensor) -> Tensor:
        """(T, ..., Rl) load that warms each: its own, behind a door mostly its room's."""
        own = load[..., self.liquid]
        if not len(self.doors):
            return own
        room = it_power_kw @ cast(Tensor, self.door_heat).T
        share = torch.sigmoid(self.room)
        mixed = share * room + (1.0 - share) * own[..., self.doors]
        return own.index_copy(-1, self.doors, mixed)

    def forward(
        self,
        supply_c: Tensor,
        flow: Tensor,
        it_power_kw: Tensor,
        start: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Limited temperatures (T, ..., R) without offsets, and the lags' last states (4, ..., R).

        ``supply_c`` and ``flow`` (share) are (T, ..., M). ``start`` None starts settled.
        """
        drives = self.heads(
            self.liquid_features(supply_c, flow), self.air_features(supply_c, flow), it_power_kw
        )
        both = torch.stack([drives.supply, drives.supply, drives.rise, drives.rise], dim=1)
        gains, weights = self.lags()
        spread = (4, *(1,) * (both.dim() - 3), self.racks)
        states = lag(both, gains.reshape(spread), both[0] if start is None else start)
        temperature = (states * weights.reshape(spread)).sum(1)
        return temperature, states[-1]

    def deviation(self) -> Tensor:
        """Mean square of what is each rack's own: what the fit keeps small."""
        own = self.own_gain.square().mean() + self.own_mix.square().mean()
        if len(self.liquid):
            own = own + self.liquid_head.deviation()
        if len(self.air):
            own = own + self.air_head.deviation()
        return own


def _kinds(layout: Layout) -> tuple[list[str], Ints]:
    """Kinds of racks whose lags are learned apart, and each rack's (R,)."""
    kinds = ["liquid", "air"]
    kind = np.zeros(len(layout.racks), dtype=np.int64)
    kind[layout.air] = 1
    for name, places in (("door", layout.doors), ("tank", layout.tanks)):
        if len(places):
            kind[layout.liquid[places]] = len(kinds)
            kinds.append(name)
    return kinds, kind
