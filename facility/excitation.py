"""How a hall is moved so that a model can learn it: all setpoints jointly, and each on its own.

Steps of one unit at a time never visit the joint extremes. So all groups of actuators share a
level that is drawn anew now and then, and each has one of its own; often the water is set as
a chain, each supply a little over what cools it, since setpoints drawn apart mostly ask for
what no plant can reach. A design of an experiment, without time or chance of its own: moments
and a source of uniform numbers are given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from facility.devices import Actuator, Cooling
from facility.equipment import RackKind
from facility.quantities import STAGE_REQUEST
from facility.site import Site

CW = "cw_supply_temperature_setpoint"
FWS = "fws_supply_temperature_setpoint"
CHW = "chw_supply_temperature_setpoint"
TCS = "tcs_supply_temperature_setpoint"

DITHER_S = (1200.0, 3600.0)
"""How long a unit's own setpoint stands."""
JOINT_S = (2400.0, 7200.0)
"""How long the level stands that all units share."""
JOINT_WEIGHT = (0.3, 1.0)
"""How much of a setpoint is the shared level, drawn anew with it: near 1, extremes meet."""
TURN_BACK_K = {
    RackKind.DIRECT_TO_CHIP: 6.0,
    RackKind.AIR: 3.0,
    RackKind.REAR_DOOR: 3.0,
    RackKind.IMMERSION: 3.0,
}
"""So near its limit nobody experiments on with a rack: a job's start takes the rest in a minute."""
CHAINED_SHARE = 0.7
"""How often the water is set as a chain, each supply over what cools it. Drawn apart, setpoints
mostly ask for what no plant can reach, and rarely dwell where one machine takes over from
another, which is where a plant runs best."""
COVER = (0.0, 1.0)
"""Shares of the range from most to least cooling that are visited."""

Uniform = Callable[[float, float], float]
"""A number between two."""


@dataclass(frozen=True, slots=True)
class Design:
    """What an experiment is after."""

    still_share: float
    """How often a chain of water is left alone."""
    still_s: tuple[float, float]
    """For how long: a plant's own resets of pressure and staging take an hour to come to rest, and
    until then machines run that a plan would never see run."""
    over_k: dict[str, tuple[float, float]]
    """Tower water over wet bulb, a loop over tower water, a CDU's supply over its loop: from where
    an exchanger runs out, its approach, to where it is hardly used."""
    apart: bool
    """Whether, left alone, each quantity stands at a level of its own, not all at one."""
    lean: int
    """Left alone, draws lean so much (the exponent of a uniform number) to where a plant is cheap
    to run: water little over what cools it, air and chilled water warm, fans and pumps slow."""


MOVED = Design(
    still_share=0.6 * CHAINED_SHARE,
    still_s=(5400.0, 10_800.0),
    over_k={CW: (2.0, 14.0), FWS: (-6.0, 8.0), TCS: (1.5, 12.0)},
    apart=False,
    lean=1,
)
"""Through all of the ranges, jointly: how temperatures follow, and what the dear corners cost."""
RESTS = Design(
    still_share=0.75,
    still_s=(4500.0, 5400.0),
    over_k={CW: (2.0, 16.0), FWS: (-2.0, 8.0), TCS: (1.5, 12.0)},
    apart=True,
    lean=2,
)
"""What setpoints cost where a plan will go: sixty such rests teach more of it than weeks of
restlessness."""


class Targets:
    """Where each group of actuators is to go: a level that all share, and one of its own."""

    def __init__(
        self,
        site: Site,
        uniform: Uniform,
        start_s: float,
        cover: tuple[float, float] = COVER,
        design: Design = MOVED,
    ) -> None:
        self._site, self._uniform, self._cover, self._design = site, uniform, cover, design
        self._groups = {name: members[0] for name, members in site.groups.items()}
        self._joint, self._weight, self._joint_until_s = 0.5, 0.6, start_s
        self._own = dict.fromkeys(self._groups, 0.5)
        self._until_s = dict.fromkeys(self._groups, start_s)
        self._chained, self._still, self._wet_bulb_c = False, False, 0.0
        quantities = dict.fromkeys(first.quantity for first in self._groups.values())
        self._levels = dict.fromkeys(quantities, 0.5)
        self._cooled_by = {name: self._below(first) for name, first in self._groups.items()}

    def at(self, now_s: float, wet_bulb_c: float | None) -> None:
        """Draw anew what has stood long enough."""
        uniform = self._uniform
        if now_s >= self._joint_until_s:
            self._joint = uniform(*self._cover)
            self._weight = uniform(*JOINT_WEIGHT)
            self._still = uniform(0.0, 1.0) < self._design.still_share
            chained = self._still or uniform(0.0, 1.0) < CHAINED_SHARE
            self._chained = wet_bulb_c is not None and chained
            stands_s = self._design.still_s if self._still else JOINT_S
            self._joint_until_s = now_s + uniform(*stands_s)
            # Once for each level: an experiment does not chase the weather.
            self._wet_bulb_c = wet_bulb_c or 0.0
            self._levels = {quantity: self._level_of(quantity) for quantity in self._levels}
        for group in self._groups:
            if now_s >= self._until_s[group]:
                self._own[group] = uniform(*self._cover)
                self._until_s[group] = now_s + uniform(*DITHER_S)

    def _level_of(self, quantity: str) -> float:
        """A share of the cover, leaning to the cheap end where the plant is left alone."""
        share: float = self._uniform(0.0, 1.0) ** (self._design.lean if self._still else 1)
        if not (self._chained and quantity in self._design.over_k):
            share = 1.0 - share
        least, most = self._cover
        return least + share * (most - least)

    @staticmethod
    def coldest(actuator: Actuator) -> float:
        """The end of its range that cools most."""
        return actuator.maximum if actuator.cooling is Cooling.HIGHER else actuator.minimum

    def of(self, actuator: Actuator) -> float:
        """The value that ``actuator`` is to go to; of a stage a whole number."""
        value = self._value_of(actuator)
        return float(round(value)) if actuator.quantity == STAGE_REQUEST else value

    def _value_of(self, actuator: Actuator) -> float:
        chained = self._chained and actuator.quantity in self._design.over_k
        alone = chained or (self._still and self._design.apart)
        level = self._levels[actuator.quantity] if alone else self._joint
        weight = 1.0 if self._still else self._weight
        share = weight * level + (1.0 - weight) * self._own[actuator.group]
        if chained:
            low_k, high_k = self._design.over_k[actuator.quantity]
            value = self._water_c(actuator) + low_k + share * (high_k - low_k)
            return min(max(value, actuator.minimum), actuator.maximum)
        if actuator.cooling is Cooling.HIGHER:
            share = 1.0 - share
        return actuator.minimum + share * (actuator.maximum - actuator.minimum)

    def _water_c(self, actuator: Actuator) -> float:
        """What cools the water of ``actuator``: its loop's target, tower water's, or wet bulb."""
        below = self._cooled_by[actuator.group]
        return self._wet_bulb_c if below is None else self.of(below)

    def _below(self, actuator: Actuator) -> Actuator | None:
        """The setpoint of the water that cools ``actuator``'s; None where that is the towers."""
        if actuator.quantity == CW:
            return None
        cdu = self._site.cdus.get(actuator.equipment)
        wanted = {CW} if cdu is None else {FWS, CHW}
        for below in self._groups.values():
            loop = (
                self._site.chillers[below.equipment].loop
                if below.quantity == CHW
                else below.equipment
            )
            if below.quantity in wanted and (cdu is None or loop == cdu.loop):
                return below
        return None


def turn_backs(site: Site) -> tuple[tuple[str, float, str], ...]:
    """Of each rack: the tag of its limited temperature, where to turn back, °C, and its unit."""
    return tuple(
        (tag, rack.limit_c - TURN_BACK_K[rack.kind], rack.units[0])
        for rack in site.racks.values()
        if (tag := site.tag(rack.id, rack.limited_temperature)) is not None
    )
