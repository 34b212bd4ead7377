"""A design as ``site.toml`` and ``points.csv``."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Iterator, Mapping
from typing import Any

from facility.points import Point, SafeDirection
from facility.quantities import CHARGE, CHARGE_LEVEL, CHARGE_RATE
from sim.sites.reference import Design
from sim.sites.registers import (
    NodeMap,
    Setting,
    cdu_points,
    chiller_points,
    sequencer_points,
)
from sim.sites.toml_text import Value, table, tables

HOST = "127.0.0.1"
NO_SECURITY = "None: simulated devices on the loopback address"

# A CDU is of the liquid class (back in local control within 5 s), all else of the air
# class (30 s): water and air give it the time.
LIQUID: dict[str, Value] = {
    "hand_back": "liquid",
    "scan_s": 5.0,
    "heartbeat_s": 1.0,
    "watchdog_s": 4.0,
}
AIR: dict[str, Value] = {"hand_back": "air", "scan_s": 10.0, "heartbeat_s": 5.0, "watchdog_s": 20.0}

SEQUENCER = "sequencer"
"""A device of its own, so that it is taken over and given back apart from water setpoints."""
CHARGE_RULE: dict[str, Value] = {"fallback": 0.0, "rate_away_per_min": 10.0}
"""Charging loads chillers, which follow by a tenth of their capacity a minute."""
CHARGE_RANGE_PCT = (-100.0, 100.0)
FAN_RANGE_PCT = (30.0, 100.0)
SUPPLY_AIR_RANGE_C = (15.0, 27.0)

CSV_COLUMNS = (
    *("tag", "device", "equipment", "quantity", "role", "table", "address", "data_type"),
    *("unit", "access", "scale", "offset", "byte_order", "word_order", "function_code"),
    *("minimum", "maximum", "sentinels", "dead_band", "min_write_interval_s"),
    *("read_back", "tolerance", "safe_direction", "doubles"),
)


def site_toml(design: Design, base_port: int) -> str:
    """The text of ``site.toml``; devices listen from ``base_port`` on."""
    parts = [
        f"# {design.name}. Temperatures in degC, power in kW, flow in L/s, times in s.\n",
        table(
            "[site]",
            {
                "id": design.id,
                "name": design.name,
                "latitude": design.latitude,
                "longitude": design.longitude,
                "elevation_m": design.elevation_m,
            },
        ),
        # Flat price and average carbon intensity of Virginia, 2022 (EIA generation mix).
        table(
            "[tariff]",
            {
                "currency": "USD",
                "energy_per_kwh": 0.094,
                "carbon_g_per_kwh": 340.0,
                "carbon_price_per_t": 0.0,
                "demand_per_kw_month": 0.0,
            },
        ),
    ]
    parts += [
        tables(name, (_row(item) for item in items))
        for name, items in (
            ("halls", design.halls),
            ("loops", design.loops),
            ("chillers", design.chillers),
            ("towers", design.towers),
            ("cdus", design.cdus),
            ("crahs", design.crahs),
            ("racks", design.racks),
            ("storage_tanks", design.storage_tanks),
        )
        if items
    ]
    parts.append(tables("devices", _devices(design, base_port)))
    parts += [
        table(f"[actuators.{quantity}]", {"fallback": value})
        for quantity, value in design.fixed_c.items()
    ]
    if design.storage_tanks:
        parts.append(table("[actuators.charge_setpoint]", CHARGE_RULE))
    return "\n".join(parts)


def device_names(design: Design) -> tuple[str, ...]:
    """The devices of a design, in the order of their ports."""
    crahs = ("crahs",) if design.crahs else ()
    cdus = (cdu.id for cdu in design.cdus)
    tanks = (tank.id for tank in design.storage_tanks)
    sequencer = (SEQUENCER,) if design.staged else ()
    return (
        *cdus,
        *(chiller.id for chiller in design.chillers),
        "bms",
        *crahs,
        *tanks,
        *sequencer,
    )


def _devices(design: Design, base_port: int) -> Iterator[dict[str, Value]]:
    liquid = {cdu.id for cdu in design.cdus}
    tanks = {tank.id for tank in design.storage_tanks}
    for number, name in enumerate(device_names(design)):
        opcua = name in ("bms", "crahs") or name in tanks
        yield {
            "id": name,
            "protocol": "opcua" if opcua else "modbus",
            "host": HOST,
            "port": base_port + number,
            "release": "jump" if name in design.jumping else "ramp",
            **(LIQUID if name in liquid else AIR),
            **({"security": NO_SECURITY} if opcua else {}),
        }


def _row(item: Any) -> dict[str, Value]:
    fields = {f.name: getattr(item, f.name) for f in dataclasses.fields(item)}
    return {
        name: getattr(value, "value", value)
        for name, value in fields.items()
        if value is not None and value != ""
    }


def points_csv(design: Design) -> str:
    """The text of ``points.csv``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for point in _points(design):
        writer.writerow(_cells(point))
    return text.getvalue()


def _cells(point: Point) -> list[str]:
    fields = {f.name: f for f in dataclasses.fields(point)}
    cells = []
    for name in CSV_COLUMNS:
        value = getattr(point, name)
        if value == fields[name].default or value is None:
            cells.append("")
        elif isinstance(value, float):
            cells.append(f"{value:g}")
        else:
            cells.append(str(getattr(value, "value", value)))
    return cells


def _points(design: Design) -> Iterator[Point]:
    supply = Setting(*design.tcs_range_c, dead_band=0.2, tolerance=0.06)
    for cdu in design.cdus:
        flow = Setting(
            cdu.min_tcs_flow_ls,
            cdu.design_tcs_flow_ls,
            dead_band=round(0.01 * cdu.design_tcs_flow_ls, 3),
            tolerance=round(0.002 * cdu.design_tcs_flow_ls, 4),
        )
        yield from cdu_points(cdu.id, supply, flow)
    chw = Setting(*design.chw_range_c, dead_band=0.2, tolerance=0.06)
    for chiller in design.chillers:
        yield from chiller_points(chiller.id, chw)
    yield from _bms(design)
    if design.crahs:
        yield from _crahs(design)
    # Last, so that the sensors before them keep the errors that a seed has always given them.
    yield from _proofs(design)
    yield from _contacts(design)
    if design.staged:
        loops = {k: sum(c.loop == k for c in design.chillers) for k in design.staged}
        yield from sequencer_points(SEQUENCER, loops)
    yield from _tanks(design)


def _bms(design: Design) -> list[Point]:
    bms = NodeMap("bms")
    bms.control()
    warm = Setting(*design.warm_range_c, dead_band=0.2, tolerance=0.05)
    tower = Setting(*design.cw_range_c, dead_band=0.2, tolerance=0.05)
    bms.setpoint("warm", "fws_supply_temperature_setpoint", warm)
    bms.setpoint("tower_water", "cw_supply_temperature_setpoint", tower)
    for loop in design.loops:
        bms.sensor(
            loop.id,
            *("fws_supply_temperature", "fws_return_temperature", "fws_flow"),
            *("fws_differential_pressure", "pump_power"),
        )
    bms.sensor(
        "tower_water", "cw_supply_temperature", "cw_return_temperature", "cw_flow", "pump_power"
    )
    for cell in design.towers:
        bms.sensor(cell.id, "fan_speed", "fan_power")
    bms.sensor("outdoor", "dry_bulb_temperature", "wet_bulb_temperature")
    for hall in design.halls:
        bms.sensor(hall.id, "dew_point_temperature")
    for rack in design.racks:
        breathes = rack.limited_temperature == "inlet_temperature"
        second = "outlet_temperature" if breathes else "return_temperature"
        bms.sensor(rack.id, "it_power", rack.limited_temperature, second)
    return bms.points


def _proofs(design: Design) -> list[Point]:
    """What the building measures so that machines are not harmed."""
    bms = NodeMap("bms")
    for chiller in design.chillers:
        bms.sensor(chiller.id, "chw_flow")
    for loop in design.loops:
        bms.contact(loop.id, "running")
    for cell in design.towers:
        bms.contact(cell.id, "available")
    return bms.points


def _contacts(design: Design) -> list[Point]:
    """Contacts of the building and of the machines; alarms name their safe direction."""
    bms = NodeMap("bms")
    bms.contact("site", "fire_alarm")
    bms.contact("site", "emergency_power_off")
    bms.contact("site", "generator_running")
    bms.contact("site", "hardwired_enable")
    for hall in design.halls:
        bms.contact(hall.id, "condensation_alarm", SafeDirection.AWAY)
        bms.contact(hall.id, "overheating_alarm", SafeDirection.TOWARDS)
    units = [unit.id for unit in design.chillers]
    units += [unit.id for unit in design.cdus] + [unit.id for unit in design.crahs]
    for unit in units:
        bms.contact(unit, "available")
        bms.contact(unit, "locked_out")
    for cdu in design.cdus:
        bms.contact(cdu.id, "fault_alarm", SafeDirection.TOWARDS)
    return bms.points


def _crahs(design: Design) -> list[Point]:
    crahs = NodeMap("crahs")
    crahs.control()
    air = Setting(*SUPPLY_AIR_RANGE_C, dead_band=0.2, tolerance=0.05)
    fan = Setting(*FAN_RANGE_PCT, dead_band=1.0, tolerance=0.1)
    for crah in design.crahs:
        crahs.setpoint(crah.id, "supply_air_temperature_setpoint", air)
        crahs.setpoint(crah.id, "fan_speed_setpoint", fan)
        crahs.sensor(
            crah.id,
            *("supply_air_temperature", "return_air_temperature", "fan_speed"),
            *("fan_power", "valve_position"),
        )
    return crahs.points


def _tanks(design: Design) -> Iterator[Point]:
    """Storage tanks, each with a controller of its own."""
    charge = Setting(*CHARGE_RANGE_PCT, dead_band=2.0, tolerance=0.1)
    for tank in design.storage_tanks:
        nodes = NodeMap(tank.id)
        nodes.control()
        nodes.setpoint(tank.id, CHARGE, charge)
        nodes.sensor(tank.id, CHARGE_LEVEL, CHARGE_RATE, "pump_power")
        yield from nodes.points


def texts(design: Design, base_port: int) -> Mapping[str, str]:
    """The site's files by name."""
    return {"site.toml": site_toml(design, base_port), "points.csv": points_csv(design)}
