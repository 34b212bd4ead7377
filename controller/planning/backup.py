"""The envelope's worst case in planning: its own function, so that no plan is refused for it.

Every set of setpoints that leaves `Corridor.settle` has passed it, block by block and from the
setpoints before; the problem has a linear cut of it among its rows of the worst credible step, so
that the solver knows what it will cost.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np

from facility.site import Site
from models.contract import Array
from safety.arithmetic import units
from safety.backup_held import WorstCase
from safety.backup_site import backup_of

WET_BULB_RESERVE_K = 0.5
"""Over what is expected: a step of the envelope's own rounding."""

SLOPE_STEP = 0.02
"""Of a setpoint's range: where the slope of the condition is taken."""


class BackupRule:
    """The worst case of a site over its actuator groups, in the order of ``site.groups``."""

    def __init__(self, site: Site) -> None:
        self._backup = backup_of(site)
        self._groups = [tuple(a.id for a in members) for members in site.groups.values()]
        self._group_of = {a: g for g, names in enumerate(self._groups) for a in names}
        self._span = [members[0].maximum - members[0].minimum for members in site.groups.values()]
        self._racks = list(site.racks.values())

    def admit(self, before: Array, wanted: Array, wet_bulb_c: float) -> Array:
        """(G,) ``wanted``, taken towards cooling as far as the worst case asks.

        Parameters
        ----------
        before, wanted
            (G,) in force, and to be written: both may be in force while a set of commands is
            carried out, so the worse of the two counts for all others.
        """
        worst = self._asked((before, wanted), wet_bulb_c)
        found = wanted.copy()
        for g, names in enumerate(self._groups):
            for name in names:
                admitted = worst.interval(name)
                if admitted.lower is not None:
                    found[g] = max(found[g], units(admitted.lower))
                if admitted.upper is not None:
                    found[g] = min(found[g], units(admitted.upper))
        return found

    def excess_k(self, setpoints: Array, wet_bulb_c: float) -> Array:
        """(R,) how far each rack would be above its limit in the worst case; negative is room."""
        by_circuit = self._excess((setpoints,), wet_bulb_c)
        return np.where(self._circuit_of >= 0, by_circuit[self._circuit_of], -np.inf)

    def slopes(self, setpoints: Array, wet_bulb_c: float) -> Array:
        """(R, G) growth of `excess_k` for each unit of a setpoint."""
        now = self._excess((setpoints,), wet_bulb_c)
        slopes = np.zeros((len(now), len(self._groups)))
        for g, circuits in self._circuits_of_group.items():
            step = SLOPE_STEP * self._span[g]
            moved = setpoints.copy()
            moved[g] += step
            there = self._excess((moved,), wet_bulb_c, circuits)
            slopes[circuits, g] = (there[circuits] - now[circuits]) / step
        return np.where(self._circuit_of[:, None] >= 0, slopes[self._circuit_of], 0.0)

    def _asked(self, sets: tuple[Array, ...], wet_bulb_c: float) -> WorstCase:
        def candidates(actuator: str) -> tuple[float, ...]:
            g = self._group_of[actuator]
            return tuple(float(values[g]) for values in sets)

        return WorstCase(self._backup, candidates, wet_bulb_c + WET_BULB_RESERVE_K)

    def _excess(
        self, sets: tuple[Array, ...], wet_bulb_c: float, which: Iterable[int] | None = None
    ) -> Array:
        worst = self._asked(sets, wet_bulb_c)
        found = np.full(len(self._backup.circuits), np.nan)
        for index in range(len(found)) if which is None else which:
            found[index] = worst.excess_k(index)
        return found

    @cached_property
    def _circuit_of(self) -> Array:
        """(R,) index of each rack's circuit, -1 where there is none."""
        names = [circuit.name for circuit in self._backup.circuits]
        by_rack = [
            next((names.index(n) for n in (*rack.units, rack.hall) if n in names), -1)
            for rack in self._racks
        ]
        return np.array(by_rack, dtype=np.int64)

    @cached_property
    def _circuits_of_group(self) -> dict[int, list[int]]:
        """By group that has a part in the worst case: its circuits."""
        found: dict[int, set[int]] = {}
        for index, circuit in enumerate(self._backup.circuits):
            for name in circuit.setpoints:
                found.setdefault(self._group_of[name], set()).add(index)
        return {g: sorted(circuits) for g, circuits in found.items()}
