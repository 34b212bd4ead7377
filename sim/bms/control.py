"""What a local control is: the port that `fixed` and `guideline36` carry out."""

from __future__ import annotations

from typing import Protocol

from sim.bms.sequencing import Sequencer
from sim.plant.layout import Array
from sim.plant.plant import Standing

PERIOD_S = 30.0
"""How often supervisory control runs; the loops of valves, fans and pumps run every step."""


class LocalControl(Protocol):
    """Supervisory control of a plant. Picklable and copyable: all it remembers is data."""

    name: str
    sequencer: Sequencer
    """What runs: chillers, pumps, economisers, storage tanks."""

    def update(self, now: Standing, dt_s: float) -> Array:
        """Run for ``dt_s``: command machines and pressures, answer all setpoints.

        The answer is in the order of `sim.bms.setpoints.Commissioned`. Which of them are in
        force is for the devices to say; the state holds those of the last step.
        """
        ...
