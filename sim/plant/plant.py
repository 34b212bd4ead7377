"""A whole plant as tables: what its units are, how they stand, how they hang together."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from facility.site import Site
from sim.plant import (
    air_rack,
    cdu,
    chiller,
    crah,
    direct_to_chip,
    fws_loop,
    hall,
    immersion,
    rear_door,
    tank,
    tower,
    tower_water,
)
from sim.plant.fluids import COOLANT_KJ_LK, WATER_KJ_LK
from sim.plant.hydronics import PIPE_CELLS, PIPE_STATE, pipe_content_k
from sim.plant.layout import Array, Index, Layout, Table

ACCOUNTS = Layout(
    {
        "seconds": "length of the account, s",
        "it_kwh": "IT with its own fans, kWh",
        "chillers_kwh": "chillers, kWh",
        "towers_kwh": "tower fans and basin heaters, kWh",
        "pumps_kwh": "pumps of facility and tower water, kWh",
        "fans_kwh": "fans of CRAHs, kWh",
        "cdus_kwh": "pumps of CDUs, kWh",
        "heat_kwh": "heat into air and water: IT, pumps, fans, compressors, vapour, kWh",
        "rejected_kwh": "heat rejected by the towers, kWh",
        "throttled_kwh": "IT energy taken back by throttling, kWh",
        "violation_k_min": "degree-minutes above the racks' limits, K min",
        "peak_excess_k": "highest excess over a limit, K",
        "over_recommended_k_min": "degree-minutes above the recommended temperatures, K min",
        "peak_facility_kw": "highest power of IT and cooling together, kW",
        "peak_cooling_kw": "highest power of cooling, kW",
        "water_m3": "water evaporated, m³",
        "make_up_m3": "water fed to the towers: evaporation, drift and blow-down, m³",
    }
)

OUTDOOR = Layout(
    {
        "dry_bulb_c": "dry bulb, degC",
        "wet_bulb_c": "wet bulb, degC",
        "dew_point_c": "dew point, degC",
    }
)


class Units(NamedTuple):
    """What the units are: one table of parameters a kind, in the order of the site."""

    loops: Table
    chillers: Table
    towers: Table
    tower_water: Table
    cdus: Table
    liquid: Table
    air: Table
    doors: Table
    tanks: Table
    crahs: Table
    halls: Table
    curves: Array
    """Of the chillers, a row each (`sim.plant.chiller_curves`)."""


class Standing(NamedTuple):
    """How the units stand: one table of state a kind, and the accounts."""

    loops: Table
    chillers: Table
    towers: Table
    tower_water: Table
    cdus: Table
    liquid: Table
    air: Table
    doors: Table
    tanks: Table
    crahs: Table
    halls: Table
    outdoor: Table
    accounts: Table


class Pipes(NamedTuple):
    """Mains and hoses: parcels (units, cells) and where each ring of parcels stands."""

    supply: Array
    supply_at: Table
    back: Array
    back_at: Table
    tower: Array
    tower_at: Table
    hose_in: Array
    hose_in_at: Table
    hose_out: Array
    hose_out_at: Table
    tank: Array
    """Storage tanks, one a loop, top layer first."""


class Links(NamedTuple):
    """How units hang together: rows of other tables."""

    chiller_loop: Index
    cdu_loop: Index
    crah_loop: Index
    crah_hall: Index
    liquid_cdu: Index
    liquid_hall: Index
    liquid_load: Index
    """Column of the load, which is in the order of the site's racks."""
    air_hall: Index
    air_load: Index
    air_left: Index
    air_right: Index
    air_crah: Index
    """(racks, CRAHs of a rack), nearest first; -1 for none."""
    air_door: Index
    """Door of a rack, -1 for none."""
    door_cdu: Index
    tank_cdu: Index
    tank_hall: Index
    tank_load: Index
    air_weight: Array
    """How much of its intake each of them gives at equal fan speed; rows sum to 1."""


STATE_LAYOUTS = {
    "loops": fws_loop.STATE,
    "chillers": chiller.STATE,
    "towers": tower.STATE,
    "tower_water": tower_water.STATE,
    "cdus": cdu.STATE,
    "liquid": direct_to_chip.STATE,
    "air": air_rack.STATE,
    "doors": rear_door.STATE,
    "tanks": immersion.STATE,
    "crahs": crah.STATE,
    "halls": hall.STATE,
    "outdoor": OUTDOOR,
    "accounts": ACCOUNTS,
}
PARAMETER_LAYOUTS = {
    "loops": fws_loop.PARAMETERS,
    "chillers": chiller.PARAMETERS,
    "towers": tower.PARAMETERS,
    "tower_water": tower_water.PARAMETERS,
    "cdus": cdu.PARAMETERS,
    "liquid": direct_to_chip.PARAMETERS,
    "air": air_rack.PARAMETERS,
    "doors": rear_door.PARAMETERS,
    "tanks": immersion.PARAMETERS,
    "crahs": crah.PARAMETERS,
    "halls": hall.PARAMETERS,
}


def unit_ids(site: Site) -> dict[str, tuple[str, ...]]:
    """Ids of the units of each table, in the order of its rows."""
    return {
        "loops": tuple(loop.id for loop in fws_loop.order(site)),
        "chillers": tuple(site.chillers),
        "towers": tuple(site.towers),
        "tower_water": (fws_loop.TOWER_WATER,),
        "cdus": tuple(site.cdus),
        "liquid": tuple(direct_to_chip.racks(site)),
        "air": tuple(air_rack.racks(site)),
        "doors": tuple(rear_door.racks(site)),
        "tanks": tuple(immersion.racks(site)),
        "crahs": tuple(site.crahs),
        "halls": tuple(site.halls),
    }


NEAREST_CRAHS = 3
"""So many CRAHs reach a rack through the floor or the aisle."""
NEAREST_WEIGHTS = (0.6, 0.28, 0.12)


def links(site: Site) -> Links:
    """Who is fed by whom, from the topology of the site."""
    ids = unit_ids(site)
    row = {kind: {name: i for i, name in enumerate(names)} for kind, names in ids.items()}
    column = {name: i for i, name in enumerate(site.racks)}
    liquid, air = ids["liquid"], ids["air"]
    left, right = air_rack.neighbours(site)
    near = np.full((len(air), NEAREST_CRAHS), -1, dtype=np.int64)
    weight = np.zeros((len(air), NEAREST_CRAHS))
    for i, name in enumerate(air):
        units = () if name in row["doors"] else site.racks[name].units[:NEAREST_CRAHS]
        for j, unit in enumerate(units):
            near[i, j], weight[i, j] = row["crahs"][unit], NEAREST_WEIGHTS[j]
        weight[i] /= max(weight[i].sum(), 1e-9)
    return Links(
        chiller_loop=_index(row["loops"][c.loop] for c in site.chillers.values()),
        cdu_loop=_index(row["loops"][c.loop] for c in site.cdus.values()),
        crah_loop=_index(row["loops"][c.loop] for c in site.crahs.values()),
        crah_hall=_index(row["halls"][c.hall] for c in site.crahs.values()),
        liquid_cdu=_index(row["cdus"][site.racks[n].units[0]] for n in liquid),
        liquid_hall=_index(row["halls"][site.racks[n].hall] for n in liquid),
        liquid_load=_index(column[n] for n in liquid),
        air_hall=_index(row["halls"][site.racks[n].hall] for n in air),
        air_load=_index(column[n] for n in air),
        air_left=left,
        air_right=right,
        air_crah=near,
        air_door=_index(row["doors"].get(n, -1) for n in air),
        door_cdu=_index(row["cdus"][site.racks[n].units[0]] for n in ids["doors"]),
        tank_cdu=_index(row["cdus"][site.racks[n].units[0]] for n in ids["tanks"]),
        tank_hall=_index(row["halls"][site.racks[n].hall] for n in ids["tanks"]),
        tank_load=_index(column[n] for n in ids["tanks"]),
        air_weight=weight,
    )


def _index(values: object) -> Index:
    return np.array(list(values), dtype=np.int64)  # type: ignore[call-overload]  # an iterable of int


class Memory:
    """The state of a plant in one block of numbers, with tables as views of it."""

    def __init__(self, rows: dict[str, int]) -> None:
        self._rows = dict(rows)
        pipes = {
            "supply": rows["loops"], "back": rows["loops"], "tower": 1,
            "hose_in": rows["liquid"], "hose_out": rows["liquid"],
        }  # fmt: skip
        sizes = {
            name: (count, len(STATE_LAYOUTS[name].meaning))
            for name, count in (rows | {"outdoor": 1, "accounts": 1}).items()
        }
        for name, count in pipes.items():
            sizes[name] = (count, PIPE_CELLS)
            sizes[name + "_at"] = (count, len(PIPE_STATE.meaning))
        sizes["tank"] = (rows["loops"], tank.LAYERS)
        self.block = np.zeros(sum(a * b for a, b in sizes.values()))
        self.offset: dict[str, int] = {}
        views: dict[str, Array] = {}
        start = 0
        for name, (count, width) in sizes.items():
            self.offset[name] = start
            views[name] = self.block[start : start + count * width].reshape(count, width)
            start += count * width
        self.state = Standing(
            *(_records(views[name], STATE_LAYOUTS[name]) for name in Standing._fields)
        )
        self.pipes = Pipes(
            *(
                _records(views[name], PIPE_STATE) if name.endswith("_at") else views[name]
                for name in Pipes._fields
            )  # type: ignore[arg-type]  # tables and arrays alternate as the fields say
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Copied and pickled as its block alone: copied views would no longer be views."""
        return _remember, (self._rows, self.block.copy())

    def place(self, table: str, row: int, column: str) -> int:
        """Where in the block a quantity of a unit lies."""
        names = list(STATE_LAYOUTS[table].meaning)
        return self.offset[table] + row * len(names) + names.index(column)


def _remember(rows: dict[str, int], block: Array) -> Memory:
    memory = Memory(rows)
    memory.block[:] = block
    return memory


def _records(view: Array, layout: Layout) -> Table:
    return view.view(layout.dtype).reshape(view.shape[0])


def stored_heat_kwh(units: Units, memory: Memory) -> float:
    """Heat stored in all volumes and masses above 0 °C, kWh: for balances and comparisons."""
    s, p = memory.state, units
    kj = (s.loops["supply_c"] * p.loops["plant_kj_k"]).sum()
    litres = 1000.0 * p.loops["tank_m3"] / tank.LAYERS
    kj += (memory.pipes.tank.sum(axis=1) * litres).sum() * WATER_KJ_LK
    kj += (s.chillers["chw_supply_temperature"] * p.chillers["evaporator_kj_k"]).sum()
    kj += (s.chillers["condenser_c"] * p.chillers["condenser_kj_k"]).sum()
    kj += (s.tower_water["supply_c"] * p.tower_water["basin_kj_k"]).sum()
    kj += (s.cdus["supply_c"] * p.cdus["supply_kj_k"]).sum()
    kj += (s.cdus["return_c"] * p.cdus["return_kj_k"]).sum()
    for node, mass in (("die_c", "die_kj_k"), ("case_c", "plate_kj_k"),
                       ("coolant_c", "coolant_kj_k")):  # fmt: skip
        kj += (s.liquid[node] * p.liquid[mass]).sum()
    kj += (s.air["inlet_c"] * p.air["inlet_kj_k"]).sum()
    kj += (s.air["outlet_c"] * p.air["server_kj_k"]).sum()
    kj += (s.doors["return_c"] * p.doors["water_kj_k"]).sum()
    kj += (s.tanks["chip_c"] * p.tanks["chip_kj_k"]).sum()
    kj += (s.tanks["bath_c"] * p.tanks["bath_kj_k"]).sum()
    kj += (s.crahs["supply_c"] * p.crahs["coil_kj_k"]).sum()
    kj += (s.halls["return_c"] * p.halls["air_kj_k"]).sum()
    pipes = memory.pipes
    for cells, at, parcels, kj_lk in (
        (pipes.supply, pipes.supply_at, p.loops["parcel_l"], WATER_KJ_LK),
        (pipes.back, pipes.back_at, p.loops["parcel_l"], WATER_KJ_LK),
        (pipes.tower, pipes.tower_at, p.tower_water["parcel_l"], WATER_KJ_LK),
        (pipes.hose_in, pipes.hose_in_at, p.liquid["parcel_l"], COOLANT_KJ_LK),
        (pipes.hose_out, pipes.hose_out_at, p.liquid["parcel_l"], COOLANT_KJ_LK),
    ):
        for i in range(cells.shape[0]):
            kj += pipe_content_k(cells[i], at[i]) * parcels[i] * kj_lk
    return float(kj) / 3600.0
