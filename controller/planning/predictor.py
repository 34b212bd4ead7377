"""The learned models as the planner asks them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np

from facility.equipment import RackKind
from facility.site import Site
from models.contract import Array, Inputs, PowerCuts, Sensitivities, Trajectory, UnitCuts
from models.registry import Bundle
from models.state import ThermalState
from models.uncertainty import rack_groups

MINUTE_S = 60.0
"""Step of the thermal model."""
SERVER_FAN_FROM_C = 25.0
SERVER_FAN_SHARE_PER_K = 0.009
"""Servers' fans speed up by 3 to 5 % a kelvin of inlet above 24 to 25 °C (vendors' fan tables);
they take 5 to 10 % of a server's rating, with the cube of their speed: 0.07 * 3 * 0.04 is 0.8 % of
its rating a kelvin, thus 0.9 % of its power at the usual loads."""


class LearnedPredictor:
    """A `Predictor` over a trained bundle."""

    def __init__(self, site: Site, bundle: Bundle) -> None:
        self._bundle = bundle
        self._racks = len(site.racks)
        self._air = np.array([rack.kind is RackKind.AIR for rack in site.racks.values()])
        self._groups = {name: np.asarray(racks) for name, racks in rack_groups(site).items()}

    @property
    def version(self) -> str:
        """Content hash of the bundle."""
        return self._bundle.version

    def state(self, record: str) -> ThermalState:
        """The thermal state of a request."""
        return ThermalState.from_json(json.loads(record))

    def roll_out(self, state: ThermalState, inputs: Inputs) -> Trajectory:
        """Every rack over the inputs."""
        return self._bundle.thermal.roll_out(state, inputs)

    def trace(self, state: ThermalState, inputs: Inputs, step_s: Array) -> Array:
        """Every rack at the ends of steps that fill the inputs: parts of a minute, then minutes."""
        parts = step_s[step_s < MINUTE_S]
        sub = round(MINUTE_S / parts[0]) if len(parts) else 1
        return self._bundle.thermal.trace(state, inputs, sub, len(parts) // sub)

    def linearise(
        self,
        state: ThermalState,
        inputs: Inputs,
        blocks: tuple[int, ...],
        racks: Sequence[int],
        weight: Array | None = None,
    ) -> tuple[Sensitivities, Array]:
        """About the roll-out of the inputs, for moves held over blocks."""
        return self._bundle.thermal.linearise(state, inputs, racks, blocks, weight)

    def power(self, inputs: Inputs) -> dict[str, Array]:
        """(T,) kW by component, without the leakage of IT."""
        return dict(self._bundle.power.predict(inputs))

    def cuts(self, inputs: Inputs, n: int = 3) -> PowerCuts:
        """Affine under-estimates of the plant's components."""
        return self._bundle.power.cuts(inputs, n)

    def unit_cuts(self, inputs: Inputs, n: int = 3) -> UnitCuts:
        """The same of pumps and fans of units."""
        return self._bundle.power.unit_cuts(inputs, n)

    @property
    def power_basis(self) -> Array:
        """Means over the units, as the power model takes them."""
        matrix = np.asarray(self._bundle.power.layout.matrix)
        return matrix[np.any(matrix != 0.0, axis=1)]

    @property
    def power_error_kw(self) -> float:
        """Standard error of the total, the components' errors taken as independent."""
        return math.sqrt(sum(error**2 for error in self._bundle.power.error_kw.values()))

    def leakage(self, it_power_kw: Array, limited_c: Array) -> tuple[Array, Array]:
        """Leakage as learned, and the fans of air-cooled servers by their law; (T, R) each."""
        per_k = np.asarray(self._bundle.power.leakage_kw_per_k(it_power_kw))
        fans_per_k = SERVER_FAN_SHARE_PER_K * it_power_kw * self._air
        above_k = np.maximum(limited_c - SERVER_FAN_FROM_C, 0.0)
        kw = per_k * limited_c + fans_per_k * above_k
        return kw, per_k + np.where(above_k > 0.0, fans_per_k, 0.0)

    def margins(self, lead_s: Array) -> Array:
        """(leads, R) K below the limits, for the model's own error.

        What the load may do besides is the worst credible step's part: every rack at its
        rated power, which no forecast can exceed. Counted twice, it would cool a hall that
        runs near its rating for loads that cannot come.
        """
        found = np.zeros((len(lead_s), self._racks))
        for name, racks in self._groups.items():
            found[:, racks] = self._bundle.errors.margins(lead_s, name)[:, None]
        return found

    def band(self, lead_s: Array) -> tuple[Array, Array]:
        """(leads, R) lower and upper end of the 90 % band."""
        lower, upper = np.zeros((2, len(lead_s), self._racks))
        for name, racks in self._groups.items():
            below, above = self._bundle.errors.band(lead_s, name)
            lower[:, racks], upper[:, racks] = below[:, None], above[:, None]
        return lower, upper
