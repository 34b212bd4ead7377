"""Actuators: the setpoints of the points list with the rules of ``[actuators.QUANTITY]``."""

from __future__ import annotations

from collections.abc import Iterable

from facility.devices import Actuator, Cooling
from facility.loading.points_csv import NumberedPoint
from facility.loading.problems import Problem
from facility.loading.table import TableReader
from facility.loading.topology import FILE, Topology
from facility.points import Point, Role
from facility.quantities import CHARGE, QUANTITIES, STAGE_REQUEST
from facility.units import Kind

# Rates of a temperature setpoint: at most 2 °C a minute towards cooling and 0.5 °C in
# 5 minutes away from it; 6 optimiser writes an hour; a release jumps at most 5 K towards
# cooling; 300 s between optimiser writes (a tick), two turns an hour. Other setpoints (flow,
# speed): half the range a minute towards, a fiftieth away.
# Isotherm's own defaults, stricter than ASHRAE TC 9.9's 20 °C/h of inlet air.
TEMPERATURE_TOWARDS_PER_MIN = 2.0
TEMPERATURE_AWAY_PER_MIN = 0.1
RANGE_SHARE_TOWARDS_PER_MIN = 0.5
RANGE_SHARE_AWAY_PER_MIN = 0.02
# Stages go one machine at a time: one up a minute, one down in the envelope's window of 5 minutes,
# and no sooner than the start-to-start time of a chiller (15 min, Carrier 23XL; Guideline 36 keeps
# a stage as long).
STAGE_TOWARDS_PER_MIN = 1.0
STAGE_AWAY_PER_MIN = 0.2
STAGE_DWELL_S = 900.0
WRITES_PER_HOUR = 6
REVERSALS_PER_HOUR = 2
DWELL_S = 300.0
JUMP_TOWARDS_K = 5.0

COOLING = {
    "chw_supply_temperature_setpoint": Cooling.LOWER,
    "fws_supply_temperature_setpoint": Cooling.LOWER,
    "cw_supply_temperature_setpoint": Cooling.LOWER,
    "tcs_supply_temperature_setpoint": Cooling.LOWER,
    "tcs_flow_setpoint": Cooling.HIGHER,
    "supply_air_temperature_setpoint": Cooling.LOWER,
    "fan_speed_setpoint": Cooling.HIGHER,
    STAGE_REQUEST: Cooling.HIGHER,
    # Discharging gives the racks cold, charging takes it from what chillers have to spare.
    CHARGE: Cooling.LOWER,
}
"""The quantities that Isotherm can set, and which way is more cooling."""

# A tank stands still where nobody asks: neither end of its range is the plant's own.
OWN_FALLBACK = {CHARGE: 0.0}

# An uninsulated secondary loop condenses on the racks: keep 3 K above the dew point.
GUARDED = {"tcs_supply_temperature_setpoint": 3.0}


def build_actuators(
    points: Iterable[NumberedPoint], topology: Topology, problems: list[Problem]
) -> dict[str, Actuator]:
    """One actuator for each setpoint of the points list."""
    readers = {
        name: TableReader(FILE, f"[actuators.{name}]", rule, problems)
        for name, rule in topology.actuator_rules.items()
    }
    for name, reader in readers.items():
        reader.known("", name, COOLING, "quantity that can be set")
    found: dict[str, Actuator] = {}
    used: set[str] = set()
    for numbered in points:
        point = numbered.point
        if point.role is not Role.SETPOINT:
            continue
        row = TableReader(numbered.file, numbered.row, {}, problems)
        if point.quantity not in COOLING:
            row.known("quantity", point.quantity, COOLING, "quantity that can be set")
            continue
        if point.minimum is None or point.maximum is None:
            row.problem(
                "minimum",
                "a setpoint has no limit",
                "Give it a minimum and a maximum: nothing is written without a range.",
            )
            continue
        first = point.quantity not in used
        used.add(point.quantity)
        rule = topology.actuator_rules.get(point.quantity, {})
        # The rule's own mistakes are told once, not again for every unit that follows it.
        reader = TableReader(FILE, f"[actuators.{point.quantity}]", rule, problems if first else [])
        found[point.tag] = _actuator(point, point.minimum, point.maximum, reader, topology)
        reader.done()
    return found


def _actuator(
    point: Point, minimum: float, maximum: float, reader: TableReader, topology: Topology
) -> Actuator:
    temperature = QUANTITIES[point.quantity].kind is Kind.TEMPERATURE
    staged = point.quantity == STAGE_REQUEST
    span = maximum - minimum
    towards = TEMPERATURE_TOWARDS_PER_MIN if temperature else RANGE_SHARE_TOWARDS_PER_MIN * span
    away = TEMPERATURE_AWAY_PER_MIN if temperature else RANGE_SHARE_AWAY_PER_MIN * span
    if staged:
        towards, away = STAGE_TOWARDS_PER_MIN, STAGE_AWAY_PER_MIN
    dwell_s = STAGE_DWELL_S if staged else DWELL_S
    cooling = reader.choice("cooling", Cooling, COOLING[point.quantity])
    margin = reader.number(
        "dew_point_margin_k", GUARDED.get(point.quantity, -1.0), minimum=-1.0, maximum=20
    )
    chiller = topology.chillers.get(point.equipment)
    return Actuator(
        id=point.tag,
        equipment=point.equipment,
        quantity=point.quantity,
        device=point.device,
        group=f"{chiller.loop}.{point.quantity}" if chiller else point.tag,
        unit=QUANTITIES[point.quantity].kind.unit,
        minimum=minimum,
        maximum=maximum,
        cooling=cooling,
        rate_towards_per_min=reader.number("rate_towards_per_min", towards, minimum=1e-6),
        rate_away_per_min=reader.number("rate_away_per_min", away, minimum=1e-6),
        dead_band=point.dead_band,
        dwell_s=max(reader.number("dwell_s", dwell_s, minimum=0), point.min_write_interval_s),
        writes_per_hour=reader.whole("writes_per_hour", WRITES_PER_HOUR, minimum=1),
        jump_towards=reader.number(
            "jump_towards", JUMP_TOWARDS_K if temperature else span, minimum=0
        ),
        dew_point_margin_k=None if margin < 0.0 else margin,
        read_back=point.read_back or point.tag,
        tolerance=point.tolerance,
        fallback=reader.number(
            "fallback",
            OWN_FALLBACK.get(point.quantity, minimum if cooling is Cooling.LOWER else maximum),
            minimum=minimum,
            maximum=maximum,
        ),
        reversals_per_hour=reader.whole("reversals_per_hour", REVERSALS_PER_HOUR),
    )
