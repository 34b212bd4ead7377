"""The worst case: would every rack stay within its limit if all went wrong now and nobody helped?

A model of the envelope's own, coarse and on the safe side, in closed form. Racks that share their
coolant or their air are a *circuit*. What reaches them comes by *paths*: from each setpoint
upstream (coolant, facility water, chilled water, tower water), from the wet bulb, and from chilled
water at rest. For each path, with every rack at its rated power and one unit lost:

    setpoint + lift + rise(flow) <= limit

``lift`` is what lies between setpoint and rack: approaches at rated load, and the excursion while
valves stroke and chillers restart. Since the worst path counts and the rise falls with flow, the
condition is monotone in every setpoint, and is solved for each: the admissible values are an
interval. docs/safety.md gives the equations, `safety.backup_site` the figures.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from facility.devices import Cooling

SHARE_STEPS = 10_000
"""Steps of a share of flow in which the least flow is searched."""

FILM_EXPONENT = -0.75
"""Of a cold plate's film resistance in flow."""

MOST_ROOMS = 256
"""Flows of a circuit whose room is remembered."""

LEAST_SHARE = 0.02
"""Shares of flow below this count as this: without flow there is no limit to a rise."""


@dataclass(frozen=True, slots=True)
class Coldplate:
    """Racks on coolant: K over the supply at rated power and design flow, in its parts.

    ``rise = coolant / s + fixed + film s^-0.75`` at a share ``s`` of design flow: the coolant's
    own rise, and interface and micro-channels of the cold plate, whose film goes with flow to the
    power 0.7 to 0.8 (Incropera et al., *Fundamentals of Heat and Mass Transfer*, 7th ed., 8.60:
    0.8 in turbulent tubes). A lost pump leaves its redundant twin: design flow at most.
    """

    limit_c: float
    coolant_k: float
    fixed_k: float
    film_k: float

    def room_c(self, share: float) -> float:
        """Warmest supply at which the case stays within its limit."""
        s = min(max(share, LEAST_SHARE), 1.0)
        film_k = self.film_k * math.pow(s, FILM_EXPONENT)
        return self.limit_c - self.coolant_k / s - self.fixed_k - film_k


@dataclass(frozen=True, slots=True)
class AirIntake:
    """Racks on air: supply air and what comes back around the racks.

    With ``v`` the servers' air over the CRAHs', a share ``r = max(r0 + g max(0, v - 0.9),
    1 - 1 / v)`` of the intake is outlet air (the second is the balance of air); the inlet is then
    ``r / (1 - r)`` of the racks' own rise above the supply.
    """

    limit_c: float
    servers_m3s: float
    rise_k: float
    share: float
    gain: float

    def room_c(self, crahs_m3s: float) -> float:
        """Warmest supply air at which the inlet stays within its limit."""
        ratio = self.servers_m3s / max(crahs_m3s, LEAST_SHARE * self.servers_m3s)
        r = max(self.share + self.gain * max(0.0, ratio - 0.9), 1.0 - 1.0 / ratio)
        return self.limit_c - r / (1.0 - r) * self.rise_k if r < 1.0 else -math.inf


Curve = Coldplate | AirIntake


@dataclass(frozen=True, slots=True)
class Lever:
    """A setpoint as the worst case sees it."""

    actuator: str
    cooling: Cooling
    minimum: float
    maximum: float
    fallback: float


@dataclass(frozen=True, slots=True)
class Path:
    """From a setpoint to the racks of a circuit."""

    actuator: str
    lift_k: float
    drift_k: float | None = None
    """How far a hand-back may take it away from cooling before the flow has followed; None where
    the two may be handed back apart, and then the plant's own value counts."""


@dataclass(frozen=True, slots=True)
class Flow:
    """What moves a circuit's coolant or air, and how much a unit of its setpoint moves."""

    actuator: str
    amount: float
    """Share of design flow for each L/s, or m³/s for each percent of fan speed."""
    maximum: float
    """Of the setpoint."""


@dataclass(frozen=True)
class Circuit:
    """Racks that share their coolant, or their air."""

    name: str
    curves: tuple[Curve, ...]
    paths: tuple[Path, ...]
    flows: tuple[Flow, ...]
    given: float
    """Flow that nobody here sets (all of it where there are no ``flows``)."""
    loses_one: bool
    """Whether the largest of ``flows`` is the unit that is lost."""
    weather: tuple[float, float] | None = None
    """What the towers alone make of it: slope and lift (K) of the supply in the wet bulb."""
    rest_c: float | None = None
    """What chilled water at rest makes of it."""

    @property
    def setpoints(self) -> tuple[str, ...]:
        """Actuators that have a part in it."""
        return (*(path.actuator for path in self.paths), *(flow.actuator for flow in self.flows))

    @cached_property
    def _rooms_c(self) -> dict[float, float]:
        return {}

    def room_c(self, flow: float) -> float:
        """Warmest supply at which every rack stays within its limit; remembered, as flows stay."""
        found = self._rooms_c.get(flow)
        if found is None:
            if len(self._rooms_c) >= MOST_ROOMS:
                self._rooms_c.clear()
            found = self._rooms_c[flow] = min(curve.room_c(flow) for curve in self.curves)
        return found

    def given_c(self, wet_bulb_c: float) -> float:
        """The supply that no setpoint could prevent: by wet bulb, and by water at rest."""
        found = -math.inf if self.rest_c is None else self.rest_c
        if self.weather is not None:
            slope, lift_k = self.weather
            found = max(found, slope * wet_bulb_c + lift_k)
        return found

    @property
    def most(self) -> float:
        """Flow with every setpoint at its end."""
        return self.flow_left([flow.amount * flow.maximum for flow in self.flows])

    def flow_left(self, amounts: list[float]) -> float:
        """Flow from what each of ``flows`` moves, with the largest lost where one is."""
        return self.given + sum(amounts) - (max(amounts, default=0.0) if self.loses_one else 0.0)


@dataclass(frozen=True)
class Backup:
    """The worst case of a site, ready to be asked."""

    levers: Mapping[str, Lever] = field(default_factory=dict)
    circuits: tuple[Circuit, ...] = ()
    wet_bulb_c: float = 25.6
    """Where none is known."""
    wet_bulb_rise_k: float = 0.0
    unguarded: tuple[str, ...] = ()
    """What is not counted, and why."""

    @cached_property
    def paths(self) -> dict[str, tuple[tuple[int, Path], ...]]:
        """By supply setpoint: the circuits that it reaches, by index, and how."""
        found: dict[str, list[tuple[int, Path]]] = {}
        for index, circuit in enumerate(self.circuits):
            for path in circuit.paths:
                found.setdefault(path.actuator, []).append((index, path))
        return {name: tuple(uses) for name, uses in found.items()}

    @cached_property
    def flows(self) -> dict[str, tuple[tuple[int, Flow], ...]]:
        """By flow setpoint: the circuits whose coolant or air it moves."""
        found: dict[str, list[tuple[int, Flow]]] = {}
        for index, circuit in enumerate(self.circuits):
            for flow in circuit.flows:
                found.setdefault(flow.actuator, []).append((index, flow))
        return {name: tuple(uses) for name, uses in found.items()}


@lru_cache(maxsize=65536)
def least_flow(curves: tuple[Curve, ...], supply_c: float, most: float) -> float:
    """The least flow at which ``supply_c`` is bearable, up to ``most``; ``most`` where none is.

    By bisection in steps of 1/10,000 of ``most``; the answer is on the safe side.
    """

    def bears(step: int) -> bool:
        return min(curve.room_c(most * step / SHARE_STEPS) for curve in curves) >= supply_c

    return most * bisect_left(range(SHARE_STEPS), True, lo=1, key=bears) / SHARE_STEPS
