"""Fixed setpoints: every setpoint and differential pressure as commissioned.

What most halls still run. Machines are sequenced as under Guideline 36, so that fixed
setpoints are compared with resets, not with bad staging.
"""

from __future__ import annotations

from sim.bms.sequencing import Sequencer
from sim.bms.setpoints import Commissioned
from sim.plant.layout import Array
from sim.plant.plant import Links, Standing, Units


class Fixed:
    """Local control ``fixed``."""

    name = "fixed"

    def __init__(self, units: Units, links: Links, commissioned: Commissioned) -> None:
        self._units = units
        self._setpoints = commissioned.value.copy()
        self.sequencer = Sequencer(units, links, reserve_share=commissioned.reserve_share)

    def update(self, now: Standing, dt_s: float) -> Array:
        now.loops["dp_setpoint_kpa"] = self._units.loops["design_dp_kpa"]
        now.tower_water["dp_setpoint_kpa"] = self._units.tower_water["design_dp_kpa"]
        self.sequencer.update(now, dt_s)
        return self._setpoints
