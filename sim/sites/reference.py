"""The reference sites as data: `campus` and `frontier`.

Beside them `campus-stages`, whose sequencer takes requests, and `campus-storage`, with a tank.

Every figure is a nameplate or a design choice of an engineer, with its source; what
only the simulator knows (curves, leakage, fouling) is in ``plant.toml``.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from facility.equipment import (
    CDU,
    CRAH,
    Chiller,
    CoolingLoop,
    Hall,
    Rack,
    RackKind,
    StorageTank,
    Tower,
)

# Coolant at design: 1.35 L/min for each kW, within the 1.0 to 1.5 of CDU check lists.
TCS_LS_PER_KW = 1.35 / 60.0
# Turn-down of a CDU's secondary flow: its vendor's minimum, here 45 % of design.
TCS_TURN_DOWN = 0.45
WATER_KJ_LK = 4.17
"""Heat that a litre of water carries, kJ/K, at 25 °C."""
CASE_LIMIT_C = 80.0
CASE_DESIGN_C = 72.0


@dataclass(frozen=True, slots=True)
class Design:
    """A reference site before it is written to files."""

    id: str
    name: str
    latitude: float
    longitude: float
    elevation_m: float
    halls: tuple[Hall, ...]
    racks: tuple[Rack, ...]
    loops: tuple[CoolingLoop, ...]
    cdus: tuple[CDU, ...]
    crahs: tuple[CRAH, ...]
    chillers: tuple[Chiller, ...]
    towers: tuple[Tower, ...]
    tcs_range_c: tuple[float, float]
    warm_range_c: tuple[float, float]
    chw_range_c: tuple[float, float]
    cw_range_c: tuple[float, float]
    fixed_c: dict[str, float]
    """Setpoints of the plant's fixed control, by quantity."""
    jumping: frozenset[str]
    """Devices that jump on release instead of ramping."""
    staged: tuple[str, ...] = ()
    """Loops whose sequencer takes stage requests."""
    storage_tanks: tuple[StorageTank, ...] = ()


def campus() -> Design:
    """One hall of 6.6 MW: 60 air-cooled racks on 6 CRAHs, 40 direct-to-chip racks on 4 CDUs."""
    choose = random.Random("isotherm campus")
    hall = Hall("hall1", "Hall 1", "A2")
    crahs = tuple(CRAH(f"crah{i}", hall.id, "cool", 300.0, 21.0) for i in range(1, 7))
    air = tuple(
        _air_rack(i, round(choose.uniform(8.0, 22.0), 1), tuple(c.id for c in crahs))
        for i in range(60)
    )
    liquid = tuple(
        _liquid_rack(
            f"d{i // 10 + 1}{i % 10 + 1:02d}",
            hall.id,
            f"cdu{i // 10 + 1}",
            float(choose.choice((80, 96, 112, 120, 132, 132))),
            row=4 + i // 10,
            position=i % 10,
            to_air_share=0.1,
        )
        for i in range(40)
    )
    return Design(
        id="campus",
        name="Campus reference hall, 6.6 MW, air and direct-to-chip",
        latitude=39.078,
        longitude=-77.558,
        elevation_m=119.0,
        halls=(hall,),
        racks=(*air, *liquid),
        loops=(
            CoolingLoop("cool", 20.0, 7.0, 7200.0, 230.0),
            CoolingLoop("warm", 40.0, 15.0, 5280.0, 150.0, trim="cool", fws_class="W40"),
        ),
        cdus=tuple(cooling_unit(f"cdu{i}", hall.id, liquid, 1350.0, 40.0) for i in range(1, 5)),
        crahs=crahs,
        chillers=tuple(_chiller(f"chiller{i}", 3600.0) for i in range(1, 4)),
        towers=tuple(Tower(f"tower{i}", 4200.0, 45.0) for i in range(1, 4)),
        tcs_range_c=(18.0, 40.0),
        warm_range_c=(15.0, 36.0),
        chw_range_c=(7.0, 18.0),
        cw_range_c=(12.0, 32.0),
        fixed_c={
            "chw_supply_temperature_setpoint": 10.0,
            "fws_supply_temperature_setpoint": 20.0,
            "cw_supply_temperature_setpoint": 24.0,
            "tcs_supply_temperature_setpoint": 25.0,
            "supply_air_temperature_setpoint": 20.0,
            "fan_speed_setpoint": 85.0,
        },
        jumping=frozenset({"cdu4"}),
    )


def frontier() -> Design:
    """25 CDUs of three racks each, after the Frontier supercomputer: warm water, towers first.

    The measured heat of a CDU peaks at 1.07 MW, of all at 26.6 MW (HPE sustain-lc).
    """
    hall = Hall("hall1", "Frontier hall", "A2")
    names = tuple(f"cdu{i:02d}" for i in range(1, 26))
    racks = tuple(
        _liquid_rack(
            f"r{cdu[3:]}{'abc'[i]}",
            hall.id,
            cdu,
            370.0,
            row=(number // 5),
            position=(number % 5) * 3 + i,
            to_air_share=0.0,
        )
        for number, cdu in enumerate(names)
        for i in range(3)
    )
    return Design(
        id="frontier",
        name="Frontier reference hall, 27.8 MW, direct-to-chip",
        latitude=39.078,
        longitude=-77.558,
        elevation_m=119.0,
        halls=(hall,),
        racks=racks,
        loops=(
            CoolingLoop("cool", 22.0, 8.0, 13500.0, 420.0),
            CoolingLoop("warm", 40.0, 15.0, 27750.0, 800.0, trim="cool", fws_class="W40"),
        ),
        cdus=tuple(cooling_unit(name, hall.id, racks, 1200.0, 40.0) for name in names),
        crahs=(),
        chillers=tuple(_chiller(f"chiller{i}", 4500.0) for i in range(1, 4)),
        towers=tuple(Tower(f"tower{i}", 6500.0, 75.0) for i in range(1, 7)),
        tcs_range_c=(20.0, 40.0),
        warm_range_c=(15.0, 36.0),
        chw_range_c=(8.0, 20.0),
        cw_range_c=(12.0, 32.0),
        fixed_c={
            "chw_supply_temperature_setpoint": 12.0,
            "fws_supply_temperature_setpoint": 20.0,
            "cw_supply_temperature_setpoint": 16.0,
            "tcs_supply_temperature_setpoint": 25.0,
        },
        jumping=frozenset({"cdu24", "cdu25"}),
    )


def campus_stages() -> Design:
    """The campus with five chillers of half the size, whose sequencer takes stage requests.

    One more than its loop's rating needs, as there; but where one of three is enough for most of
    the year, here there is a choice of one, two or three.
    """
    return replace(
        campus(),
        id="campus-stages",
        name="Campus reference hall, 6.6 MW, five chillers staged on request",
        chillers=tuple(_chiller(f"chiller{i}", 1800.0) for i in range(1, 6)),
        staged=("cool",),
    )


def campus_storage() -> Design:
    """The campus with a tank of chilled water on its cool loop.

    250 m³ hold 2.2 MWh of cold over the loop's design range of 7.5 K: 2.8 hours at full flow, which
    is about what the air-cooled racks and the hall's air take at 60 % of load. A quarter is kept
    for the minutes that chillers need to come back after a blip.
    """
    return replace(
        campus(),
        id="campus-storage",
        name="Campus reference hall, 6.6 MW, with a chilled-water tank",
        storage_tanks=(StorageTank("tank1", "cool", 250.0, 25.0, 25.0),),
    )


DESIGNS: dict[str, Callable[[], Design]] = {
    "campus": campus,
    "frontier": frontier,
    "campus-stages": campus_stages,
    "campus-storage": campus_storage,
}
"""The reference sites by name."""


def _air_rack(number: int, rated_kw: float, crahs: tuple[str, ...]) -> Rack:
    # 20 racks a row; a rack names its CRAHs nearest first: two stand at each end of a third
    # of the row.
    row, position = divmod(number, 20)
    nearest = sorted(range(len(crahs)), key=lambda i: (abs(i * 20 / 5 - position), i))
    return Rack(
        id=f"a{row + 1}{position + 1:02d}",
        hall="hall1",
        kind=RackKind.AIR,
        rated_kw=rated_kw,
        units=tuple(crahs[i] for i in nearest),
        limit_c=35.0,
        recommended_c=27.0,
        row=row,
        position=position,
    )


def _liquid_rack(
    name: str, hall: str, cdu: str, rated_kw: float, *, row: int, position: int, to_air_share: float
) -> Rack:
    return Rack(
        id=name,
        hall=hall,
        kind=RackKind.DIRECT_TO_CHIP,
        rated_kw=rated_kw,
        units=(cdu,),
        limit_c=CASE_LIMIT_C,
        recommended_c=CASE_DESIGN_C,
        row=row,
        position=position,
        design_flow_ls=round(rated_kw * (1.0 - to_air_share) * TCS_LS_PER_KW, 3),
        to_air_share=to_air_share,
    )


def _chiller(name: str, rated_kw: float) -> Chiller:
    """A centrifugal on a variable-speed drive, with the limits of its nameplate.

    Least water through the evaporator is 40 % of a design range of 7 K. Local control keeps 8 K
    of lift where it can; the machine itself needs half of that.
    """
    return Chiller(
        id=name,
        loop="cool",
        rated_kw=rated_kw,
        rated_cop=6.8,
        min_flow_ls=round(0.4 * rated_kw / (WATER_KJ_LK * 7.0), 1),
        min_lift_k=4.0,
        min_condenser_c=12.0,
    )


def cooling_unit(
    name: str, hall: str, racks: tuple[Rack, ...], rated_kw: float, max_c: float
) -> CDU:
    """A CDU for the racks that name it; flows from theirs."""
    flow = sum(rack.design_flow_ls or 0.0 for rack in racks if rack.units == (name,))
    return CDU(
        id=name,
        hall=hall,
        loop="warm",
        rated_kw=rated_kw,
        design_tcs_flow_ls=round(flow, 2),
        min_tcs_flow_ls=round(flow * TCS_TURN_DOWN, 2),
        tcs_supply_max_c=max_c,
    )
