"""Why a rack is expected to be as warm as it is: contributions in the engineer's terms.

The prediction is compared with the same rack under reference conditions (the means of the hours
before), and the difference is shared among what differs: integrated gradients along the
straight line between the two (Sundararajan, Taly and Yan 2017, arXiv:1703.01365, eq. 1; the
Aumann-Shapley values of Friedman 2004). They add up to the difference but for the quadrature's
error, which is of the order of 0.01 K; it is told with the rest of what is not the inputs' doing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from facility.equipment import Rack
from models.contract import Array, Inputs
from models.dataset import STEP_S, DatasetError, History
from models.layout import Layout
from models.state import ThermalState
from models.supplies import SupplyDrive
from models.thermal import ThermalModel, inner_steps, node_drive

WARM_ROWS = 120
"""Minutes before now whose inputs count too: what lags has not forgotten them."""
NODES = 12
"""Of the Gauss-Legendre quadrature along the line."""
MOST_ROWS = 1440
TERMS = {
    "supply_setpoint": "supply temperature asked of its own units",
    "flow_setpoint": "flow or fan speed asked of its own units",
    "facility_water": "setpoints of facility water, chillers and towers",
    "own_load": "its own load",
    "neighbours": "load of other racks",
    "weather": "weather",
    "unit_offset": "what the units supply beside the model",
    "rack_offset": "what the rack shows beside the model",
    "rest": "what came before, and rounding",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """A predicted temperature as a sum: ``reference_c`` and all of ``contributions_k``."""

    rack: str
    at_s: float
    predicted_c: float
    reference_c: float
    """Under the reference conditions, without offsets."""
    contributions_k: Mapping[str, float]
    """By key of `TERMS`."""
    now: Mapping[str, float]
    """What the rack's terms are at that time: load, supplies and flow asked, wet bulb."""
    reference: Mapping[str, float]
    """And under the reference conditions, under the same names."""

    def to_json(self) -> dict[str, Any]:
        """Plain values, with each term in words."""
        return {**asdict(self), "terms": TERMS}

    def ranked(self) -> tuple[tuple[str, float], ...]:
        """Terms in words with their K, the largest first."""
        order = sorted(self.contributions_k.items(), key=lambda pair: -abs(pair[1]))
        return tuple((TERMS[name], value) for name, value in order)


@dataclass(frozen=True, slots=True)
class _Drivers:
    """All that drives the hall; T rows of a minute."""

    setpoints: Tensor
    it_power_kw: Tensor
    wet_bulb_c: Tensor
    offset_k: Tensor

    def parts(self) -> tuple[Tensor, ...]:
        return (self.setpoints, self.it_power_kw, self.wet_bulb_c, self.offset_k)


def explain(
    model: ThermalModel,
    state: ThermalState,
    recent: History,
    coming: Inputs,
    rack: Rack,
) -> Explanation:
    """Explain the temperature of ``rack`` at the end of ``coming``.

    Parameters
    ----------
    state
        At the end of ``recent``.
    recent
        What was; its last day gives the reference conditions.
    coming
        What is to drive the hall from there.

    Raises
    ------
    DatasetError
        ``recent`` has no two unbroken hours at its end.
    """
    if recent.rows < WARM_ROWS or not recent.usable[-WARM_ROWS:].all():
        raise DatasetError(["two unbroken hours before the moment are needed to explain it"])
    index = model.layout.racks.index(rack.id)
    every = inner_steps(coming)

    def joined(was: Array, comes: Array) -> Tensor:
        ahead = np.repeat(comes, every, axis=0)
        return torch.as_tensor(np.concatenate([was[-WARM_ROWS:], ahead]))

    actual = _Drivers(
        joined(recent.setpoints, coming.setpoints),
        joined(recent.it_power_kw, coming.it_power_kw),
        joined(recent.wet_bulb_c, coming.wet_bulb_c).unsqueeze(-1),
        torch.as_tensor(state.supply_offsets.value_k),
    )
    usual = _reference(recent, actual)
    reference_c, shared = _integrated(model, actual, usual, index)
    found = _by_term(model.layout, shared, index)
    found["rack_offset"] = float(state.rack_offsets.value_k[index])
    predicted_c = float(model.roll_out(state, coming).limited_c[-1, index])
    found["rest"] = predicted_c - reference_c - sum(found.values())
    return Explanation(
        rack=rack.id,
        at_s=coming.start_s + coming.steps * coming.step_s,
        predicted_c=predicted_c,
        reference_c=reference_c,
        contributions_k=found,
        now=_conditions(model.layout, actual, index),
        reference=_conditions(model.layout, usual, index),
    )


def _reference(recent: History, actual: _Drivers) -> _Drivers:
    """The means of the last day, held; no offset."""
    told = recent.usable[-MOST_ROWS:]

    def held(values: Array, like: Tensor) -> Tensor:
        mean = np.asarray(values[-MOST_ROWS:][told].mean(axis=0))
        return torch.as_tensor(mean).expand_as(like).clone()

    return _Drivers(
        held(recent.setpoints, actual.setpoints),
        held(recent.it_power_kw, actual.it_power_kw),
        held(recent.wet_bulb_c, actual.wet_bulb_c),
        torch.zeros_like(actual.offset_k),
    )


def _integrated(
    model: ThermalModel, actual: _Drivers, usual: _Drivers, rack: int
) -> tuple[float, tuple[Tensor, ...]]:
    """The reference temperature, and each driver's share of the difference, summed over time."""
    places, weights = np.polynomial.legendre.leggauss(NODES)
    along = torch.as_tensor(0.5 * (places + 1.0))
    weight = torch.as_tensor(0.5 * weights)
    steps = [a - u for a, u in zip(actual.parts(), usual.parts(), strict=True)]
    leaves = []
    for start, whole in zip(usual.parts(), steps, strict=True):
        if start.dim() == 1:  # offsets: (nodes of the quadrature, M)
            leaf = start + along[:, None] * whole
        else:  # (T, nodes of the quadrature, columns)
            leaf = start.unsqueeze(1) + along[None, :, None] * whole.unsqueeze(1)
        leaves.append(leaf.requires_grad_())
    end = _last(model, leaves, rack)
    gradients = torch.autograd.grad((end * weight).sum(), leaves)
    shares = []
    for gradient, whole in zip(gradients, steps, strict=True):
        mean = gradient.sum(0) if whole.dim() == 1 else gradient.sum(1)
        share = mean * whole
        shares.append((share if whole.dim() == 1 else share.sum(0)).detach())
    with torch.no_grad():
        begin = [v.unsqueeze(0) if v.dim() == 1 else v.unsqueeze(1) for v in usual.parts()]
        reference_c = float(_last(model, begin, rack)[0])
    return reference_c, tuple(shares)


def _last(model: ThermalModel, parts: list[Tensor], rack: int) -> Tensor:
    """(B,) temperature of the rack after the last row, settled before the first."""
    setpoints, power, wet, offset = parts
    drive = SupplyDrive(*node_drive(model.layout, setpoints, power), wet_bulb_c=wet)
    supply, _ = model.net.supplies(drive, offset_k=offset)
    limited, _ = model.net.racks(supply, drive.flow, power)
    last: Tensor = limited[-1, :, rack]
    return last


def _by_term(layout: Layout, shares: tuple[Tensor, ...], rack: int) -> dict[str, float]:
    setpoints, power, wet, offset = (share.numpy() for share in shares)
    supplies, flows = _own_groups(layout, rack)
    rest = [g for g in range(len(layout.groups)) if g not in supplies | flows]
    return {
        "supply_setpoint": float(setpoints[sorted(supplies)].sum()),
        "flow_setpoint": float(setpoints[sorted(flows)].sum()),
        "facility_water": float(setpoints[rest].sum()),
        "own_load": float(power[rack]),
        "neighbours": float(power.sum() - power[rack]),
        "weather": float(wet.sum()),
        "unit_offset": float(offset.sum()),
    }


def _own_groups(layout: Layout, rack: int) -> tuple[set[int], set[int]]:
    """Groups that set the supplies, and the flows, of the rack's own units."""
    nodes = [layout.nodes[i] for i in _own_units(layout, rack)]
    return {n.setpoint for n in nodes if n.setpoint >= 0}, {n.flow for n in nodes if n.flow >= 0}


def _own_units(layout: Layout, rack: int) -> tuple[int, ...]:
    liquid, air = np.flatnonzero(layout.liquid == rack), np.flatnonzero(layout.air == rack)
    if len(liquid):
        return (int(layout.liquid_unit[liquid[0]]),)
    units = layout.air_units[air[0]][layout.air_units_there[air[0]]]
    return tuple(int(unit) for unit in units)


def _conditions(layout: Layout, drivers: _Drivers, rack: int) -> dict[str, float]:
    """What a person would look at, at the last row; means over the rack's own units."""
    supplies, flows = _own_groups(layout, rack)
    last = drivers.setpoints[-1].numpy()
    power = drivers.it_power_kw[-1].numpy()
    found = {
        "load_kw": float(power[rack]),
        "other_load_kw": float(power.sum() - power[rack]),
        "wet_bulb_c": float(drivers.wet_bulb_c[-1]),
    }
    if supplies:
        found["supply_setpoint_c"] = float(last[sorted(supplies)].mean())
    if flows:
        found["flow_setpoint"] = float(last[sorted(flows)].mean())
    return found


def hold(recent: History, rows: int) -> Inputs:
    """The next ``rows`` minutes with everything held as it is now."""
    ahead = recent.inputs(recent.rows - 1, recent.rows)

    def held(values: Array) -> Array:
        return np.repeat(values, rows, axis=0)

    return Inputs(
        start_s=float(recent.time_s[-1]) + STEP_S,
        step_s=STEP_S,
        setpoints=held(ahead.setpoints),
        it_power_kw=held(ahead.it_power_kw),
        wet_bulb_c=held(ahead.wet_bulb_c),
        dry_bulb_c=held(ahead.dry_bulb_c),
    )
