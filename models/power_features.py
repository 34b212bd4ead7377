"""What the plant's power depends on: a few affine functions of the setpoints, load, weather.

Means over units keep convexity (they are affine), and make the number of parameters
independent of the size of the hall.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facility.site import Site
from models.contract import Array, Inputs
from models.dataset import History
from models.layout import Layout

FEATURES = (
    "cw_supply_temperature_setpoint",
    "chw_supply_temperature_setpoint",
    "fws_supply_temperature_setpoint",
    "tcs_supply_temperature_setpoint",
    "tcs_flow_setpoint",
    "supply_air_temperature_setpoint",
    "fan_speed_setpoint",
)
"""By quantity, one feature each: the mean over the units, weighted by their ratings."""
EXOGENOUS = ("wet_bulb", "liquid_load", "air_load")
WET_BULB_SCALE_C = (12.0, 10.0)
"""Centre and spread that make the wet bulb of the order of 1."""
REACH = 0.15
"""Share of the range between two neighbouring tangents."""


@dataclass(frozen=True)
class PowerLayout:
    """How features are made of setpoints: ``features = matrix @ setpoints + shift``."""

    matrix: Array
    """(F, G)."""
    shift: Array
    """(F,)."""
    liquid: Array
    """(R,) share of all liquid-side heat at rating for each kW of a rack."""
    air: Array
    """(R,) the same on the air side."""
    minimum: Array
    """(G,) ranges of the setpoints."""
    maximum: Array
    cooling: Array
    """(G,) -1 where lower is more cooling, 1 where higher is."""
    measured: tuple[int, ...]
    """(G,) node whose supply the group's setpoint sets; -1 where none is measured."""

    @classmethod
    def of(cls, site: Site, layout: Layout) -> PowerLayout:
        """Work out the features of a site."""
        matrix = np.zeros((len(FEATURES), len(layout.groups)))
        shift = np.zeros(len(FEATURES))
        rated = _ratings(site)
        for f, quantity in enumerate(FEATURES):
            found = [a for a in site.actuators.values() if a.quantity == quantity]
            weights = np.array([rated.get(a.equipment, 1.0) for a in found])
            for actuator, weight in zip(found, weights / max(weights.sum(), 1e-9), strict=True):
                half = max(0.5 * (actuator.maximum - actuator.minimum), 1e-9)
                middle = 0.5 * (actuator.maximum + actuator.minimum)
                matrix[f, layout.groups.index(actuator.group)] += weight / half
                shift[f] -= weight * middle / half
        racks = list(site.racks.values())
        to_air = np.array([r.to_air_share for r in racks])
        heat = np.array([r.rated_kw for r in racks])
        members = [site.groups[g] for g in layout.groups]
        measured = [-1] * len(layout.groups)
        for index, node in enumerate(layout.nodes):
            if node.setpoint >= 0 and node.tag is not None:
                measured[node.setpoint] = index
        return cls(
            matrix=matrix,
            shift=shift,
            liquid=(1.0 - to_air) / max(float((heat * (1.0 - to_air)).sum()), 1e-9),
            air=to_air / max(float((heat * to_air).sum()), 1e-9),
            minimum=np.array([m[0].minimum for m in members]),
            maximum=np.array([m[0].maximum for m in members]),
            cooling=np.array([float(m[0].cooling.sign) for m in members]),
            measured=tuple(measured),
        )

    def features(self, inputs: Inputs, setpoints: Array | None = None) -> tuple[Array, Array]:
        """(T, F) of the setpoints, those of ``inputs`` by default, and (T, E) of the rest."""
        values = inputs.setpoints if setpoints is None else setpoints
        return self._features(values), self.exogenous(inputs.wet_bulb_c, inputs.it_power_kw)

    def exogenous(self, wet_bulb_c: Array, it_power_kw: Array) -> Array:
        """(T, E) of weather and load."""
        wet = (wet_bulb_c - WET_BULB_SCALE_C[0]) / WET_BULB_SCALE_C[1]
        return np.stack([wet, it_power_kw @ self.liquid, it_power_kw @ self.air], axis=1)

    def seen(self, history: History) -> Array:
        """(N, F) features of what was reached rather than set, for fitting.

        A setpoint below what the plant can reach costs no more than the reachable one:
        fitted on setpoints, that flat part would bend the convex function.
        """
        reached = history.setpoints.copy()
        for group, node in enumerate(self.measured):
            if node >= 0:
                supply = history.supply_c[:, node]
                reached[:, group] = np.where(np.isfinite(supply), supply, reached[:, group])
        return self._features(reached)

    def _features(self, setpoints: Array) -> Array:
        return np.asarray(setpoints @ self.matrix.T + self.shift)

    def places(self, setpoints: Array, n: int) -> list[Array]:
        """``n`` points to take tangents at: here, then towards less and more cooling by turns."""
        span = self.maximum - self.minimum
        found = [setpoints]
        for number in range(1, n):
            reach = REACH * ((number + 1) // 2) * (-1.0 if number % 2 else 1.0)
            moved = setpoints + reach * span * self.cooling
            found.append(np.clip(moved, self.minimum, self.maximum))
        return found


def _ratings(site: Site) -> dict[str, float]:
    ratings = {cdu.id: cdu.rated_kw for cdu in site.cdus.values()}
    ratings |= {crah.id: crah.rated_kw for crah in site.crahs.values()}
    ratings |= {loop.id: loop.rated_kw for loop in site.loops.values()}
    return ratings | {chiller.id: chiller.rated_kw for chiller in site.chillers.values()}
