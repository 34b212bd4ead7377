"""The envelope's worst case in planning: its own function, so that no plan is refused for it.

Every set of setpoints that leaves `Corridor.settle` has passed it, block by block and from the
setpoints before; the problem has a linear cut of it among its rows of the worst credible step, so
that the solver knows what it will cost.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from controller.planning.backup_screen import BackupScreen
from facility.site import Site
from models.contract import Array
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
        groups = enumerate(site.groups.values())
        group_of = {actuator.id: g for g, members in groups for actuator in members}
        self._span = np.array([m[0].maximum - m[0].minimum for m in site.groups.values()])
        self._racks = list(site.racks.values())
        self._screen = BackupScreen(self._backup, group_of)

    def admit(
        self, before: Array, wanted: Array, wet_bulb_c: float, reach: tuple[Array, Array]
    ) -> Array:
        """(G,) ``wanted``, taken towards cooling as far as the worst case asks.

        Flows go first. Fans and pumps have come up within a minute, before anything colder that is
        wanted with them is written, so that supplies need make up only for what flow cannot:
        tonnes of water are not pulled down for fans that stood low a moment ago.

        Parameters
        ----------
        before, wanted
            (G,) in force, and to be written: both may be in force while a set of commands is
            carried out, so the worse of the two counts for all others.
        reach
            (G,) lowest and highest that may be written.
        """
        asked_c = self._asked_c(wet_bulb_c)
        least, _ = self._screen.ends((before, wanted), asked_c)
        flowing = np.clip(np.maximum(wanted, least), *reach)
        standing = np.where(self._screen.flows, flowing, before)
        _, most = self._screen.ends((standing, flowing), asked_c)
        return np.asarray(np.clip(np.minimum(flowing, most), *reach))

    def excess_k(self, setpoints: Array, wet_bulb_c: float) -> Array:
        """(R,) how far each rack would be above its limit in the worst case; negative is room."""
        by_circuit = self._screen.excess_k((setpoints,), self._asked_c(wet_bulb_c))
        return np.where(self._circuit_of >= 0, by_circuit[self._circuit_of], -np.inf)

    def slopes(self, setpoints: Array, wet_bulb_c: float, racks: NDArray[np.int64]) -> Array:
        """(racks, G) growth of `excess_k` of some racks for each unit of a setpoint."""
        asked_c = self._asked_c(wet_bulb_c)
        slopes = self._screen.slopes(setpoints, asked_c, SLOPE_STEP * self._span)
        circuits = self._circuit_of[racks]
        return np.where(circuits[:, None] >= 0, slopes[circuits], 0.0)

    def _asked_c(self, wet_bulb_c: float) -> float:
        """The wet bulb as the envelope counts it."""
        return WorstCase(self._backup, lambda _: (), wet_bulb_c + WET_BULB_RESERVE_K).wet_bulb_c

    @cached_property
    def _circuit_of(self) -> NDArray[np.int64]:
        """(R,) index of each rack's circuit, -1 where there is none."""
        number = {circuit.name: i for i, circuit in enumerate(self._backup.circuits)}
        by_rack = [
            next((number[n] for n in (*rack.units, rack.hall) if n in number), -1)
            for rack in self._racks
        ]
        return np.array(by_rack, dtype=np.int64)
