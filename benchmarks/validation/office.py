"""The same plant in two languages: an EnergyPlus input, and a site of ours.

The chillers are those of ASHRAE 90.1-2019's large office (two of 999 kW, COP 5.33, curve set
WC_PD_2010 of the prototype model that ships with EnergyPlus), which cool its data centres. The
building is left out: a load profile stands for its computers, as in EnergyPlus' own examples.
Towers are two cells of the YorkCalc model at the CTI rating, the economiser a plate exchanger in
series before the chillers. What only one of the two models knows is set so that it does nothing:
leakage, fouling and the few percent by which a drawn unit is off its nameplate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facility.equipment import CDU, Chiller, CoolingLoop, Hall, Rack, RackKind, Tower
from facility.loading import parse_site
from facility.site import Site
from sim.parameters import PlantParameters
from sim.plant.chiller_curves import SETS
from sim.plant.fluids import WATER_KJ_LK
from sim.sites.reference import Design
from sim.sites.writer import texts

CURVES = SETS["ashrae_901_office_large"]
CHILLER_KW = 999.07
CHILLER_COP = 5.33
CHILLERS = 2
CELL_KW = 1300.0
CELL_FAN_KW = 18.0
CELLS = 2
LOOP_KW = 1800.0
LOOP_RANGE_K = 8.0
MIN_PART_LOAD = 0.1
"""Of the prototype's chillers: least part load and least unloading."""
MIN_FAN_SPEED = 0.2
"""The least that EnergyPlus lets a variable-speed tower have."""
CELL_MIN_SHARE = 0.05
"""Least water over a cell: so little that both models keep both cells wet at all times."""
RACKS = 6

DAY_SHARE = np.array(
    [
        0.33, 0.31, 0.30, 0.30, 0.32, 0.36, 0.58, 0.66, 0.72, 0.78, 0.84, 0.90,
        0.94, 0.97, 1.00, 0.98, 0.93, 0.88, 0.80, 0.70, 0.62, 0.38, 0.36, 0.34,
    ]
)  # fmt: skip
"""Load by the hour (local standard time) over `LOOP_KW`: one chiller by night, two by day."""


@dataclass(frozen=True, slots=True)
class Season:
    """Days to run, and the setpoints that hold in them."""

    name: str
    month: int
    day: int
    days: int
    chw_c: float
    cw_c: float
    economiser: bool
    """Whether it is a season of the economiser: at most one chiller helps it."""


SEASONS = (
    Season("summer", 7, 8, 3, 7.0, 24.0, False),
    Season("winter", 1, 22, 3, 12.0, 8.0, True),
)


@dataclass(frozen=True, slots=True)
class Plant:
    """Our side: the site, its parameters, and what EnergyPlus has to be told of them."""

    site: Site
    parameters: PlantParameters
    condenser_ls: float
    cell_ls: float
    loop_ls: float
    exchanger_kw_k: float
    exchanger_ls: float
    fan_exponent: float


def design(season: Season) -> Design:
    """The office's plant as a design of ours: six racks on two CDUs stand for its computers."""
    hall = Hall("hall1", "Office data centre", "A2")
    rated = LOOP_KW / RACKS
    flow = rated * 1.35 / 60.0
    racks = tuple(
        Rack(
            id=f"r{i + 1}",
            hall=hall.id,
            kind=RackKind.DIRECT_TO_CHIP,
            rated_kw=rated,
            units=(f"cdu{1 + i // 3}",),
            limit_c=80.0,
            recommended_c=72.0,
            row=0,
            position=i,
            design_flow_ls=round(flow, 3),
            to_air_share=0.0,
        )
        for i in range(RACKS)
    )
    return Design(
        id="office",
        name="Plant of a large office after ASHRAE 90.1, 2 MW",
        latitude=38.98,
        longitude=-77.47,
        elevation_m=82.0,
        halls=(hall,),
        racks=racks,
        loops=(CoolingLoop("cool", 18.0, 5.0, LOOP_KW, LOOP_KW / (WATER_KJ_LK * LOOP_RANGE_K)),),
        cdus=tuple(
            CDU(
                id=f"cdu{i}",
                hall=hall.id,
                loop="cool",
                rated_kw=LOOP_KW / 2,
                design_tcs_flow_ls=round(3 * flow, 2),
                min_tcs_flow_ls=round(1.35 * flow, 2),
                tcs_supply_max_c=40.0,
            )
            for i in (1, 2)
        ),
        crahs=(),
        chillers=tuple(
            Chiller(f"chiller{i + 1}", "cool", CHILLER_KW, CHILLER_COP) for i in range(CHILLERS)
        ),
        towers=tuple(Tower(f"tower{i + 1}", CELL_KW, CELL_FAN_KW) for i in range(CELLS)),
        tcs_range_c=(10.0, 40.0),
        warm_range_c=(15.0, 36.0),
        chw_range_c=(5.0, 18.0),
        cw_range_c=(4.0, 32.0),
        fixed_c={
            "chw_supply_temperature_setpoint": season.chw_c,
            "cw_supply_temperature_setpoint": season.cw_c,
            "tcs_supply_temperature_setpoint": season.chw_c + 9.0,
        },
        jumping=frozenset(),
    )


def plant(season: Season) -> Plant:
    """The site and its parameters, every unit exactly its nameplate."""
    files = dict(texts(design(season), 15_000))
    # The writer knows the two loops of the reference sites; an office has one.
    points = "".join(
        line for line in files["points.csv"].splitlines(keepends=True) if ",warm," not in line
    )
    site = parse_site(files["site.toml"], points)
    parameters = PlantParameters.for_site(site, 1)
    units = parameters.units
    units.curves[:] = CURVES.numbers()
    units.chillers["cop"] = CHILLER_COP
    units.chillers["fouling_k"] = 0.0
    units.chillers["min_part_load"] = MIN_PART_LOAD
    units.towers["quality"] = 1.0
    units.towers["min_speed"] = MIN_FAN_SPEED
    units.towers["min_ls"] = CELL_MIN_SHARE * units.towers["design_ls"]
    units.loops["tower_fouling"] = 0.0
    units.cdus["fouling"] = 0.0
    units.liquid["leak_share"] = 0.0
    loop, cell, machine = units.loops[0], units.towers[0], units.chillers[0]
    return Plant(
        site=site,
        parameters=parameters,
        condenser_ls=float(machine["condenser_design_ls"]),
        cell_ls=float(cell["design_ls"]),
        loop_ls=float(loop["design_ls"]),
        exchanger_kw_k=float(loop["tower_ua_kw_k"]),
        exchanger_ls=float(loop["tower_water_ls"]),
        fan_exponent=float(cell["fan_exponent"]),
    )
