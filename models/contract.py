"""What the learned models are asked and what they answer: arrays with named axes.

Axes: ``T`` steps of ``step_s`` seconds, ``R`` racks in the order of ``site.racks``,
``G`` actuator groups in the order of ``site.groups``. Step ``k`` covers
``start_s + k*step_s`` to ``start_s + (k+1)*step_s``; inputs hold during it and a
predicted temperature is the one at its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Inputs:
    """What drives the hall over a horizon."""

    start_s: float
    step_s: float
    setpoints: Array
    """(T, G), canonical units: one value for each actuator group."""
    it_power_kw: Array
    """(T, R)."""
    wet_bulb_c: Array
    """(T,)."""
    dry_bulb_c: Array
    """(T,)."""

    @property
    def steps(self) -> int:
        """T."""
        return int(self.setpoints.shape[0])


@dataclass(frozen=True, slots=True)
class Trajectory:
    """What the model expects of a horizon."""

    limited_c: Array
    """(T, R): inlet air of air-cooled racks, case of liquid-cooled ones."""
    supply_c: Mapping[str, Array]
    """By CDU and CRAH id, (T,): the supply that the unit reaches, capacity counted."""
    loop_c: Mapping[str, Array] = field(default_factory=dict)
    """By water loop, (T,): the supply that the plant reaches."""


@dataclass(frozen=True, slots=True)
class Sensitivities:
    """How the limited temperatures answer to the setpoints, about a trajectory.

    ``gain[i, k, j]`` is d ``limited_c[k, rack[i]]`` / d ``setpoints[j, group[i]]`` in
    canonical units: one block for each pair of a rack and a group that moves it;
    zero for ``j > k``.
    """

    rack: NDArray[np.int64]
    """(N,) index of the rack."""
    group: NDArray[np.int64]
    """(N,) index of the actuator group."""
    gain: Array
    """(N, T, T); (N, T, B) where the setpoints are held over B blocks of steps, ``j`` a block."""


@dataclass(frozen=True, slots=True)
class PowerCuts:
    """Affine under-estimates of a power that is convex in the setpoints, one a row.

    ``power_kw[k] >= constant[i] + slope[i] @ setpoints[k]`` for every row ``i`` of
    component ``component[i]`` at step ``step[i]``; the highest row is the power.
    """

    components: tuple[str, ...]
    component: NDArray[np.int64]
    """(M,) index into ``components``."""
    step: NDArray[np.int64]
    """(M,) index of the step."""
    constant: Array
    """(M,) kW."""
    slope: Array
    """(M, G) kW for each canonical unit of the setpoint."""


@dataclass(frozen=True, slots=True)
class UnitCuts:
    """As `PowerCuts`, of powers that depend on a single group each: pumps and fans of units.

    ``power_kw[k] >= constant[i] + slope[i] * setpoints[k, group[i]]``.
    """

    components: tuple[str, ...]
    """``cdu_pumps/ID`` and so on, one a unit."""
    component: NDArray[np.int64]
    """(M,) index into ``components``."""
    step: NDArray[np.int64]
    """(M,) index of the step."""
    group: NDArray[np.int64]
    """(M,) index of the actuator group."""
    constant: Array
    """(M,) kW."""
    slope: Array
    """(M,) kW for each canonical unit of the setpoint."""


@dataclass(frozen=True, slots=True)
class Leakage:
    """How the electric power of liquid-cooled IT rises with its temperature.

    The extra power of rack ``r`` is
    ``per_k[r] * it_power_kw[r] * (limited_c[r] - reference_c[r])``.
    """

    per_k: Array
    """(R,) share of the rack's power for each kelvin; 0 for air-cooled racks."""
    std_per_k: Array
    """(R,) standard deviation of ``per_k``."""
    reference_c: Array
    """(R,) case temperature at which the extra power is counted as 0."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Quantiles of what is to come, for the steps of a horizon."""

    quantiles: tuple[float, ...]
    """Rising; 0.5 is among them."""
    values: Array
    """(Q, T) or (Q, T, R)."""

    def at(self, quantile: float) -> Array:
        """The values of one of the ``quantiles``.

        Raises
        ------
        KeyError
            It was not forecast.
        """
        if quantile not in self.quantiles:
            raise KeyError(f"quantile {quantile:g} was not forecast; there are {self.quantiles}")
        return np.asarray(self.values[self.quantiles.index(quantile)])
