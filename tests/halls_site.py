"""A third site for tests: small, and with every kind of rack that a site may have."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from facility.equipment import CRAH, Chiller, CoolingLoop, Hall, Rack, RackKind, Tower
from facility.loading import parse_site
from facility.site import Site
from models.layout import layout_of
from sim.sites.reference import Design, campus, cooling_unit
from sim.sites.writer import texts

LS_PER_KW = 1.35 / 60.0


def laboratory_design() -> Design:
    """Three halls: 12 cabinets of 5 kW on 2 CRAHs; 6 rear doors; 4 tanks and 4 chip-cooled racks.

    The hall of the rear doors has nothing else that cools its air.
    """
    halls = (Hall("air", "Cabinets", "A2"), Hall("doors", "Rear doors", "A2"),
             Hall("wet", "Tanks and plates", "A2"))  # fmt: skip
    crahs = tuple(CRAH(f"crah{i}", "air", "cool", 60.0, 4.4) for i in (1, 2))
    racks = (
        *(
            Rack(f"c{i:02d}", "air", RackKind.AIR, 5.0, ("crah1", "crah2"), 35.0, 27.0,
                 i // 6, i % 6)
            for i in range(12)
        ),
        *(_wet(f"d{i}", "doors", RackKind.REAR_DOOR, 30.0, "cdu1", 35.0, 27.0, i)
          for i in range(6)),
        *(_wet(f"t{i}", "wet", RackKind.IMMERSION, 100.0, "cdu2", 60.0, 50.0, i)
          for i in range(4)),
        *(_wet(f"p{i}", "wet", RackKind.DIRECT_TO_CHIP, 100.0, "cdu2", 80.0, 72.0, i)
          for i in range(4)),
    )  # fmt: skip
    return dataclasses.replace(
        campus(),
        id="laboratory",
        name="Laboratory of every kind of rack",
        halls=halls,
        racks=racks,
        crahs=crahs,
        cdus=(
            cooling_unit("cdu1", "doors", racks, 200.0, 40.0),
            cooling_unit("cdu2", "wet", racks, 850.0, 40.0),
        ),
        loops=(
            CoolingLoop("cool", 20.0, 7.0, 1000.0, 32.0),
            CoolingLoop("warm", 40.0, 15.0, 1050.0, 34.0, trim="cool"),
        ),
        chillers=tuple(Chiller(f"chiller{i}", "cool", 600.0, 6.8) for i in (1, 2)),
        towers=tuple(Tower(f"tower{i}", 1000.0, 11.0) for i in (1, 2)),
        fixed_c=campus().fixed_c
        | {"tcs_supply_temperature_setpoint": 20.0, "fws_supply_temperature_setpoint": 16.0},
        jumping=frozenset(),
    )


def _wet(
    name: str, hall: str, kind: RackKind, rated_kw: float, cdu: str, limit_c: float,
    recommended_c: float, position: int,
) -> Rack:  # fmt: skip
    return Rack(
        name, hall, kind, rated_kw, (cdu,), limit_c, recommended_c, 5, position,
        design_flow_ls=round(rated_kw * LS_PER_KW, 3), to_air_share=0.0,
    )  # fmt: skip


def laboratory() -> Site:
    """The site, read from its files as any site is."""
    files = dict(texts(laboratory_design(), 15_000))
    return parse_site(files["site.toml"], files["points.csv"])


def laboratory_history(hours: float, seed: int = 0) -> pd.DataFrame:
    """A made-up record of the laboratory: setpoints that step, loads that step, and what follows.

    Arithmetic, not the simulator: quick, and nothing is learned from it but that commands work.
    """
    site, rows, draw = laboratory(), round(hours * 60.0), np.random.default_rng(seed)

    def steps(low: float, high: float, every: int) -> np.ndarray:
        return np.repeat(draw.uniform(low, high, rows // every + 1), every)[:rows]

    def lagged(values: np.ndarray) -> np.ndarray:
        found = values.copy()
        for row in range(1, rows):
            found[row] = found[row - 1] + 0.5 * (values[row] - found[row - 1])
        return found

    columns: dict[str, np.ndarray] = {}
    for members in site.groups.values():
        level = steps(members[0].minimum, members[0].maximum, int(draw.integers(30, 60)))
        columns |= {tag: level for own in members for tag in (own.id, own.read_back)}
    wet = 10.0 + 6.0 * np.sin(np.arange(rows) / 230.0)
    columns |= dict.fromkeys(site.tags("wet_bulb_temperature"), wet)
    columns |= dict.fromkeys(site.tags("dry_bulb_temperature"), wet + 5.0)
    layout = layout_of(site)
    supply: dict[str, np.ndarray] = {}
    for node in layout.nodes:
        group = layout.groups[node.setpoint] if node.setpoint >= 0 else None
        asked = columns[site.groups[group][0].read_back] if group else wet + 6.0
        supply[node.id] = lagged(asked)
        if node.tag:
            columns[node.tag] = supply[node.id]
    heat_kw = np.zeros(rows)
    for rack in site.racks.values():
        load = steps(0.3, 1.0, int(draw.integers(20, 50)))
        power, limited = site.tag(rack.id, "it_power"), site.tag(rack.id, rack.limited_temperature)
        rise = lagged(12.0 * load)
        columns[str(power)] = load * rack.rated_kw
        heat_kw = heat_kw + load * rack.rated_kw
        columns[str(limited)] = supply[rack.units[0]] + rise + draw.normal(0.0, 0.05, rows)
    for point in site.points.values():
        if point.quantity in ("power", "fan_power", "pump_power"):
            columns[point.tag] = 20.0 + 5.0 * heat_kw / heat_kw.max() + draw.normal(0.0, 0.2, rows)
    index = pd.date_range("2026-03-02", periods=rows, freq="60s", tz="UTC", name="time")
    return pd.DataFrame(columns, index=index)
