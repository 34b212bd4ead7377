"""Electric power of the cooling as convex functions of the setpoints.

CDU pumps and CRAH fans: ``c0 + c1 x^n`` of the unit's own flow or speed, ``n`` from 1 to
3.5 (affinity laws: 3 in a fixed system, less where a static head or a drive's losses
count). Chillers, tower fans and water pumps: for each load a sum of softplus
of affine functions of the setpoints with weights above 0 (an input-convex network of one
layer, Amos et al. 2017, arXiv:1609.07152), with the signs that physics is sure of.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import softplus

from models.contract import Array, Inputs, Leakage, PowerCuts, UnitCuts
from models.power_features import EXOGENOUS, FEATURES, PowerLayout

HIDDEN = 24
FREE = 2
"""In `SIGNS`: either sign."""
# Sign of each component's answer to FEATURES, in their order, where physics is sure of it.
# Chillers: less lift, less trim and a warmer return want less of them. Tower fans: a wider
# approach wants less air; but a wider difference at an exchanger closes its valve, less water wets
# fewer cells, and those turn faster, so what chillers save towers do not always. Pumps of facility
# water: a wider difference at an exchanger closes its valve. More flow through CDUs and CRAHs
# brings the same heat back less warm, which is harder to get rid of. 0: no physical path worth a
# parameter.
SIGNS: dict[str, tuple[int, ...]] = {
    "chillers": (0, -1, -1, -1, -1, -1, -1, 1, 1),
    "tower_fans": (-1, FREE, FREE, FREE, FREE, 0, 0, FREE, 0),
    "tower_pumps": (0, FREE, FREE, FREE, FREE, 0, 0, 1, 0),
    "fws_pumps": (0, 0, -1, -1, 0, -1, 0, 1, 1),
}
EXPONENT_RANGE = (1.0, 3.5)
LEAKAGE = "it_leakage"


class PlantPower(nn.Module):
    """One metered component of the plant: kW, convex in the features.

    With ``rises`` it also rises with the load, ever more steeply: where a storage tank is charged
    by that slope, it must not be what chance left of it where little was seen.
    """

    def __init__(
        self, signs: tuple[int, ...], exogenous: int, seed: int, *, rises: bool = False
    ) -> None:
        super().__init__()
        self.rises = rises
        draw = torch.Generator().manual_seed(seed)

        def normal(*shape: int, scale: float) -> Tensor:
            return torch.randn(*shape, generator=draw, dtype=torch.float64) * scale

        width = len(signs)
        self.register_buffer("sign", torch.tensor(signs), persistent=False)
        self.inward = nn.Parameter(normal(HIDDEN, width, scale=0.5) - 1.0)
        self.outdoor = nn.Parameter(normal(HIDDEN, exogenous, scale=0.5))
        self.bias = nn.Parameter(normal(HIDDEN, scale=0.5))
        self.outward = nn.Parameter(torch.full((HIDDEN,), -2.0, dtype=torch.float64))
        self.outward_load = nn.Parameter(normal(HIDDEN, exogenous, scale=0.1))
        self.floor = nn.Parameter(torch.tensor(-2.0, dtype=torch.float64))
        self.register_buffer("scale_kw", torch.tensor(1.0, dtype=torch.float64))

    def weights(self) -> Tensor:
        """(H, F) with the promised signs."""
        sign = cast(Tensor, self.sign)
        signed = sign * softplus(self.inward)
        return torch.where(sign == FREE, self.inward, signed)

    def load_weights(self) -> tuple[Tensor, Tensor]:
        """(H, E) each: of the load inside, and of what each unit counts for.

        What rises, rises with the load alone, and not with what is given behind it.
        """
        if not self.rises:
            return self.outdoor, self.outward_load
        rising = softplus(self.outdoor), softplus(self.outward_load - 2.0)
        load = torch.arange(self.outdoor.shape[1]) < len(EXOGENOUS)
        return (
            torch.where(load, rising[0], self.outdoor),
            torch.where(load, rising[1], self.outward_load),
        )

    def forward(self, features: Tensor, exogenous: Tensor) -> Tensor:
        """(..., F) and (..., E) -> (...) kW."""
        inside, outside = self.load_weights()
        inner = features @ self.weights().T + exogenous @ inside.T + self.bias
        outer = softplus(self.outward + exogenous @ outside.T)
        share = (softplus(inner) * outer).sum(-1) + softplus(self.floor)
        return cast(Tensor, self.scale_kw) * share


@dataclass(frozen=True, slots=True)
class UnitPower:
    """Pumps of a CDU or fans of a CRAH: ``constant + factor * (setpoint/scale)^exponent``."""

    unit: str
    component: str
    group: int
    scale: float
    minimum: float
    maximum: float
    constant_kw: float
    factor_kw: float
    exponent: float

    def kw(self, setpoint: Array) -> Array:
        """Power at ``setpoint``."""
        share = np.maximum(setpoint, 0.0) / self.scale
        return np.asarray(self.constant_kw + self.factor_kw * share**self.exponent)


@dataclass(frozen=True)
class _UnitTable:
    """The same of all units, (U,) each."""

    group: NDArray[np.int64]
    scale: Array
    constant_kw: Array
    factor_kw: Array
    exponent: Array

    @staticmethod
    def of(units: tuple[UnitPower, ...], component: str) -> list[int]:
        """Which of them are of a component."""
        return [i for i, unit in enumerate(units) if unit.component == component]


@dataclass(frozen=True)
class PowerModel:
    """Power by component; a site's, and convex in its setpoints."""

    layout: PowerLayout
    plant: nn.ModuleDict
    units: tuple[UnitPower, ...]
    leakage: Leakage
    error_kw: dict[str, float]
    """RMSE of each component's ten-minute means on later data."""

    @property
    def components(self) -> tuple[str, ...]:
        """What `predict` answers, but for the leakage."""
        return (*self.plant, *dict.fromkeys(unit.component for unit in self.units))

    def predict(self, inputs: Inputs, limited_c: Array | None = None) -> dict[str, Array]:
        """KW of each component at each step, (T,).

        With the racks' temperatures, (T, R), also ``it_leakage``: what IT draws more
        than at its reference temperatures.
        """
        features, exogenous = self.layout.features(inputs)
        answer: dict[str, Array] = {}
        with torch.no_grad():
            for name, net in self.plant.items():
                answer[name] = net(torch.as_tensor(features), torch.as_tensor(exogenous)).numpy()
        units = self._unit_table
        shares = np.maximum(inputs.setpoints[:, units.group], 0.0) / units.scale
        kw = units.constant_kw + units.factor_kw * shares**units.exponent
        for name in dict.fromkeys(unit.component for unit in self.units):
            answer[name] = answer.get(name, 0.0) + kw[:, units.of(self.units, name)].sum(axis=1)
        if limited_c is not None:
            above_k = limited_c - self.leakage.reference_c
            answer[LEAKAGE] = (self.leakage_kw_per_k(inputs.it_power_kw) * above_k).sum(axis=1)
        return answer

    def leakage_kw_per_k(self, it_power_kw: Array) -> Array:
        """(T, R) kW that each rack draws more for each kelvin."""
        return np.asarray(it_power_kw * self.leakage.per_k)

    def cuts(self, inputs: Inputs, n: int = 3) -> PowerCuts:
        """``n`` tangents of each component of the plant and step; the first is at ``inputs``.

        The others lie towards more and less cooling, along all setpoints at once. All are
        under-estimates, since the power is convex.
        """
        rows: list[tuple[int, Array, Array]] = []
        for index, net in enumerate(self.plant.values()):
            for setpoints in self.layout.places(inputs.setpoints, n):
                value, slope = self._plant_tangent(cast(PlantPower, net), inputs, setpoints)
                rows.append((index, value - (slope * setpoints).sum(axis=1), slope))
        groups = inputs.setpoints.shape[1]
        return PowerCuts(
            components=tuple(self.plant),
            component=np.repeat([row[0] for row in rows], inputs.steps).astype(np.int64),
            step=np.tile(np.arange(inputs.steps, dtype=np.int64), len(rows)),
            constant=np.concatenate([np.zeros(0), *(row[1] for row in rows)]),
            slope=np.concatenate([np.zeros((0, groups)), *(row[2] for row in rows)]),
        )

    def unit_cuts(self, inputs: Inputs, n: int = 3) -> UnitCuts:
        """The same of each unit's pumps or fans, along its own setpoint."""
        units, steps = self._unit_table, inputs.steps
        constants, slopes = [], []
        for setpoints in self.layout.places(inputs.setpoints, n):
            at = np.maximum(setpoints[:, units.group], 0.0)
            shares = at / units.scale
            steep = units.factor_kw * units.exponent / units.scale
            slope = steep * shares ** (units.exponent - 1.0)
            kw = units.constant_kw + units.factor_kw * shares**units.exponent
            constants.append(kw - slope * at)
            slopes.append(slope)
        count = len(self.units)
        every = np.arange(count, dtype=np.int64)
        return UnitCuts(
            components=tuple(f"{unit.component}/{unit.unit}" for unit in self.units),
            component=np.tile(every, n * steps),
            step=np.tile(np.repeat(np.arange(steps, dtype=np.int64), count), n),
            group=np.tile(units.group, n * steps),
            constant=np.concatenate([part.ravel() for part in constants]),
            slope=np.concatenate([part.ravel() for part in slopes]),
        )

    @cached_property
    def _unit_table(self) -> _UnitTable:
        columns = zip(
            *((u.group, u.scale, u.constant_kw, u.factor_kw, u.exponent) for u in self.units),
            strict=True,
        )
        group, *rest = columns if self.units else ((),) * 5
        return _UnitTable(np.array(group, dtype=np.int64), *(np.array(c, float) for c in rest))

    def _plant_tangent(
        self, net: PlantPower, inputs: Inputs, setpoints: Array
    ) -> tuple[Array, Array]:
        features, exogenous = self.layout.features(inputs, setpoints)
        leaf = torch.as_tensor(features).requires_grad_()
        value = net(leaf, torch.as_tensor(exogenous))
        (gradient,) = torch.autograd.grad(value.sum(), [leaf])
        gain = self.layout.gain(inputs.wet_bulb_c)
        return value.detach().numpy(), (gradient.numpy() * gain) @ self.layout.matrix


def new_plant(name: str, layout: PowerLayout, seed: int) -> PlantPower:
    """An untrained model of the component ``name`` of `SIGNS`.

    It rises with the load where a site charges storage tanks.
    """
    assert len(SIGNS[name]) == len(FEATURES)  # noqa: S101  # a table in this file
    rises = bool(layout.charge.any())
    return PlantPower(SIGNS[name], len(layout.exogenous_names), seed, rises=rises)
