"""Static temperatures of racks: monotone by construction, local to the rack.

Each head answers two drives, ``supply`` (what arrives with the coolant) and ``rise``
(what the heat adds), which the recurrences of `models.racks` then lag apart.

Liquid-cooled: ``case = supply + u (r0 + r1 v^-0.7 + r2 v^-1)``, with u the power and v the
flow as shares of the design: a constant interface resistance, a film whose resistance
falls with flow to the power 0.7 to 0.8, and the coolant's own rise, which falls with the
flow (energy balance). Air-cooled: ``inlet = sum_j w_j T_j + recirculation * exhaust rise``;
recirculation sets in where the servers want more air than the CRAHs give, and servers
speed their fans up above about 25 °C inlet. Plus a small network with non-negative weights
and increasing activations for what these leave over.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from models.supplies import inverse_softplus

FILM_EXPONENTS = (0.0, 0.7, 1.0)
FLOW_FLOOR = 0.05
"""Share of the design flow below which a flow counts as this: exponents blow up at 0."""
SERVER_FAN_KNEE_C = 25.0
EMBEDDING = 3
HIDDEN = 8
CORRECTION = 4.0
"""K for each unit of the network's output."""


class Increasing(nn.Module):
    """A small network that rises with each of its features, whatever its parameters."""

    def __init__(self, features: int, racks: int, seed: int) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(seed)

        def normal(*shape: int, scale: float) -> nn.Parameter:
            return nn.Parameter(torch.randn(*shape, generator=draw, dtype=torch.float64) * scale)

        self.inward = nn.Parameter(
            torch.randn(HIDDEN, features, generator=draw, dtype=torch.float64) * 0.5 - 1.0
        )
        self.embedding = normal(racks, EMBEDDING, scale=0.1)
        self.placing = normal(HIDDEN, EMBEDDING, scale=0.3)
        self.bias = normal(HIDDEN, scale=0.5)
        self.outward = nn.Parameter(torch.full((HIDDEN,), -5.0, dtype=torch.float64))

    def forward(self, features: Tensor) -> Tensor:
        """(..., R, F) -> (..., R), K; features of the order of 1."""
        own = self.embedding @ self.placing.T + self.bias
        hidden = torch.tanh(features @ softplus(self.inward).T + own)
        return CORRECTION * (hidden @ softplus(self.outward))


class LiquidHead(nn.Module):
    """Case temperature of direct-to-chip racks."""

    def __init__(self, racks: int, seed: int) -> None:
        super().__init__()
        start = [inverse_softplus(value) for value in (8.0, 6.0, 5.0)]
        self.rise = nn.Parameter(torch.tensor(start, dtype=torch.float64))
        self.own_rise = nn.Parameter(torch.zeros(racks, 3, dtype=torch.float64))
        self.shift = nn.Parameter(torch.zeros(racks, dtype=torch.float64))
        self.per_supply = nn.Parameter(torch.tensor(inverse_softplus(1.0), dtype=torch.float64))
        self.rest = Increasing(3, racks, seed)

    def forward(self, supply_c: Tensor, flow: Tensor, load: Tensor) -> tuple[Tensor, Tensor]:
        """(T, ..., R) of supply, flow and load (shares) -> drives of supply and rise, °C and K."""
        flow = flow.clamp_min(FLOW_FLOOR)
        weight = softplus(self.rise + self.own_rise)
        film = torch.stack([flow**-n for n in FILM_EXPONENTS], dim=-1)
        features = torch.stack([(supply_c - 30.0) / 10.0, load, -flow], dim=-1)
        rise = load * (film * weight).sum(-1) + self.rest(features)
        return self.shift + softplus(self.per_supply) * supply_c, rise

    def deviation(self) -> Tensor:
        """Mean square of what is each rack's own."""
        return self.own_rise.square().mean() + self.rest.embedding.square().mean()


class AirHead(nn.Module):
    """Inlet temperature of air-cooled racks."""

    def __init__(self, racks: int, there: Tensor, seed: int) -> None:
        super().__init__()
        self.register_buffer("there", there, persistent=False)
        nearest = -0.7 * torch.arange(there.shape[1], dtype=torch.float64)
        self.mixing = nn.Parameter(nearest.repeat(racks, 1))
        self.shift = nn.Parameter(torch.zeros(racks, dtype=torch.float64))
        self.per_supply = nn.Parameter(torch.tensor(inverse_softplus(1.0), dtype=torch.float64))
        # Recirculated share: contained aisles 0.01 to 0.05, open ones 0.02 to 0.15.
        self.always = nn.Parameter(
            torch.full((racks,), inverse_softplus(0.05), dtype=torch.float64)
        )
        self.starved = nn.Parameter(
            torch.full((racks,), inverse_softplus(0.3), dtype=torch.float64)
        )
        # Server air over CRAH air: with load, and where it starts to matter.
        self.demand = nn.Parameter(
            torch.tensor([inverse_softplus(0.25), inverse_softplus(0.35)], dtype=torch.float64)
        )
        self.enough = nn.Parameter(torch.tensor(0.9, dtype=torch.float64))
        self.knee = nn.Parameter(torch.tensor(inverse_softplus(0.1), dtype=torch.float64))
        self.fan_law = nn.Parameter(torch.tensor(inverse_softplus(0.03), dtype=torch.float64))
        # Exhaust rise: constant, with the hall's, the row's and the rack's own load, K.
        self.exhaust = nn.Parameter(
            torch.tensor([inverse_softplus(v) for v in (4.0, 4.0, 2.0, 2.0)], dtype=torch.float64)
        )
        self.rest = Increasing(5, racks, seed)

    def forward(
        self, supply_c: Tensor, speed: Tensor, load: Tensor, row_load: Tensor, hall_load: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Drives of supply and rise, (T, ..., R).

        ``supply_c`` and ``speed`` (share) are (T, ..., R, K), of the rack's own CRAHs;
        the loads (T, ..., R) are shares of the rating. Where all fans rise by one
        factor the mixing stays and recirculation falls.
        """
        speed = speed.clamp_min(FLOW_FLOOR)
        weight = torch.exp(self.mixing) * cast(Tensor, self.there) * speed
        weight = weight / weight.sum(-1, keepdim=True)
        mixed = (weight * supply_c).sum(-1)
        usual = torch.exp(self.mixing) * cast(Tensor, self.there)
        air = (speed * usual).sum(-1) / usual.sum(-1)
        wanted = softplus(self.demand)
        above = softplus(mixed - SERVER_FAN_KNEE_C)
        server_air = (wanted[0] + wanted[1] * hall_load) * (1.0 + softplus(self.fan_law) * above)
        knee = softplus(self.knee)
        short = knee * softplus((server_air / air - self.enough) / knee)
        share = softplus(self.always) + softplus(self.starved) * short
        loads = torch.stack([torch.ones_like(load), hall_load, row_load, load], dim=-1)
        exhaust = loads @ softplus(self.exhaust)
        features = torch.stack(
            [(mixed - 24.0) / 5.0, load, row_load, hall_load, -air.expand_as(load)], dim=-1
        )
        rise = share * exhaust + self.rest(features)
        return self.shift + softplus(self.per_supply) * mixed, rise

    def deviation(self) -> Tensor:
        """Mean square of what is each rack's own, about the racks' mean."""
        spread = [p - p.mean() for p in (self.always, self.starved)]
        own = torch.stack([s.square().mean() for s in spread]).sum()
        return own + self.rest.embedding.square().mean()
