"""What the plant's power depends on: a few affine functions of the setpoints, load, weather.

Means over units keep convexity (they are affine), and make the number of parameters
independent of the size of the hall.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import psychrolib

from facility.quantities import CHILLER_STAGE, STAGE_REQUEST
from facility.site import Site
from models.contract import Array, Inputs
from models.dataset import History
from models.layout import Layout
from models.storage import charge_heat

TOWER, CHILLED, WARM = (
    "cw_supply_temperature_setpoint",
    "chw_supply_temperature_setpoint",
    "fws_supply_temperature_setpoint",
)
CDU_SUPPLY, CDU_FLOW = "tcs_supply_temperature_setpoint", "tcs_flow_setpoint"
AIR_SUPPLY, FAN = "supply_air_temperature_setpoint", "fan_speed_setpoint"

FEATURES = (
    "warm tower water over wet bulb",
    "chilled water over tower water",
    "warm water over tower water",
    "CDU supply over warm water",
    "CDU supply over tower water",
    "supply air over chilled water",
    "supply air over tower water",
    "CDU flow",
    "CRAH fans",
)
"""Differences drive exchangers, lift and fans; levels do not, so none is a feature. Each is of
means over the units, weighted by their ratings."""
EXOGENOUS = ("liquid_load", "air_load")
"""The weather acts through the features alone: given them, machines do not feel the wet bulb, and
a parameter for it would carry one season's habits into another."""
STAGE = "chillers that run"
"""One more, the last, at sites whose sequencer takes stage requests and at no other: where their
number lies between one and all. It is no feature, since a plan holds it: power need not be convex
in it, and machines that share a load take more or less by the load."""
AIR_C = np.linspace(-20.0, 40.0, 61)
APPROACH_K = 5.0
RANGE_K = 5.0
"""Of a tower that runs as designed: what its water leaves above the wet bulb, and what it loses.
Both together drive heat into the air, so that the gain below is of both."""
USUAL_WET_BULB_C = 15.0
"""At which the gain below is 1."""
DIFFERENCE_SCALE_K = 8.0
"""Makes differences of the order of 1."""
BLOCK_ROWS = 5
"""Minutes that are averaged: machines cycle, and water needs minutes to come round."""
PLANT_KINDS = ("tower", "loop")
RESTLESS_K = 0.3
"""Tower water and loops that together move so far in a block halve its weight. While water is
pulled down to a new setpoint the fans run flat out and the chillers cool what it holds: power
that holding the setpoint never takes."""
REACH = 0.15
"""Share of the range between two neighbouring tangents."""


@dataclass(frozen=True)
class PowerLayout:
    """How features are made of setpoints: ``features = matrix @ setpoints + shift + ...``."""

    matrix: Array
    """(F, G)."""
    shift: Array
    """(F,)."""
    per_wet_bulb: Array
    """(F,) for each °C."""
    liquid: Array
    """(R,) share of all liquid-side heat at rating for each kW of a rack."""
    air: Array
    """(R,) the same on the air side."""
    minimum: Array
    """(G,) ranges of the setpoints."""
    maximum: Array
    cooling: Array
    """(G,) -1 where lower is more cooling, 1 where higher is."""
    supplied: tuple[tuple[int, int], ...]
    """As `Layout.supplied`."""
    charge: Array
    """(G, E) load that a unit of a storage tank's setpoint adds; 0 of all others."""
    stages: tuple[tuple[int, str], ...] = ()
    """Groups that are stage requests, and the tag of what their sequencer runs."""
    stage: Array | None = None
    """(G,) `STAGE` for each chiller more; None where no sequencer takes requests."""
    stage_shift: float = 0.0

    @classmethod
    def of(cls, site: Site, layout: Layout) -> PowerLayout:
        """Work out the features of a site."""
        mean = {
            q: _mean_of(site, layout, q) for q in (TOWER, CHILLED, WARM, CDU_SUPPLY, AIR_SUPPLY)
        }
        # Where nothing sets a warm loop, its units hang on the chilled water.
        warm = mean[WARM] if mean[WARM].any() else mean[CHILLED]
        none = np.zeros(len(layout.groups))

        def over(upper: Array, lower: Array) -> Array:
            there = upper.any() and lower.any()
            return (upper - lower) / DIFFERENCE_SCALE_K if there else none

        flow, flow_shift = _share_of(site, layout, CDU_FLOW)
        fan, fan_shift = _share_of(site, layout, FAN)
        stage, stage_shift = _share_of(site, layout, STAGE_REQUEST)
        matrix = np.stack(
            [
                mean[TOWER] / DIFFERENCE_SCALE_K,
                over(mean[CHILLED], mean[TOWER]),
                over(warm, mean[TOWER]),
                over(mean[CDU_SUPPLY], warm),
                over(mean[CDU_SUPPLY], mean[TOWER]),
                over(mean[AIR_SUPPLY], mean[CHILLED]),
                over(mean[AIR_SUPPLY], mean[TOWER]),
                flow,
                fan,
            ]
        )
        shift = np.array([*(0.0,) * (len(FEATURES) - 2), flow_shift, fan_shift])
        shift[0] = RANGE_K / DIFFERENCE_SCALE_K if mean[TOWER].any() else 0.0
        per_wet_bulb = np.zeros(len(FEATURES))
        per_wet_bulb[0] = -1.0 / DIFFERENCE_SCALE_K if mean[TOWER].any() else 0.0
        racks = list(site.racks.values())
        to_air = np.array([r.to_air_share for r in racks])
        heat = np.array([r.rated_kw for r in racks])
        members = [site.groups[g] for g in layout.groups]
        liquid_kw = max(float((heat * (1.0 - to_air)).sum()), 1e-9)
        air_kw = max(float((heat * to_air).sum()), 1e-9)
        charge = np.stack(charge_heat(site, layout), axis=1) / (liquid_kw, air_kw)
        return cls(
            matrix=matrix,
            shift=shift,
            per_wet_bulb=per_wet_bulb,
            liquid=(1.0 - to_air) / liquid_kw,
            air=to_air / air_kw,
            minimum=np.array([m[0].minimum for m in members]),
            maximum=np.array([m[0].maximum for m in members]),
            # A stage is no part of «more cooling»: tangents are taken at the one that is planned.
            cooling=np.array(
                [
                    0.0 if m[0].quantity == STAGE_REQUEST else float(m[0].cooling.sign)
                    for m in members
                ]
            ),
            supplied=layout.supplied,
            charge=charge,
            stages=tuple(
                (g, tag)
                for g, m in enumerate(members)
                if m[0].quantity == STAGE_REQUEST
                and (tag := site.tag(m[0].equipment, CHILLER_STAGE)) is not None
            ),
            stage=stage if stage.any() else None,
            stage_shift=stage_shift,
        )

    @property
    def exogenous_names(self) -> tuple[str, ...]:
        """What `exogenous` answers, in its order."""
        return EXOGENOUS if self.stage is None else (*EXOGENOUS, STAGE)

    def features(self, inputs: Inputs, setpoints: Array | None = None) -> tuple[Array, Array]:
        """(T, F) of the setpoints, those of ``inputs`` by default, and (T, E) of what is given.

        What storage tanks take is of the load, and the chillers that run are what a plan holds:
        both hence of ``inputs`` whatever the setpoints.
        """
        values = inputs.setpoints if setpoints is None else setpoints
        given = self.exogenous(inputs.it_power_kw, inputs.setpoints)
        return self._features(values, inputs.wet_bulb_c), given

    def exogenous(self, it_power_kw: Array, setpoints: Array) -> Array:
        """(T, E) of the load, and of the chillers that run where somebody may ask for them.

        The load is the racks', and what charging of storage tanks adds to it.
        """
        load = np.stack([it_power_kw @ self.liquid, it_power_kw @ self.air], axis=1)
        if self.charge.any():
            load = load + setpoints @ self.charge
        if self.stage is None:
            return load
        return np.column_stack([load, setpoints @ self.stage + self.stage_shift])

    def seen(self, history: History) -> Array:
        """(N, F) features of what was reached rather than set, for fitting."""
        return self._features(self.reached(history), history.wet_bulb_c)

    def reached(self, history: History) -> Array:
        """(N, G) setpoints in force, but for supplies what was measured of them.

        A setpoint below what the plant can reach costs no more than the reachable one:
        fitted on setpoints, that flat part would bend the convex function. For the same reason the
        chillers that run count, not those that were asked for.
        """
        reached = self.staged_as_run(history)
        for group, node in self.supplied:
            supply = history.supply_c[:, node]
            reached[:, group] = np.where(np.isfinite(supply), supply, reached[:, group])
        return reached

    def staged_as_run(self, history: History) -> Array:
        """(N, G) setpoints in force, but for stage requests the chillers that ran.

        None at all counts as one: that is no stage to be asked for, and the weather tells.
        """
        found = history.setpoints.copy()
        for group, tag in self.stages:
            if tag in history.meters:
                run = history.meters[tag]
                found[:, group] = np.where(np.isfinite(run), np.maximum(run, 1.0), found[:, group])
        return found

    def gain(self, wet_bulb_c: Array) -> Array:
        """(T, F) what a kelvin of each feature is worth in this weather.

        Air takes heat up from a tower's water with the difference of their enthalpies (Merkel
        1925): a kelvin over the wet bulb is worth half as much at 4 °C as at 20 °C.
        """
        found = np.ones((len(wet_bulb_c), len(FEATURES)))
        towers = np.flatnonzero(self.per_wet_bulb)
        found[:, towers] = _enthalpy_rise(wet_bulb_c)[:, None] / _enthalpy_rise(
            np.array([USUAL_WET_BULB_C])
        )
        return found

    def _features(self, setpoints: Array, wet_bulb_c: Array) -> Array:
        affine = setpoints @ self.matrix.T + self.shift
        return (affine + wet_bulb_c[:, None] * self.per_wet_bulb) * self.gain(wet_bulb_c)

    def places(self, setpoints: Array, n: int) -> list[Array]:
        """``n`` points to take tangents at: here, then towards less and more cooling by turns."""
        span = self.maximum - self.minimum
        found = [setpoints]
        for number in range(1, n):
            reach = REACH * ((number + 1) // 2) * (-1.0 if number % 2 else 1.0)
            moved = setpoints + reach * span * self.cooling
            found.append(np.clip(moved, self.minimum, self.maximum))
        return found


def block_mean(values: Array) -> Array:
    """Means over blocks of `BLOCK_ROWS` minutes, along the first axis; a rest is left out."""
    count = len(values) // BLOCK_ROWS
    part = values[: count * BLOCK_ROWS]
    return np.asarray(part.reshape(count, BLOCK_ROWS, *part.shape[1:]).mean(axis=1))


def rest_of(history: History) -> Array:
    """(blocks,) weight of each block's power, from 1 at rest towards 0 as the water moves.

    Movement is tower water's and loops' into the block or the one before it; into the first, which
    nothing tells, as much as out of it.
    """
    plant = [i for i, node in enumerate(history.layout.nodes) if node.kind in PLANT_KINDS]
    means = block_mean(history.supply_c[:, plant])
    change = np.zeros_like(means)
    change[1:] = np.nan_to_num(np.diff(means, axis=0))
    change[:1] = change[1:2] if len(change) > 1 else 0.0
    moved_k = np.sqrt((change**2).sum(axis=1))
    moved_k[1:] = np.maximum(moved_k[1:], moved_k[:-1])
    return np.asarray(1.0 / (1.0 + (moved_k / RESTLESS_K) ** 2))


@cache
def _saturated_kj_kg() -> Array:
    """Enthalpy of saturated air at `AIR_C` and sea level (ASHRAE, by psychrolib)."""
    psychrolib.SetUnitSystem(psychrolib.SI)
    pressure_pa = psychrolib.GetStandardAtmPressure(0.0)
    joules = [psychrolib.GetSatAirEnthalpy(float(at_c), pressure_pa) for at_c in AIR_C]
    return np.array(joules) / 1000.0


def _enthalpy_rise(wet_bulb_c: Array) -> Array:
    """KJ/kg that saturated air gains over an approach of `APPROACH_K`."""
    upper, lower = (
        np.interp(at, AIR_C, _saturated_kj_kg()) for at in (wet_bulb_c + APPROACH_K, wet_bulb_c)
    )
    return np.asarray(upper - lower)


def _mean_of(site: Site, layout: Layout, quantity: str) -> Array:
    """(G,) weights of the mean over what has this setpoint; all 0 where nothing has."""
    rated = _ratings(site)
    weights = np.zeros(len(layout.groups))
    for actuator in site.actuators.values():
        if actuator.quantity == quantity:
            weights[layout.groups.index(actuator.group)] += rated.get(actuator.equipment, 1.0)
    return weights / max(float(weights.sum()), 1e-9)


def _share_of(site: Site, layout: Layout, quantity: str) -> tuple[Array, float]:
    """Weights and constant of the mean place within the range, -1 to 1."""
    mean = _mean_of(site, layout, quantity)
    weights, shift = np.zeros(len(layout.groups)), 0.0
    for index in np.flatnonzero(mean):
        first = site.groups[layout.groups[index]][0]
        half = max(0.5 * (first.maximum - first.minimum), 1e-9)
        weights[index] = mean[index] / half
        shift -= mean[index] * 0.5 * (first.maximum + first.minimum) / half
    return weights, shift


def _ratings(site: Site) -> dict[str, float]:
    ratings = {cdu.id: cdu.rated_kw for cdu in site.cdus.values()}
    ratings |= {crah.id: crah.rated_kw for crah in site.crahs.values()}
    ratings |= {loop.id: loop.rated_kw for loop in site.loops.values()}
    return ratings | {chiller.id: chiller.rated_kw for chiller in site.chillers.values()}
