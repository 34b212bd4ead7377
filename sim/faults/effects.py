"""What a fault does to the plant: columns of state that it holds, parameters that it changes.

State columns of a fault are healthy at zero (``available`` of a tower cell at one); the pumps'
``enabled`` is the sequencer's, who asks for them again when the fault is over. Parameters are
those of the machines, on a copy of the simulation's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from sim.faults.fault import Fault
from sim.plant.chiller import SHELL_APPROACH_K
from sim.plant.fws_loop import TOWER_WATER

HEALTHY: dict[str, float | None] = {
    "available": 1.0,
    "enabled": None,
    "valve": None,
    "valve_position": None,
    "tower_valve": None,
    "trim_valve": None,
    "sensor_held_c": None,
}
"""Where it is not zero; None: local control or the plant itself moves it on from there."""
CONTROL_SENSORS = {
    ("cdus", "tcs_supply_temperature"),
    ("crahs", "supply_air_temperature"),
    ("chillers", "chw_supply_temperature"),
    (TOWER_WATER, "cw_supply_temperature"),
}
"""Sensors that a unit's own controller uses: a wrong one moves its valve, load or fans. Loops
control on probes behind their exchangers that are not in the points list."""
DRIVES = (
    ("cdus", "tripped", 1.0), ("crahs", "tripped", 1.0), ("chillers", "tripped", 1.0),
    ("tanks", "tripped", 1.0),    ("towers", "available", 0.0), ("loops", "enabled", 0.0),
    (TOWER_WATER, "enabled", 0.0),
)  # fmt: skip
"""What stands still without utility power."""

LOSES = {"chillers": "tripped", TOWER_WATER: "sensor_lost"}
"""What a unit does without its sensor, where it is not that its valve stays."""
STOPS = {
    "pump_trip": {"loops": ("enabled", 0.0), TOWER_WATER: ("enabled", 0.0)},
    "fan_trip": {"towers": ("available", 0.0)},
    "chiller_trip": {},
}
"""What stops by these kinds of fault where it is not ``tripped``."""
COLUMNS = {
    ("filter_clog", "cdus"): "clogged",
    ("filter_clog", "crahs"): "clogged",
    ("leaking_valve", "cdus"): "valve_leak",
    ("leaking_valve", "crahs"): "valve_leak",
    ("pump_degraded", "cdus"): "pump_loss",
    ("fan_degraded", "crahs"): "fan_loss",
    ("fan_degraded", "towers"): "fan_loss",
    ("leak", "cdus"): "hole_lmin",
    ("containment_open", "halls"): "opened",
}
"""Columns that hold the severity itself."""


class Held(NamedTuple):
    """A column of a unit's state, and what the fault holds it at. Unit None: all of the table."""

    table: str
    unit: str | None
    column: str
    value: float


class Changed(NamedTuple):
    """A parameter of a unit, and what the fault makes of its healthy value."""

    table: str
    unit: str
    column: str
    change: Callable[[float], float]


def held(fault: Fault, table: str, amount: float, *, trimmed: bool) -> Iterator[Held]:
    """State that a fault holds; ``amount`` is the severity that it has reached.

    ``trimmed`` tells a loop with a trim exchanger: its valve is the one meant.
    """
    kind, unit = fault.kind, fault.place
    if kind == "power_blip":
        for drives, column, value in DRIVES:
            yield Held(drives, None, column, value)
    elif kind == "pump_trip" and fault.severity is not None:
        yield Held(table, unit, "pumps_lost", fault.severity)
    elif kind in STOPS:
        column, value = STOPS[kind].get(table, ("tripped", 1.0))
        yield Held(table, unit, column, value)
        if table == TOWER_WATER:
            yield Held("chillers", None, "tripped", 1.0)  # by their condensers' flow switches
    elif kind == "fouling" and table == "cdus":
        yield Held(table, unit, "fouled", _added_resistance(amount))
    elif kind == "stuck_valve" and table == "loops":
        valve = "trim_valve" if trimmed else "tower_valve"
        yield Held(table, unit, f"{valve}_stuck", 1.0)
        if fault.severity is not None:
            yield Held(table, unit, valve, fault.severity)
    elif kind == "stuck_valve":
        yield Held(table, unit, "valve_stuck", 1.0)
        if fault.severity is not None:
            yield Held(table, unit, "valve", fault.severity)
            yield Held(table, unit, "valve_position", 100.0 * fault.severity)
    elif (kind, table) in COLUMNS:
        yield Held(table, unit, COLUMNS[kind, table], amount)


def held_by_sensor(
    fault: Fault, table: str, unit: str, amount: float, shown_c: float | None
) -> Iterator[Held]:
    """State that a fault of a unit's control sensor holds; ``shown_c`` is the frozen value."""
    if fault.kind in ("sensor_bias", "sensor_drift"):
        yield Held(table, unit, "sensor_off_k", amount)
    elif fault.kind == "sensor_freeze" and shown_c is not None:
        yield Held(table, unit, "sensor_held", 1.0)
        yield Held(table, unit, "sensor_held_c", shown_c)
    elif fault.kind == "sensor_loss":
        # A controller that knows its sensor to be lost keeps its output; a chiller shuts down.
        yield Held(table, unit, LOSES.get(table, "valve_stuck"), 1.0)


def changed(fault: Fault, table: str, amount: float, *, trimmed: bool) -> Iterator[Changed]:
    """Parameters that a fault changes; ``trimmed`` tells a loop with a trim exchanger."""
    kind, unit = fault.kind, fault.place
    if kind == "fouling" and table == "chillers":
        # The condenser's approach grows as its conductance shrinks.
        lift_k = SHELL_APPROACH_K * amount / (1.0 - amount)
        yield Changed(table, unit, "fouling_k", lambda healthy: healthy + lift_k)
    elif kind == "fouling" and table == "loops":
        added = _added_resistance(amount)
        yield Changed(table, unit, "tower_fouling", lambda healthy: healthy + added)
    elif kind == "leaking_valve" and table == "loops":
        valve = "trim_leakage" if trimmed else "tower_leakage"
        yield Changed(table, unit, valve, lambda healthy: max(healthy, amount))
    elif kind == "pump_degraded" and table in ("loops", TOWER_WATER):
        # Parallel pumps that lose a share of flow at each head: the curve falls steeper.
        steeper = 1.0 / (1.0 - amount) ** 2
        yield Changed(table, unit, "pump_kpa_ls2", lambda healthy: healthy * steeper)


def _added_resistance(lost: float) -> float:
    """Fouling resistance over the clean one that costs a share of a clean exchanger's UA."""
    return lost / (1.0 - lost)
