"""What a fault is: kind, place, time and severity, and what of them makes sense.

`KINDS` is the catalogue. A fault breaks a thing in the plant and nothing else: what its
sensors then show follows from the plant, and sensors that have no part in it stay as they
are. Severities are named by kind, since a share of conductance and a drift a day have no
common scale.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from facility.equipment import RackKind
from facility.points import Role
from facility.site import Site
from sim.plant.fws_loop import TOWER_WATER

SITE = "site"
"""Place of a fault that meets the whole site."""
SENSORS = ("sensor_bias", "sensor_drift", "sensor_freeze", "sensor_loss")


class FaultError(ValueError):
    """A fault that cannot be; the message says what is wrong and how to mend it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: where it can strike, and what its severity means."""

    meaning: str
    places: tuple[str, ...]
    """Tables of the site (``cdus``, ``crahs``, ``chillers``, ``towers``, ``loops``, ``halls``),
    ``tanks`` (immersion racks), ``tower_water``, ``tag``, ``device``, ``actuator``, ``site``."""
    severity: str = ""
    """What the number is; empty where there is none."""
    low: float = 0.0
    high: float = 0.0
    optional: bool = False
    grows: bool = False
    """Whether it can grow to its severity instead of striking at once."""


KINDS: dict[str, Kind] = {
    "fouling": Kind(
        "scale or slime on a heat exchanger: CDU plates, condenser tubes, tower exchanger",
        ("cdus", "chillers", "loops"), "share of clean conductance lost", 0.01, 0.9, grows=True,
    ),
    "filter_clog": Kind(
        "a loaded filter of a CDU's secondary or a CRAH",
        ("cdus", "crahs"), "added resistance over the whole at design", 0.01, 10.0, grows=True,
    ),
    "stuck_valve": Kind(
        "a control valve that no longer moves; of a loop: trim exchanger, else economiser",
        ("cdus", "crahs", "loops"), "position 0 to 1 where it sticks; left out: where it stands",
        0.0, 1.0, optional=True,
    ),
    "leaking_valve": Kind(
        "a control valve that does not shut; of a loop: trim exchanger, else economiser",
        ("cdus", "crahs", "loops"), "share of its open conductance that always passes", 0.001, 1.0,
        grows=True,
    ),
    "pump_trip": Kind(
        "pumps that stop",
        ("cdus", "tanks", "loops", TOWER_WATER), "how many of a header; left out: all",
        1.0, 20.0, optional=True,
    ),
    "pump_degraded": Kind(
        "a worn wheel, or one of several pumps out",
        ("cdus", "loops", TOWER_WATER), "share of flow lost at full speed", 0.01, 0.95, grows=True,
    ),
    "fan_trip": Kind("fans that stop, of a CRAH or a tower cell", ("crahs", "towers")),
    "fan_degraded": Kind(
        "a slipping belt, or one of several fans out",
        ("crahs", "towers"), "share of air lost", 0.01, 0.95, grows=True,
    ),
    "containment_open": Kind(
        "doors or panels of the cold aisles that stand open", ("halls",),
        "share of the CRAHs' air that escapes", 0.01, 0.9,
    ),
    "chiller_trip": Kind("a chiller that trips and stays off until the end", ("chillers",)),
    "leak": Kind(
        "a hole in a CDU's secondary", ("cdus",), "L/min at full pressure", 0.05, 60.0, grows=True
    ),
    "power_blip": Kind(
        "utility power lost: all drives stop, IT and controllers are on UPS", (SITE,)
    ),
    "sensor_bias": Kind("a sensor that is off", ("tag",), "error, canonical unit", -1e4, 1e4),
    "sensor_drift": Kind(
        "a sensor that walks away", ("tag",), "error a day, canonical unit", -1e4, 1e4
    ),
    "sensor_freeze": Kind("a sensor that shows its last value for ever", ("tag",)),
    "sensor_loss": Kind("a sensor that fails and says so", ("tag",)),
    "communication_loss": Kind("a device that no longer answers", ("device",)),
    "panel_setpoint": Kind(
        "a setpoint that somebody changes at the panel; a remote in control outranks it",
        ("actuator",), "the setpoint, canonical unit", -1e4, 1e4,
    ),
    "panel_local": Kind("a device that somebody switches to local at its panel", ("device",)),
}  # fmt: skip
"""Every kind of fault by name."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is broken from ``start_s`` until ``end_s`` (plant time, s)."""

    kind: str
    place: str
    start_s: float
    end_s: float = math.inf
    severity: float | None = None
    grows_s: float = 0.0
    """So long it takes to its full severity; 0: at once."""

    def share(self, now_s: float) -> float:
        """How much of the severity is reached."""
        if self.grows_s <= 0.0:
            return 1.0
        return min(max((now_s - self.start_s) / self.grows_s, 0.0), 1.0)


def table_of(fault: Fault, site: Site) -> str:
    """Which kind of place a fault strikes at.

    Raises
    ------
    FaultError
        The kind is unknown, or there is no such place for it.
    """
    if fault.kind not in KINDS:
        raise FaultError(f"kind {fault.kind!r} is none of {', '.join(KINDS)}")
    kind = KINDS[fault.kind]
    ids = _ids(site)
    for table in kind.places:
        if fault.place in ids[table]:
            return table
    some = [name for table in kind.places for name in list(ids[table])[:3]]
    raise FaultError(
        f"{fault.kind} has no place {fault.place!r}: name one of {', '.join(kind.places)} of site "
        f"{site.id}" + (f", such as {', '.join(some)}" if some else "; it has none")
    )


def _ids(site: Site) -> dict[str, tuple[str, ...]]:
    sensors = (
        p.tag
        for p in site.points.values()
        if p.role is Role.SENSOR and not p.quantity.endswith("_in_force")
    )
    return {
        "cdus": tuple(site.cdus),
        "crahs": tuple(site.crahs),
        "chillers": tuple(site.chillers),
        "halls": tuple(site.halls),
        "tanks": tuple(r.id for r in site.racks.values() if r.kind is RackKind.IMMERSION),
        "towers": tuple(site.towers),
        "loops": tuple(name for name in site.loops if name != TOWER_WATER),
        TOWER_WATER: (TOWER_WATER,),
        "tag": tuple(sensors),
        "device": tuple(site.devices),
        "actuator": tuple(site.actuators),
        SITE: (SITE,),
    }


def check(fault: Fault, site: Site) -> None:
    """Refuse a fault that cannot be.

    Raises
    ------
    FaultError
        Says what is wrong with it and how to mend it.
    """
    table_of(fault, site)
    kind = KINDS[fault.kind]
    if not math.isfinite(fault.start_s) or not fault.end_s > fault.start_s:
        raise FaultError(f"{fault.kind} at {fault.place}: it ends before it starts; mend the times")
    if fault.severity is None:
        if kind.severity and not kind.optional:
            raise FaultError(f"{fault.kind} at {fault.place}: give its severity: {kind.severity}")
    elif not kind.severity:
        raise FaultError(f"{fault.kind} at {fault.place}: it has no severity; leave it out")
    elif not kind.low <= fault.severity <= kind.high:
        raise FaultError(
            f"{fault.kind} at {fault.place}: severity {fault.severity:g} is not within "
            f"{kind.low:g} to {kind.high:g} ({kind.severity})"
        )
    if (
        fault.kind == "pump_trip"
        and fault.severity is not None
        and (fault.place in site.cdus or fault.place in site.racks)
    ):
        raise FaultError(f"pump_trip at {fault.place}: it has one pump; leave severity out")
    if fault.grows_s != 0.0 and (not kind.grows or not 0.0 < fault.grows_s < math.inf):
        raise FaultError(
            f"{fault.kind} at {fault.place}: grows_s {fault.grows_s:g}: "
            + ("give a time above 0 s" if kind.grows else "it strikes at once; leave it out")
        )
