"""When a chilled-water storage tank charges and discharges: ride-through first.

A data hall keeps its tank for the minutes that a plant needs to come back after a blip or a trip
(ASHRAE Datacom Series, *Thermal Guidelines*; Uptime tier IV, «continuous cooling»): it is kept
full, fed from what the running chillers have to spare, and gives what the supply lacks. A remote
may ask for a charge or a discharge between a reserve and full; ride-through outranks it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.plant import tank
from sim.plant.fluids import WATER_KJ_LK
from sim.plant.layout import Array


@dataclass(frozen=True)
class StorageTuning:
    """Parameters of the tank's control."""

    help_from_k: float = 0.8
    """Supply so far over its setpoint calls for the tank, before the stages' 1 K failsafe."""
    help_span_k: float = 1.2
    """So much further, and it gives all it can."""
    help_until_k: float = 0.2
    full_share: float = 0.95
    refill_share: float = 0.85
    """Charging starts under this and goes on until it is full: it does not come and go."""
    spare_part_load: float = 0.85
    """Charging takes running chillers no further than this (the stages' own limit)."""
    asked_part_load: float = 0.80
    """The same of a charge that a remote asks for: no chiller is started for it."""
    warm_above_k: float = 8.0
    """Layers so far over the supply setpoint count as empty: the chillers' design range."""


class Storage:
    """The tank of one loop; remembers only whether it charges or helps.

    ``reserve_share`` is what it keeps for ride-through, of full, whatever a remote asks.
    """

    def __init__(self, tuning: StorageTuning | None = None, reserve_share: float = 0.0) -> None:
        self.tuning, self.reserve_share = tuning or StorageTuning(), reserve_share
        self._charging = self._helping = False

    def command(self, p: np.void, s: np.void, layers: Array, spare_kw: float) -> float:
        """Wanted flow over full flow, charging positive.

        Parameters
        ----------
        p, s
            Parameters and state of the loop.
        layers
            Temperatures of its tank, top first, °C.
        spare_kw
            What the running chillers could carry more, up to `StorageTuning.spare_part_load`.
        """
        t = self.tuning
        excess_k = float(s["supply_c"] - s["setpoint_c"])
        useful = bool(layers[-1] < s["supply_c"] - 0.5)
        self._helping = useful and excess_k > (t.help_until_k if self._helping else t.help_from_k)
        setpoint_c = float(s["setpoint_c"])
        full = float(tank.charge_share(layers, setpoint_c, setpoint_c + t.warm_above_k))
        self._charging = full < (t.full_share if self._charging else t.refill_share)
        if self._helping:
            return -min(max((excess_k - t.help_until_k) / t.help_span_k, 0.2), 1.0)
        if self._charging and excess_k < t.help_until_k + 0.3 and spare_kw > 0.0:
            return self._within_spare(p, s, layers, spare_kw)
        return 0.0

    def carry_out(
        self, asked: float, own: float, p: np.void, s: np.void, layers: Array, spare_kw: float
    ) -> float:
        """What becomes of a remote's request, after `command` has decided by itself.

        Parameters
        ----------
        asked
            Wanted flow over full flow, charging positive; 0 stands still.
        own
            What `command` answered.
        """
        level = float(s["tank_level_pct"]) / 100.0
        if self._helping:
            return min(own, asked) if level > self.reserve_share else own
        if asked < 0.0:
            useful = bool(layers[-1] < s["return_c"] - 0.5)
            asked = asked if useful and level > self.reserve_share else 0.0
        elif asked > 0.0:
            settled = bool(s["supply_c"] - s["setpoint_c"] < self.tuning.help_until_k + 0.3)
            room = settled and spare_kw > 0.0 and level < 1.0
            asked = min(asked, self._within_spare(p, s, layers, spare_kw)) if room else 0.0
        # What ride-through needs is filled up again, whoever asks for what.
        return max(asked, own) if level < self.reserve_share else asked

    @staticmethod
    def _within_spare(p: np.void, s: np.void, layers: Array, spare_kw: float) -> float:
        """Flow over full flow whose heat running chillers can take on besides."""
        rise_k = max(float(layers[0]) - float(s["setpoint_c"]), 1.0)
        return min(spare_kw / (float(p["tank_ls"]) * WATER_KJ_LK * rise_k), 1.0)


def charging_kw(s: np.void, layers: Array) -> float:
    """Heat that charging puts on the chillers now, kW; 0 while the tank stands or gives."""
    rise_k = float(layers[0]) - float(s["setpoint_c"])
    return max(float(s["tank_flow_ls"]) * WATER_KJ_LK * rise_k, 0.0)
