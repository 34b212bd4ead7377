"""A third site for tests: small, and with every kind of rack that a site may have."""

from __future__ import annotations

import dataclasses

from facility.loading import parse_site
from facility.site import CRAH, Chiller, CoolingLoop, Hall, Rack, RackKind, Site, Tower
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
