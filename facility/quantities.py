"""The quantities a point can carry: one name each, its kind of unit and its Brick class.

A point is found by its equipment and one of these names, so that the engineer's
own tags stay as they are. Temperature words: FWS is the facility water system
(chilled water and tower water), TCS the technology cooling system (the secondary
loop of a CDU); supply goes to the racks, return comes back.
"""

from __future__ import annotations

from dataclasses import dataclass

from facility.units import Kind


@dataclass(frozen=True, slots=True)
class Quantity:
    """What a point measures or sets."""

    name: str
    kind: Kind
    meaning: str
    brick: str
    """Class of the Brick schema 1.4, without its prefix."""


CHARGE_LEVEL, CHARGE_RATE, CHARGE = "charge_level", "charge_rate", "charge_setpoint"
"""Of a storage tank: what it holds, its flow, and the flow that it is asked for."""
CHILLER_STAGE = "chiller_stage"
"""How many chillers the sequencer of a loop runs."""
STAGE_REQUEST = "chiller_stage_setpoint"
"""How many it is asked to run: whole numbers, from 1."""
DISPENSABLE = frozenset({CHARGE, STAGE_REQUEST})
"""Setpoints without which racks can be estimated and planned for: what is in force need not be
known."""
UNNAMED = "unnamed"
"""What a scan of a device finds, until somebody says what it is; a device may have many."""


def _table() -> dict[str, Quantity]:
    t, p, f, pct = Kind.TEMPERATURE, Kind.POWER, Kind.FLOW, Kind.PERCENT
    temp, setpoint, power = (
        "Water_Temperature_Sensor",
        "Water_Temperature_Setpoint",
        "Electric_Power_Sensor",
    )
    rows = (
        # racks
        Quantity("it_power", p, "electric power of a rack's IT", power),
        Quantity("inlet_temperature", t, "air into a rack", "Intake_Air_Temperature_Sensor"),
        Quantity("outlet_temperature", t, "air out of a rack", "Exhaust_Air_Temperature_Sensor"),
        Quantity("case_temperature", t, "hottest cold-plate case of a rack", "Temperature_Sensor"),
        Quantity("bath_temperature", t, "fluid of an immersion tank", "Temperature_Sensor"),
        Quantity("return_temperature", t, "coolant out of a rack", temp),
        # CDUs
        Quantity("tcs_supply_temperature", t, "secondary supply of a CDU", temp),
        Quantity("tcs_return_temperature", t, "secondary return of a CDU", temp),
        Quantity("tcs_flow", f, "secondary flow of a CDU", "Water_Flow_Sensor"),
        Quantity("tcs_supply_temperature_setpoint", t, "set: secondary supply", setpoint),
        Quantity("tcs_flow_setpoint", f, "set: secondary flow", "Water_Flow_Setpoint"),
        Quantity("pump_power", p, "electric power of pumps", power),
        Quantity(
            "tcs_pressure", Kind.PRESSURE, "static pressure of a secondary", "Pressure_Sensor"
        ),
        Quantity("makeup_flow", f, "coolant that a CDU tops up", "Water_Flow_Sensor"),
        Quantity("leak", Kind.STATE, "1 where a leak is sensed", "Leak_Alarm"),
        # CRAHs
        Quantity("supply_air_temperature", t, "air from a CRAH", "Supply_Air_Temperature_Sensor"),
        Quantity("return_air_temperature", t, "air to a CRAH", "Return_Air_Temperature_Sensor"),
        Quantity(
            "supply_air_temperature_setpoint",
            t,
            "set: air from a CRAH",
            "Supply_Air_Temperature_Setpoint",
        ),
        Quantity("fan_speed", pct, "fan speed of a CRAH or tower", "Speed_Sensor"),
        Quantity("fan_speed_setpoint", pct, "set: fan speed of a CRAH", "Speed_Setpoint"),
        Quantity("fan_power", p, "electric power of fans", power),
        Quantity("valve_position", pct, "water valve of a CDU or CRAH", "Valve_Position_Sensor"),
        # chillers
        Quantity(
            "chw_supply_temperature",
            t,
            "chilled water from a chiller",
            "Leaving_Chilled_Water_Temperature_Sensor",
        ),
        Quantity(
            "chw_return_temperature",
            t,
            "chilled water to a chiller",
            "Entering_Chilled_Water_Temperature_Sensor",
        ),
        Quantity(
            "chw_supply_temperature_setpoint",
            t,
            "set: chilled water from a chiller",
            "Leaving_Chilled_Water_Temperature_Setpoint",
        ),
        Quantity("power", p, "electric power of a chiller", power),
        Quantity("cooling_load", p, "heat that a unit carries", "Thermal_Power_Sensor"),
        Quantity("running", Kind.STATE, "1 while a machine runs", "On_Status"),
        Quantity("chw_flow", f, "chilled water through a chiller", "Water_Flow_Sensor"),
        # loops and towers
        Quantity("fws_supply_temperature", t, "supply of a facility water loop", temp),
        Quantity("fws_return_temperature", t, "return of a facility water loop", temp),
        Quantity("fws_supply_temperature_setpoint", t, "set: supply of a loop", setpoint),
        Quantity("fws_flow", f, "flow of a facility water loop", "Water_Flow_Sensor"),
        Quantity(
            "fws_differential_pressure",
            Kind.PRESSURE,
            "differential pressure of a loop",
            "Water_Differential_Pressure_Sensor",
        ),
        # storage tanks
        Quantity(
            CHARGE_LEVEL,
            pct,
            "cold in a storage tank between its loop's supply setpoint and design return",
            "Energy_Sensor",
        ),
        Quantity(
            CHARGE_RATE,
            pct,
            "flow through a storage tank over its full flow, charging positive",
            "Water_Flow_Sensor",
        ),
        Quantity(
            CHARGE,
            pct,
            "set: flow through a storage tank over its full flow, charging positive",
            "Water_Flow_Setpoint",
        ),
        Quantity("cw_supply_temperature", t, "tower water to the condensers", temp),
        Quantity("cw_return_temperature", t, "water back to the towers", temp),
        Quantity("cw_supply_temperature_setpoint", t, "set: tower water", setpoint),
        Quantity("cw_flow", f, "flow of the tower water loop", "Water_Flow_Sensor"),
        # sequencers
        Quantity(
            CHILLER_STAGE, Kind.COUNT, "chillers that a loop's sequencer runs", "Stages_Status"
        ),
        Quantity(STAGE_REQUEST, Kind.COUNT, "set: chillers asked of the sequencer", "Setpoint"),
        # contacts: what the building and the machines say of themselves
        Quantity("fire_alarm", Kind.STATE, "1 while the fire alarm is active", "Alarm"),
        Quantity("emergency_power_off", Kind.STATE, "1 while an emergency-off is pressed", "Alarm"),
        Quantity("generator_running", Kind.STATE, "1 while on generator power", "On_Status"),
        Quantity(
            "hardwired_enable",
            Kind.STATE,
            "1 while the hard-wired enable is closed",
            "Enable_Status",
        ),
        Quantity(
            "available",
            Kind.STATE,
            "1 while a machine can be had, 0 out of service",
            "Availability_Status",
        ),
        Quantity("locked_out", Kind.STATE, "1 while a person has locked a machine", "Status"),
        Quantity("condensation_alarm", Kind.STATE, "1 while water condenses", "Alarm"),
        Quantity("overcooling_alarm", Kind.STATE, "1 while it is too cold", "Alarm"),
        Quantity("overheating_alarm", Kind.STATE, "1 while it is too warm", "Alarm"),
        Quantity("fault_alarm", Kind.STATE, "1 while a machine reports a fault", "Failure_Alarm"),
        # surroundings
        Quantity("dry_bulb_temperature", t, "outdoor dry bulb", "Outside_Air_Temperature_Sensor"),
        Quantity(
            "wet_bulb_temperature", t, "outdoor wet bulb", "Outside_Air_Wet_Bulb_Temperature_Sensor"
        ),
        Quantity("dew_point_temperature", t, "dew point in a hall", "Dewpoint_Sensor"),
        # devices
        Quantity("heartbeat", Kind.COUNT, "counter that must keep changing", "Command"),
        Quantity("remote_enable", Kind.STATE, "set: 1 asks for remote control", "Enable_Command"),
        Quantity("remote_active", Kind.STATE, "1 while the remote holds it", "Status"),
        Quantity(UNNAMED, Kind.COUNT, "a value that nobody has named yet", "Point"),
    )
    in_force = tuple(
        Quantity(f"{row.name}_in_force", row.kind, f"in force: {row.meaning[5:]}", row.brick)
        for row in rows
        if row.name.endswith("_setpoint")
    )
    return {row.name: row for row in (*rows, *in_force)}


QUANTITIES: dict[str, Quantity] = _table()
"""Every quantity that a points list may name."""

ALARMS = frozenset({"condensation_alarm", "overcooling_alarm", "overheating_alarm", "fault_alarm"})
"""Alarms of a plant that its points list must give a safe direction."""

LIMITED_TEMPERATURE = {
    "air": "inlet_temperature",
    "rear_door": "inlet_temperature",
    "direct_to_chip": "case_temperature",
    "immersion": "bath_temperature",
}
"""By kind of rack: the temperature that its limit is about."""
