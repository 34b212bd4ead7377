"""A small analytic plant in the place of the learned models, and sites that it is of.

Racks: case or inlet temperature relaxes with a lag of two minutes towards supply plus a rise
that grows with power and falls with flow. Power: pumps and fans by the cube of their flow,
chillers by lift, tower fans by the cube of the inverse approach, all convex. Written apart from
the product's code, so that the tests can hold one against the other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from controller.estimation.forecasts import Outlook
from facility.equipment import RackKind
from facility.loading import parse_site
from facility.site import Site
from models.contract import Array, Inputs, PowerCuts, Sensitivities, Trajectory, UnitCuts
from sim.sites.reference import DESIGNS
from sim.sites.writer import texts

LAG_S = 120.0
RISE_K = {RackKind.DIRECT_TO_CHIP: 26.0, RackKind.AIR: 4.0}
"""Of a rack at rated power and full flow, above its supply."""
RISE_EXPONENT = {RackKind.DIRECT_TO_CHIP: 0.6, RackKind.AIR: 0.9}


@cache
def reference_site(name: str) -> Site:
    """One of the reference sites, without touching a disk."""
    files = dict(texts(DESIGNS[name](), 20000))
    return parse_site(files["site.toml"], files["points.csv"])


@dataclass(frozen=True)
class AnalyticPlant:
    """Everything that planning and estimation ask of the models."""

    site: Site
    leak_per_k: float = 0.001
    margin_k: float = 1.0
    version: str = "analytic"

    # ---- racks

    def _links(self) -> tuple[list[int], list[int]]:
        """By rack: index of the group of its supply and of its flow."""
        names = list(self.site.groups)
        supply, flow = [], []
        for rack in self.site.racks.values():
            unit = rack.units[0]
            if rack.kind is RackKind.AIR:
                pair = ("supply_air_temperature_setpoint", "fan_speed_setpoint")
            else:
                pair = ("tcs_supply_temperature_setpoint", "tcs_flow_setpoint")
            supply.append(names.index(f"{unit}.{pair[0]}"))
            flow.append(names.index(f"{unit}.{pair[1]}"))
        return supply, flow

    def _full(self) -> Array:
        """(R,) flow that counts as 1."""
        _, flow = self._links()
        members = list(self.site.groups.values())
        return np.array([members[g][0].maximum for g in flow])

    def settled(self, setpoints: Array, power: Array) -> Array:
        """(T, R) where each rack would settle."""
        supply, flow = self._links()
        racks = list(self.site.racks.values())
        rise = np.array([RISE_K[r.kind] / r.rated_kw for r in racks]) * power
        exponent = np.array([RISE_EXPONENT[r.kind] for r in racks])
        share = np.maximum(setpoints[:, flow] / self._full(), 0.05)
        return np.asarray(setpoints[:, supply] + rise * share**-exponent)

    def roll_out(self, state: Array, inputs: Inputs) -> Trajectory:
        found = self.trace(state, inputs, np.full(inputs.steps, inputs.step_s))
        return Trajectory(limited_c=found, supply_c={}, loop_c={})

    def trace(self, state: Array, inputs: Inputs, step_s: Array) -> Array:
        target = self.settled(inputs.setpoints, inputs.it_power_kw)
        now = np.asarray(state, dtype=float)
        found = np.empty((len(step_s), target.shape[1]))
        ends = np.cumsum(step_s)
        for k, (length, end) in enumerate(zip(step_s, ends, strict=True)):
            keep = np.exp(-length / LAG_S)
            line = target[int((end - 0.5 * length) // inputs.step_s)]
            found[k] = now = keep * now + (1.0 - keep) * line
        return found

    def linearise(
        self,
        state: Array,
        inputs: Inputs,
        blocks: tuple[int, ...],
        racks: Sequence[int],
        weight: Array | None = None,
    ) -> tuple[Sensitivities, Array]:
        """Of all racks, whichever are asked for."""
        found = self._sensitivities(inputs, blocks)
        total = np.zeros((len(blocks), len(self.site.groups)))
        if weight is not None:
            by_pair = np.einsum("kn,nkb->nb", weight[:, found.rack], found.gain)
            np.add.at(total.T, found.group, by_pair)
        kept = np.isin(found.rack, racks)
        return Sensitivities(found.rack[kept], found.group[kept], found.gain[kept]), total

    def _sensitivities(self, inputs: Inputs, blocks: tuple[int, ...]) -> Sensitivities:
        steps = inputs.steps
        supply, flow = self._links()
        every = list(self.site.racks.values())
        keep = np.exp(-inputs.step_s / LAG_S)
        lead = np.subtract.outer(np.arange(steps), np.arange(steps))
        lag = np.where(lead >= 0, (1.0 - keep) * keep ** np.maximum(lead, 0), 0.0)
        rows, groups, gains = [], [], []
        owner = np.repeat(np.arange(len(blocks)), blocks)
        rise = self.settled(inputs.setpoints, inputs.it_power_kw) - inputs.setpoints[:, supply]
        for r, rack in enumerate(every):
            rows += [r, r]
            groups += [supply[r], flow[r]]
            per_flow = -RISE_EXPONENT[rack.kind] * rise[:, r] / inputs.setpoints[:, flow[r]]
            gains += [lag, lag * per_flow[None, :]]
        return Sensitivities(
            np.array(rows), np.array(groups), np.array(gains) @ np.eye(len(blocks))[owner]
        )

    # ---- power

    def _charge_kw(self) -> Array:
        """(G,) heat that a percent of a storage tank's charge puts on the plant."""
        found = np.zeros(len(self.site.groups))
        for g, members in enumerate(self.site.groups.values()):
            tank = self.site.storage_tanks.get(members[0].equipment)
            if tank is not None:
                loop = self.site.loops[tank.loop]
                found[g] = 0.01 * tank.rated_flow_ls * loop.rated_kw / loop.design_flow_ls
        return found

    def _units(self) -> list[tuple[str, int, float, float]]:
        """Pumps and fans: name, group, full scale, kW at it."""
        found = []
        for g, members in enumerate(self.site.groups.values()):
            if members[0].quantity in ("tcs_flow_setpoint", "fan_speed_setpoint"):
                equipment = members[0].equipment
                rated = (self.site.cdus.get(equipment) or self.site.crahs[equipment]).rated_kw
                found.append((f"fans_and_pumps/{equipment}", g, members[0].maximum, 0.01 * rated))
        return found

    def _plant(self, setpoints: Array, inputs: Inputs) -> tuple[Array, Array]:
        """(T,) chillers and towers together and (T, G) slope: lift and approach."""
        names = list(self.site.groups)
        chw = names.index("cool.chw_supply_temperature_setpoint")
        cw = names.index("tower_water.cw_supply_temperature_setpoint")
        warm = names.index("warm.fws_supply_temperature_setpoint")
        tcs = [g for g, name in enumerate(names) if "tcs_supply" in name]
        heat = inputs.it_power_kw.sum(axis=1) + inputs.setpoints @ self._charge_kw()
        slope = np.zeros_like(setpoints)
        lift = setpoints[:, cw] - setpoints[:, chw] + 10.0
        chilled = 0.01 * heat * np.logaddexp(0.0, lift / 4.0)
        slope[:, cw] += 0.0025 * heat / (1.0 + np.exp(-lift / 4.0))
        slope[:, chw] -= 0.0025 * heat / (1.0 + np.exp(-lift / 4.0))
        approach = np.logaddexp(0.0, setpoints[:, cw] - inputs.wet_bulb_c) + 1.0
        towers = 0.05 * heat / approach
        steep = 1.0 / (1.0 + np.exp(-(setpoints[:, cw] - inputs.wet_bulb_c)))
        slope[:, cw] -= 0.05 * heat / approach**2 * steep
        trim = np.logaddexp(0.0, 25.0 - setpoints[:, warm])
        slope[:, warm] -= 0.002 * heat / (1.0 + np.exp(setpoints[:, warm] - 25.0))
        near = 4.0 + setpoints[:, warm] - setpoints[:, tcs].mean(axis=1)
        pumping = 0.002 * heat * np.logaddexp(0.0, near)
        steep = 0.002 * heat / (1.0 + np.exp(-near))
        slope[:, warm] += steep
        slope[:, tcs] -= (steep / len(tcs))[:, None]
        return chilled + towers + 0.002 * heat * trim + pumping, slope

    def power(self, inputs: Inputs) -> dict[str, Array]:
        units = np.zeros(inputs.steps)
        for _, g, full, kw in self._units():
            units = units + kw * (inputs.setpoints[:, g] / full) ** 3
        return {"plant": self._plant(inputs.setpoints, inputs)[0], "fans_and_pumps": units}

    def cuts(self, inputs: Inputs, n: int = 3) -> PowerCuts:
        spans = np.array([m[0].maximum - m[0].minimum for m in self.site.groups.values()])
        values, slopes, places = [], [], []
        for share in (0.0, -0.1, 0.1)[:n]:
            at = inputs.setpoints + share * spans
            value, slope = self._plant(at, inputs)
            values.append(value - np.sum(slope * at, axis=1))
            slopes.append(slope)
            places.append(np.arange(inputs.steps))
        return PowerCuts(
            components=("plant",),
            component=np.zeros(n * inputs.steps, dtype=np.int64),
            step=np.concatenate(places),
            constant=np.concatenate(values),
            slope=np.concatenate(slopes),
        )

    def unit_cuts(self, inputs: Inputs, n: int = 3) -> UnitCuts:
        spans = np.array([m[0].maximum - m[0].minimum for m in self.site.groups.values()])
        rows: list[tuple[int, int, int, float, float]] = []
        for share in (0.0, -0.1, 0.1)[:n]:
            at = inputs.setpoints + share * spans
            for k in range(inputs.steps):
                for c, (_, g, full, kw) in enumerate(self._units()):
                    x = max(at[k, g], 0.0)
                    slope = 3.0 * kw * x**2 / full**3
                    rows.append((c, k, g, kw * (x / full) ** 3 - slope * x, slope))
        columns = [np.array(column) for column in zip(*rows, strict=True)]
        component, step, group, constant, slope = columns
        names = tuple(name for name, *_ in self._units())
        return UnitCuts(names, component, step, group, constant, slope)

    @property
    def power_basis(self) -> Array:
        names = list(self.site.groups)
        tcs = np.array([float("tcs_supply" in name) for name in names])
        own = [
            [float(group.startswith(name)) for group in names]
            for name in ("cool.chw", "tower_water.cw", "warm.fws")
        ]
        return np.array([tcs / tcs.sum(), *own])

    @property
    def power_error_kw(self) -> float:
        return 3.0

    def leakage(self, it_power_kw: Array, limited_c: Array) -> tuple[Array, Array]:
        liquid = [r.kind is RackKind.DIRECT_TO_CHIP for r in self.site.racks.values()]
        per_k = np.asarray(self.leak_per_k * it_power_kw * np.array(liquid))
        return per_k * limited_c, per_k

    # ---- errors, state, estimation, forecasts

    def margins(self, lead_s: Array) -> Array:
        return np.full((len(lead_s), len(self.site.racks)), self.margin_k)

    def band(self, lead_s: Array) -> tuple[Array, Array]:
        shape = (len(lead_s), len(self.site.racks))
        return np.full(shape, -0.5), np.full(shape, 0.5)

    def state(self, record: str) -> Array:
        return np.array(json.loads(record)["racks"])

    def start(self, frame: pd.DataFrame) -> tuple[float, Array]:
        return self._measured(frame)

    def follow(self, state: Any, frame: pd.DataFrame) -> tuple[float, Array]:
        return self._measured(frame)

    def _measured(self, frame: pd.DataFrame) -> tuple[float, Array]:
        tags = [self.site.tag(r.id, r.limited_temperature) for r in self.site.racks.values()]
        racks = frame[tags].ffill().bfill().iloc[-1].to_numpy()
        return frame.index[-1].timestamp() + 60.0, np.where(np.isfinite(racks), racks, 45.0)

    def power_factors(self, frame: pd.DataFrame) -> Mapping[str, float]:
        return {}

    def to_text(self, state: tuple[float, Array]) -> str:
        return json.dumps({"time_s": state[0], "racks": state[1].tolist()})

    def time_s(self, state: tuple[float, Array]) -> float:
        return state[0]

    def outlook(self, frame: pd.DataFrame, start_s: float, step_s: float, steps: int) -> Outlook:
        """The last row goes on."""
        racks = [str(self.site.tag(rack, "it_power")) for rack in self.site.racks]
        last = frame.iloc[-1]
        return Outlook(
            np.tile(last[racks].to_numpy(dtype=float), (steps, 1)),
            np.full(steps, float(last["outdoor.wet_bulb_temperature"])),
            np.full(steps, float(last["outdoor.dry_bulb_temperature"])),
        )
