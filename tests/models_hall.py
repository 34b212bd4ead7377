"""A small synthetic hall for the tests of the learned models: a site, and a history of it.

Its physics is written down here once more, in numpy and with other lags than the models
assume, so that a model that learns it has learned something: two lumps a liquid-cooled
rack, recirculation from a lagged exhaust for air-cooled ones, exchangers that run out of
capacity.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

import numpy as np
import pandas as pd

from facility.devices import Actuator, Cooling, Device, HandBackClass, Protocol, Release
from facility.equipment import CDU, CRAH, Chiller, CoolingLoop, Hall, Rack, RackKind, Tower
from facility.outside import Tariff
from facility.points import Access, DataType, Point, Role, Table
from facility.quantities import QUANTITIES
from facility.site import GatewayLimits, Site
from models.contract import Inputs
from models.registry import Bundle
from models.training import train

CDUS, LIQUID_PER_CDU, CRAHS, AIR_RACKS = 2, 3, 2, 4
LEAKAGE_PER_K = 0.003
START = "2024-04-07T00:00:00Z"
RANGES = {
    "chw_supply_temperature_setpoint": (7.0, 18.0),
    "fws_supply_temperature_setpoint": (16.0, 34.0),
    "cw_supply_temperature_setpoint": (12.0, 30.0),
    "tcs_supply_temperature_setpoint": (20.0, 40.0),
    "tcs_flow_setpoint": (8.0, 16.0),
    "supply_air_temperature_setpoint": (16.0, 26.0),
    "fan_speed_setpoint": (40.0, 100.0),
}


def small_site() -> Site:
    """Six liquid-cooled racks on two CDUs, four air-cooled on two CRAHs, one chiller."""
    racks: dict[str, Rack] = {}
    for cdu in range(1, CDUS + 1):
        for number in range(LIQUID_PER_CDU):
            name = f"l{cdu}{number}"
            racks[name] = _rack(name, RackKind.DIRECT_TO_CHIP, 120.0, (f"cdu{cdu}",), cdu)
    for number in range(AIR_RACKS):
        near, far = ("crah1", "crah2") if number < AIR_RACKS // 2 else ("crah2", "crah1")
        racks[f"a{number}"] = _rack(f"a{number}", RackKind.AIR, 20.0, (near, far), 3)
    cdus = {
        f"cdu{i}": CDU(f"cdu{i}", "hall1", "warm", 360.0, 16.0, 8.0, 45.0)
        for i in range(1, CDUS + 1)
    }
    crahs = {f"crah{i}": CRAH(f"crah{i}", "hall1", "cool", 70.0, 5.0) for i in range(1, CRAHS + 1)}
    points, actuators = _points(racks, list(cdus), list(crahs))
    return Site(
        id="small",
        name="synthetic hall",
        latitude=39.0,
        longitude=-77.5,
        elevation_m=100.0,
        halls={"hall1": Hall("hall1", "Hall 1", "A2")},
        racks=racks,
        loops={
            "cool": CoolingLoop("cool", 20.0, 6.0, 250.0, 10.0),
            "warm": CoolingLoop("warm", 40.0, 15.0, 700.0, 20.0, trim="cool"),
        },
        cdus=cdus,
        crahs=crahs,
        chillers={"chiller1": Chiller("chiller1", "cool", 250.0, 6.0)},
        towers={"tower1": Tower("tower1", 900.0, 10.0)},
        devices={
            "bms": Device("bms", Protocol.OPCUA, "127.0.0.1", 4840, HandBackClass.AIR, Release.RAMP)
        },
        points=points,
        actuators=actuators,
        tariff=Tariff("USD", 0.1, 300.0, 0.0, 0.0),
        gateway=GatewayLimits(),
    )


def _rack(name: str, kind: RackKind, kw: float, units: tuple[str, ...], row: int) -> Rack:
    liquid = kind is not RackKind.AIR
    return Rack(
        id=name,
        hall="hall1",
        kind=kind,
        rated_kw=kw,
        units=units,
        limit_c=80.0 if liquid else 32.0,
        recommended_c=70.0 if liquid else 27.0,
        row=row,
        position=0,
        design_flow_ls=5.0 if liquid else None,
        to_air_share=0.1 if liquid else 1.0,
    )


def _points(
    racks: Mapping[str, Rack], cdus: list[str], crahs: list[str]
) -> tuple[dict[str, Point], dict[str, Actuator]]:
    sensors = [("outdoor", "wet_bulb_temperature"), ("outdoor", "dry_bulb_temperature")]
    sensors += [("tower_water", "cw_supply_temperature"), ("tower_water", "pump_power")]
    sensors += [("tower1", "fan_power"), ("chiller1", "power")]
    sensors += [(loop, "fws_supply_temperature") for loop in ("cool", "warm")]
    sensors += [(loop, "pump_power") for loop in ("cool", "warm")]
    sensors += [(cdu, q) for cdu in cdus for q in ("tcs_supply_temperature", "pump_power")]
    sensors += [(crah, q) for crah in crahs for q in ("supply_air_temperature", "fan_power")]
    for rack in racks.values():
        sensors += [(rack.id, "it_power"), (rack.id, rack.limited_temperature)]
    points = {f"{e}.{q}": _point(e, q, Role.SENSOR) for e, q in sensors}
    settings = [("chiller1", "chw_supply_temperature_setpoint")]
    settings += [("warm", "fws_supply_temperature_setpoint")]
    settings += [("tower_water", "cw_supply_temperature_setpoint")]
    settings += [
        (c, q) for c in cdus for q in ("tcs_supply_temperature_setpoint", "tcs_flow_setpoint")
    ]
    settings += [
        (c, q) for c in crahs for q in ("supply_air_temperature_setpoint", "fan_speed_setpoint")
    ]
    actuators = {}
    for equipment, quantity in settings:
        tag = f"{equipment}.{quantity}"
        points[tag] = _point(equipment, quantity, Role.SETPOINT)
        higher = quantity in ("tcs_flow_setpoint", "fan_speed_setpoint")
        low, high = RANGES[quantity]
        actuators[tag] = Actuator(
            id=tag,
            equipment=equipment,
            quantity=quantity,
            device="bms",
            group=f"cool.{quantity}" if equipment == "chiller1" else tag,
            unit="",
            minimum=low,
            maximum=high,
            cooling=Cooling.HIGHER if higher else Cooling.LOWER,
            rate_towards_per_min=2.0,
            rate_away_per_min=0.1,
            dead_band=0.1,
            dwell_s=300.0,
            writes_per_hour=6,
            jump_towards=5.0,
            dew_point_margin_k=None,
            read_back=tag,
            tolerance=0.05,
            fallback=low,
        )
    return points, actuators


def _point(equipment: str, quantity: str, role: Role) -> Point:
    return Point(
        tag=f"{equipment}.{quantity}",
        device="bms",
        equipment=equipment,
        quantity=quantity,
        role=role,
        table=Table.NODE,
        address=f"ns=2;s={equipment}.{quantity}",
        data_type=DataType.FLOAT64,
        unit=QUANTITIES[quantity].kind.unit,
        access=Access.READ_WRITE if role is Role.SETPOINT else Access.READ,
    )


def small_history(hours: float = 48.0, seed: int = 0, noise_k: float = 0.05) -> pd.DataFrame:
    """An excited history of `small_site`: every setpoint steps at its own moments."""
    site = small_site()
    rows = round(hours * 60)
    draw = np.random.default_rng(seed)
    time_h = np.arange(rows) / 60.0
    columns: dict[str, np.ndarray] = {}
    wet = 12.0 + 4.0 * np.sin(2 * np.pi * (time_h - 9.0) / 24.0) + _wander(draw, rows, 0.02, 400)
    columns["outdoor.wet_bulb_temperature"] = wet
    columns["outdoor.dry_bulb_temperature"] = wet + 6.0
    for tag, actuator in site.actuators.items():
        columns[tag] = _steps(draw, rows, actuator.minimum, actuator.maximum)
    supply = _supplies(site, columns, draw, rows)
    for rack in site.racks.values():
        columns |= _rack_columns(rack, columns, supply, draw, rows)
    for name, values in supply.items():
        columns[name] = values
    _meters(site, columns, draw)
    for tag in columns:
        if "setpoint" not in tag and "temperature" in tag:
            columns[tag] = columns[tag] + draw.normal(0.0, noise_k, rows)
    index = pd.date_range(START, periods=rows, freq="60s")
    return pd.DataFrame(columns, index=index)


def _wander(draw: np.random.Generator, rows: int, step: float, memory: float) -> np.ndarray:
    return _lag(draw.normal(0.0, step * memory, rows), memory)


def _steps(draw: np.random.Generator, rows: int, low: float, high: float) -> np.ndarray:
    values = np.empty(rows)
    row = 0
    while row < rows:
        hold = int(draw.integers(25, 90))
        values[row : row + hold] = draw.uniform(low + 0.1 * (high - low), high)
        row += hold
    return values


def _lag(drive: np.ndarray, minutes: float) -> np.ndarray:
    answer = np.empty_like(drive)
    last = drive[0]
    keep = np.exp(-1.0 / minutes)
    for row, value in enumerate(drive):
        last = keep * last + (1.0 - keep) * value
        answer[row] = last
    return answer


def _total(columns: dict[str, np.ndarray], racks: Iterable[str]) -> np.ndarray:
    return np.asarray(np.sum([columns[f"{rack}.it_power"] for rack in racks], axis=0))


def _loads(draw: np.random.Generator, rows: int) -> np.ndarray:
    return np.clip(_steps(draw, rows, 0.2, 1.0) + draw.normal(0.0, 0.005, rows), 0.05, 1.0)


def _supplies(
    site: Site, columns: dict[str, np.ndarray], draw: np.random.Generator, rows: int
) -> dict[str, np.ndarray]:
    for rack in site.racks.values():
        columns[f"{rack.id}.it_power"] = _loads(draw, rows) * rack.rated_kw
    wet = columns["outdoor.wet_bulb_temperature"]
    liquid = sum(
        0.9 * columns[f"{r.id}.it_power"] for r in site.racks.values() if r.to_air_share < 1
    )
    total = sum(columns[f"{r.id}.it_power"] for r in site.racks.values())
    tower = np.maximum(
        columns["tower_water.cw_supply_temperature_setpoint"], wet + 2 + 4 * total / 900
    )
    tower = _lag(tower, 4.0)
    cool = _lag(columns["chiller1.chw_supply_temperature_setpoint"], 3.0)
    warm = np.maximum(columns["warm.fws_supply_temperature_setpoint"], cool + 2 + 3 * liquid / 700)
    warm = _lag(warm, 4.0)
    found = {
        "tower_water.cw_supply_temperature": tower,
        "cool.fws_supply_temperature": cool,
        "warm.fws_supply_temperature": warm,
    }
    for cdu in site.cdus:
        heat = 0.9 * _total(columns, (r.id for r in site.racks.values() if cdu in r.units))
        flow = columns[f"{cdu}.tcs_flow_setpoint"] / 16.0
        floor = warm + heat / 360.0 * (3.0 + 1.0 * flow)
        setpoint = columns[f"{cdu}.tcs_supply_temperature_setpoint"]
        found[f"{cdu}.tcs_supply_temperature"] = _lag(np.maximum(setpoint, floor), 1.2)
    for crah in site.crahs:
        floor = cool + 5.0 * (total - liquid) / len(site.crahs) / 70.0
        setpoint = columns[f"{crah}.supply_air_temperature_setpoint"]
        found[f"{crah}.supply_air_temperature"] = _lag(np.maximum(setpoint, floor), 2.0)
    return found


def _rack_columns(
    rack: Rack,
    columns: dict[str, np.ndarray],
    supply: dict[str, np.ndarray],
    draw: np.random.Generator,
    rows: int,
) -> dict[str, np.ndarray]:
    power = columns[f"{rack.id}.it_power"]
    if rack.kind is not RackKind.AIR:
        cdu = rack.units[0]
        water = supply[f"{cdu}.tcs_supply_temperature"]
        power = power * (1.0 + LEAKAGE_PER_K * (water - 30.0))
        flow = columns[f"{cdu}.tcs_flow_setpoint"] / 16.0
        resistance = draw.uniform(9, 11) + 7.0 * flow**-0.8 + 5.0 / flow
        plate = _lag(power / rack.rated_kw * resistance, 0.5)
        case = _lag(water, 0.8) + 0.6 * plate + 0.4 * _lag(plate, 3.0)
        return {f"{rack.id}.case_temperature": case, f"{rack.id}.it_power": power}
    near, far = (supply[f"{unit}.supply_air_temperature"] for unit in rack.units)
    fans = np.stack([columns[f"{unit}.fan_speed_setpoint"] / 100.0 for unit in rack.units])
    share = 0.75 * fans[0] / (0.75 * fans[0] + 0.25 * fans[1])
    mixed = share * near + (1.0 - share) * far
    load = power / rack.rated_kw
    hall = _total(columns, (f"a{i}" for i in range(AIR_RACKS))) / (20.0 * AIR_RACKS)
    air = 0.3 + 0.45 * hall
    recirculated = draw.uniform(0.03, 0.08) + 0.3 * np.maximum(0.0, air / fans.mean(axis=0) - 0.8)
    exhaust = _lag(12.0 * (0.4 + 0.4 * hall + 0.2 * load) / 0.8, 5.0)
    return {f"{rack.id}.inlet_temperature": _lag(mixed, 0.8) + recirculated * exhaust}


def _meters(site: Site, columns: dict[str, np.ndarray], draw: np.random.Generator) -> None:
    for cdu in site.cdus:
        flow = columns[f"{cdu}.tcs_flow_setpoint"] / 16.0
        columns[f"{cdu}.pump_power"] = 0.3 + 6.0 * flow**2.6
    for crah in site.crahs:
        speed = columns[f"{crah}.fan_speed_setpoint"] / 100.0
        columns[f"{crah}.fan_power"] = 0.1 + 4.0 * speed**2.8
    total = _total(columns, site.racks)
    tower, cool, warm = (
        columns[tag]
        for tag in (
            "tower_water.cw_supply_temperature",
            "cool.fws_supply_temperature",
            "warm.fws_supply_temperature",
        )
    )
    trim = 0.3 * total * np.clip(1.0 - (warm - tower) / 12.0, 0.0, 1.0)
    air = _total(columns, (f"a{i}" for i in range(AIR_RACKS)))
    lift = np.maximum(tower + 5.0 - cool, 6.0)
    columns["chiller1.power"] = (trim + air) * lift / 120.0
    approach = np.maximum(tower - columns["outdoor.wet_bulb_temperature"], 1.5)
    columns["tower1.fan_power"] = 10.0 * np.minimum(1.0, (total / 900 * 5.0 / approach) ** 2)
    columns["tower_water.pump_power"] = 3.0 + 2.0 * total / 900.0
    columns["cool.pump_power"] = 1.0 + 2.0 * (trim + air) / 250.0
    columns["warm.pump_power"] = 2.0 + 3.0 * total / 900.0
    for tag in [tag for tag in columns if tag.endswith("power") and "it_power" not in tag]:
        columns[tag] = np.maximum(columns[tag] * (1.0 + draw.normal(0, 0.01, len(total))), 0.0)


@lru_cache(maxsize=1)
def small_bundle() -> Bundle:
    """A model of the small hall, trained briefly; once a process."""
    return train(small_site(), small_history(36.0), seed=3, effort=0.3)


def small_inputs(steps: int, step_s: float, seed: int = 0) -> Inputs:
    """Random setpoints within their ranges, loads and weather, held over each step."""
    site = small_site()
    draw = np.random.default_rng(seed)
    low = np.array([members[0].minimum for members in site.groups.values()])
    high = np.array([members[0].maximum for members in site.groups.values()])
    setpoints = draw.uniform(low, high, (steps, len(low)))
    rated = np.array([rack.rated_kw for rack in site.racks.values()])
    return Inputs(
        start_s=pd.Timestamp(START).timestamp(),
        step_s=step_s,
        setpoints=setpoints,
        it_power_kw=draw.uniform(0.2, 1.0, (steps, len(rated))) * rated,
        wet_bulb_c=draw.uniform(8.0, 14.0, steps),
        dry_bulb_c=draw.uniform(14.0, 20.0, steps),
    )
