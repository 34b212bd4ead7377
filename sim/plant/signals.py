"""Where each quantity of each unit lies in the plant's state."""

from __future__ import annotations

from collections.abc import Iterator

from facility.quantities import CHARGE, CHARGE_LEVEL, CHARGE_RATE
from facility.site import Site
from sim.plant.fws_loop import TOWER_WATER
from sim.plant.plant import Memory, unit_ids

OUTDOOR = "outdoor"

COLUMNS: dict[str, dict[str, str]] = {
    "liquid": {
        "it_power": "it_power",
        "case_temperature": "case_c",
        "return_temperature": "return_c",
    },
    "air": {
        "it_power": "it_power",
        "inlet_temperature": "inlet_c",
        "outlet_temperature": "outlet_c",
    },
    "doors": {"outlet_temperature": "leaving_c", "return_temperature": "return_c"},
    "tanks": {
        "it_power": "it_power",
        "bath_temperature": "bath_c",
        "case_temperature": "chip_c",
        "return_temperature": "return_c",
        "pump_power": "pump_power",
    },
    "cdus": {
        "tcs_supply_temperature": "supply_c",
        "tcs_return_temperature": "return_c",
        "tcs_flow": "flow_ls",
        "pump_power": "pump_power",
        "valve_position": "valve_position",
        "cooling_load": "heat_kw",
        "leak": "leak",
        "tcs_pressure": "pressure_kpa",
        "makeup_flow": "makeup_ls",
        "fws_flow": "primary_ls",
        "fws_return_temperature": "primary_return_c",
        "tcs_supply_temperature_setpoint": "supply_setpoint_c",
        "tcs_flow_setpoint": "flow_setpoint_ls",
    },
    "crahs": {
        "supply_air_temperature": "supply_c",
        "return_air_temperature": "return_c",
        "fan_speed": "fan_speed",
        "fan_power": "fan_power",
        "valve_position": "valve_position",
        "cooling_load": "heat_kw",
        "supply_air_temperature_setpoint": "supply_setpoint_c",
        "fan_speed_setpoint": "fan_setpoint_pct",
    },
    "chillers": {
        "chw_supply_temperature": "chw_supply_temperature",
        "chw_return_temperature": "chw_return_temperature",
        "power": "power",
        "cooling_load": "cooling_load",
        "running": "running",
        "chw_flow": "evaporator_ls",
        "chw_supply_temperature_setpoint": "setpoint_c",
    },
    "loops": {
        "fws_supply_temperature": "supply_c",
        "fws_return_temperature": "return_c",
        "fws_flow": "flow_ls",
        "fws_differential_pressure": "dp_kpa",
        "running": "enabled",
        "pump_power": "pump_power",
        "fws_supply_temperature_setpoint": "setpoint_c",
        "chiller_stage": "stage",
        "chiller_stage_setpoint": "stage_setpoint",
    },
    "tower_water": {
        "cw_supply_temperature": "supply_c",
        "cw_return_temperature": "return_c",
        "cw_flow": "flow_ls",
        "pump_power": "pump_power",
        "cooling_load": "heat_kw",
        "cw_supply_temperature_setpoint": "setpoint_c",
    },
    "towers": {
        "fan_speed": "fan_speed",
        "fan_power": "fan_power",
        "cooling_load": "heat_kw",
        "available": "available",
    },
    "halls": {"dew_point_temperature": "dew_point_c"},
    "outdoor": {
        "dry_bulb_temperature": "dry_bulb_c",
        "wet_bulb_temperature": "wet_bulb_c",
        "dew_point_temperature": "dew_point_c",
    },
}
"""By table: the quantity of a point, and the column that holds it in its canonical unit."""

STORAGE = {
    CHARGE_LEVEL: "tank_level_pct",
    CHARGE_RATE: "tank_rate_pct",
    CHARGE: "tank_setpoint_pct",
    "pump_power": "tank_pump_kw",
}
"""The same of a storage tank, which lies in the row of its loop."""


def places(site: Site, memory: Memory) -> dict[tuple[str, str], int]:
    """Where in the plant's block each (equipment, quantity) lies."""
    return dict(_places(site, memory))


def _places(site: Site, memory: Memory) -> Iterator[tuple[tuple[str, str], int]]:
    ids = unit_ids(site) | {"outdoor": (OUTDOOR,), "tower_water": (TOWER_WATER,)}
    for table, columns in COLUMNS.items():
        for row, name in enumerate(ids[table]):
            for quantity, column in columns.items():
                yield (name, quantity), memory.place(table, row, column)
    for tank in site.storage_tanks.values():
        for quantity, column in STORAGE.items():
            row = ids["loops"].index(tank.loop)
            yield (tank.id, quantity), memory.place("loops", row, column)
