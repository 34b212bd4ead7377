"""The worst case asked: which values of a setpoint may be in force, as all others stand.

Every other setpoint counts at the worst of the values that it may have: what we set, what is read
back, what a command of the same set is about to make of it, and what the plant's own control goes
back to when it is handed back at the next instant.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from facility.devices import Cooling
from safety.arithmetic import GRAINS_PER_UNIT, Interval, grains, units
from safety.backup import Backup, Circuit, Flow, Path, least_flow
from safety.guards import Limits
from safety.interlocks import Conditions
from safety.readings import believed
from safety.state import EnvelopeState

Candidates = Callable[[str], tuple[float, ...]]


class WorstCase:
    """The worst case of one moment; a circuit is computed once, until a setpoint of it moves.

    Parameters
    ----------
    candidates
        By actuator: the values that may be in force there, canonical unit; empty where nothing
        is known, and then the plant's own value stands for it.
    wet_bulb_c
        Measured; None where it is not.
    """

    def __init__(self, backup: Backup, candidates: Candidates, wet_bulb_c: float | None) -> None:
        self._backup, self._candidates = backup, candidates
        bulb_c = backup.wet_bulb_c if wet_bulb_c is None else wet_bulb_c
        # In steps of half a kelvin, so that a reading that wavers asks for nothing new.
        self.wet_bulb_c = math.ceil(2.0 * (bulb_c + backup.wet_bulb_rise_k)) / 2.0
        self._values: dict[str, tuple[float, ...]] = {}
        self._room_c: dict[int, float] = {}
        self._needed_c: dict[int, float] = {}

    def accepted(self, actuator: str, value: float) -> None:
        """Count ``value`` besides what may be in force there: it is about to be written."""
        self._values[actuator] = (*self._of(actuator), value)
        for index, _ in self._backup.paths.get(actuator, ()):
            self._needed_c.pop(index, None)
        for index, _ in self._backup.flows.get(actuator, ()):
            self._room_c.pop(index, None)

    def interval(self, actuator: str) -> Interval:
        """What the worst case admits of a setpoint; all, where it has no part in it.

        Never less than the setpoint where it cools most: what that cannot put right is not its
        part to put right.
        """
        lever = self._backup.levers.get(actuator)
        if lever is None:
            return Interval("backup")
        if lever.cooling is Cooling.HIGHER:
            uses = self._backup.flows[actuator]
            least, index = max((self._least(i, flow), i) for i, flow in uses)
            end = min(_up(least), grains(lever.maximum))
            return Interval("backup", end, None, self._words(index, "least", end), self._saw(index))
        paths = self._backup.paths[actuator]
        most, index = min((self._most_c(i, path), i) for i, path in paths)
        end = max(_down(max(most, lever.minimum)), grains(lever.minimum))
        return Interval("backup", None, end, self._words(index, "most", end), self._saw(index))

    def excess_k(self, index: int) -> float:
        """How far the worst rack of a circuit would go above its limit; negative is room."""
        return self._needed(index) - self._room(index)

    def _of(self, actuator: str) -> tuple[float, ...]:
        found = self._values.get(actuator)
        if found is None:
            found = self._values[actuator] = self._candidates(actuator)
        return found

    def _saw(self, index: int) -> dict[str, float]:
        return {
            "supply_worst_c": self._needed(index),
            "supply_bearable_c": self._room(index),
            "wet_bulb_c": self.wet_bulb_c,
        }

    def _words(self, index: int, end: str, bound: int) -> str:
        return (
            f"with every rack of {self._backup.circuits[index].name} at its rated power, a unit "
            f"lost and no help from us, at {end} {units(bound):g} keeps them within their limits"
        )

    def _room(self, index: int) -> float:
        """Warmest supply that a circuit's racks bear, at the flow that may be in force, °C."""
        found = self._room_c.get(index)
        if found is None:
            circuit = self._backup.circuits[index]
            moved = [flow.amount * self._lowest(flow.actuator) for flow in circuit.flows]
            found = self._room_c[index] = circuit.room_c(circuit.flow_left(moved))
        return found

    def _needed(self, index: int) -> float:
        """Warmest supply that may reach a circuit's racks, °C."""
        found = self._needed_c.get(index)
        if found is None:
            circuit = self._backup.circuits[index]
            found = circuit.given_c(self.wet_bulb_c)
            for path in circuit.paths:
                found = max(found, self._warmest_c(path) + path.lift_k)
            self._needed_c[index] = found
        return found

    def _warmest_c(self, path: Path) -> float:
        """What a supply setpoint may be, now or on its way back to the plant's own value."""
        own_c = self._backup.levers[path.actuator].fallback
        held_c = max(self._of(path.actuator), default=own_c)
        return max(held_c, own_c if path.drift_k is None else min(own_c, held_c + path.drift_k))

    def _lowest(self, actuator: str) -> float:
        own = self._backup.levers[actuator].fallback
        return min((own, *self._of(actuator)))

    def _most_c(self, index: int, path: Path) -> float:
        """The warmest value of a supply setpoint for which its path is bearable."""
        bound_c = self._room(index) - path.lift_k
        if bound_c >= self._backup.levers[path.actuator].fallback:
            return bound_c
        return bound_c - (path.drift_k or 0.0)

    def _least(self, index: int, flow: Flow) -> float:
        """The least value of a flow setpoint at which the supply is bearable.

        Where several move the same air, each must bring what all would have to bring alike,
        unless the others bring more.
        """
        circuit = self._backup.circuits[index]
        # Rounded up to a hundredth of a kelvin, so that what was searched is found again.
        needed = least_flow(
            circuit.curves, math.ceil(100.0 * self._needed(index)) / 100.0, circuit.most
        )
        alike = _alike(circuit, needed)
        others = [
            other.amount * self._lowest(other.actuator)
            for other in circuit.flows
            if other.actuator != flow.actuator
        ]
        rest = circuit.given + sum(others)
        if not circuit.loses_one:
            return min(alike, (needed - rest) / flow.amount)
        if rest < needed:  # it would be the one that is lost
            return alike
        return min(alike, (needed - rest + max(others)) / flow.amount)


def worst_case(limits: Limits, state: EnvelopeState, moment: Conditions) -> WorstCase:
    """The worst case as the plant stands: what we hold, what is read back, the wet bulb."""
    devices, readings = moment.telemetry.devices, moment.telemetry.readings
    now_s, slack_s = moment.now_s, moment.slack_s

    def candidates(actuator: str) -> tuple[float, ...]:
        own = limits.actuators[actuator]
        device, shown = devices.get(own.device), believed(readings, own.read_back, now_s, slack_s)
        held = state.of(actuator).in_force
        if held is None or device is None or not device.armed:
            return () if shown is None else (shown,)
        return (held,) if shown is None else (held, shown)

    return WorstCase(limits.backup, candidates, _wet_bulb_c(limits, moment))


def worst_case_of_own(limits: Limits, moment: Conditions) -> WorstCase:
    """The worst case with every setpoint at the plant's own value, as if all were given back."""
    return WorstCase(limits.backup, lambda _: (), _wet_bulb_c(limits, moment))


def _wet_bulb_c(limits: Limits, moment: Conditions) -> float | None:
    bulbs = () if limits.wet_bulb is None else (limits.wet_bulb,)
    return next(iter(moment.usable(bulbs)), None)


def _alike(circuit: Circuit, needed: float) -> float:
    """The value that brings ``needed`` where every flow setpoint of a circuit has it."""
    of_one = circuit.flow_left([flow.amount for flow in circuit.flows]) - circuit.given
    return (needed - circuit.given) / of_one


def _up(value: float) -> int:
    """Grains, rounded up."""
    return math.ceil(value * GRAINS_PER_UNIT)


def _down(value: float) -> int:
    """Grains, rounded down."""
    return math.floor(value * GRAINS_PER_UNIT)
