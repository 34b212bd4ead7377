"""``site.toml``: the tables of equipment, devices, tariff and gateway limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from facility.devices import Device, HandBackClass, Login, Protocol, Release, Report
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
from facility.go_no_go import GoCriteria
from facility.loading.feeds import read_feeds
from facility.loading.go_no_go import read_go_no_go
from facility.loading.problems import Problem
from facility.loading.storage import read_tank
from facility.loading.table import TableReader
from facility.loading.worst_case import read_worst_case
from facility.outside import FeedSource, Tariff
from facility.site import GatewayLimits, People
from facility.worst_case import WorstCase

FILE = "site.toml"

# ASHRAE TC 9.9, «2021 Equipment Thermal Guidelines» reference card: allowable maximum of
# inlet air, °C. H1 from the same card's high-density class.
INLET_ALLOWABLE_C = {"A1": 32.0, "A2": 35.0, "A3": 40.0, "A4": 45.0, "H1": 25.0}
INLET_RECOMMENDED_C = {"A1": 27.0, "A2": 27.0, "A3": 27.0, "A4": 27.0, "H1": 22.0}

# ASHRAE TC 9.9, the same card: facility water classes name their highest supply, °C; W+ is
# above 45 and names none.
FWS_SUPPLY_MAX_C = {"W17": 17.0, "W27": 27.0, "W32": 32.0, "W40": 40.0, "W45": 45.0, "W+": None}
# ASHRAE Guideline 36: chilled water for air handlers at most 60 °F.
AIR_COOLED_SUPPLY_MAX_C = 15.6

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Topology:
    """Everything in ``site.toml`` but the actuator rules, which need the points list."""

    id: str
    name: str
    latitude: float
    longitude: float
    elevation_m: float
    halls: Mapping[str, Hall]
    racks: Mapping[str, Rack]
    loops: Mapping[str, CoolingLoop]
    cdus: Mapping[str, CDU]
    crahs: Mapping[str, CRAH]
    chillers: Mapping[str, Chiller]
    towers: Mapping[str, Tower]
    devices: Mapping[str, Device]
    tariff: Tariff
    gateway: GatewayLimits
    people: People
    go_no_go: GoCriteria
    worst_case: WorstCase
    actuator_rules: Mapping[str, Mapping[str, Any]]
    feeds: tuple[FeedSource, ...]
    storage_tanks: Mapping[str, StorageTank]


def read_topology(data: Mapping[str, Any], problems: list[Problem]) -> Topology:
    """Read the parsed TOML; what is wrong goes to ``problems``."""
    root = TableReader(FILE, "", dict.fromkeys(data, "present"), problems)
    for name in (
        *(
            "site",
            "tariff",
            "gateway",
            "people",
            "go_no_go",
            "worst_case",
            "halls",
            "loops",
            "chillers",
        ),
        *("towers", "cdus", "crahs", "racks", "devices", "actuators", "feeds"),
        "storage_tanks",
    ):
        root.text(name, "")
    root.done()
    site = _single(data, "site", problems)
    halls = _many(data, "halls", _hall, problems)
    air_cooled = _loops_of_crahs(data)
    topology = Topology(
        id=site.text("id"),
        name=site.text("name"),
        latitude=site.number("latitude", minimum=-90, maximum=90),
        longitude=site.number("longitude", minimum=-180, maximum=180),
        elevation_m=site.number("elevation_m", 0.0, minimum=-500, maximum=6000),
        halls=halls,
        racks=_many(data, "racks", lambda reader: _rack(reader, halls), problems),
        loops=_many(data, "loops", lambda reader: _loop(reader, air_cooled), problems),
        cdus=_many(data, "cdus", _cdu, problems, needed=False),
        crahs=_many(data, "crahs", _crah, problems, needed=False),
        chillers=_many(data, "chillers", _chiller, problems, needed=False),
        towers=_many(data, "towers", _tower, problems, needed=False),
        devices=_many(data, "devices", _device, problems),
        tariff=_tariff(_single(data, "tariff", problems)),
        gateway=_gateway(_single(data, "gateway", problems, needed=False)),
        people=_people(_single(data, "people", problems, needed=False)),
        go_no_go=read_go_no_go(_single(data, "go_no_go", problems, needed=False)),
        worst_case=read_worst_case(_single(data, "worst_case", problems, needed=False)),
        actuator_rules=_rules(data, problems),
        feeds=read_feeds(data, halls, problems),
        storage_tanks=_many(data, "storage_tanks", read_tank, problems, needed=False),
    )
    site.done()
    return topology


def _single(
    data: Mapping[str, Any], name: str, problems: list[Problem], *, needed: bool = True
) -> TableReader:
    table = data.get(name)
    if table is not None and not isinstance(table, dict):
        problems.append(Problem(FILE, f"[{name}]", "", "it is not a table", f"Write [{name}]."))
        table = {}
    if table is None and needed:
        problems.append(
            Problem(FILE, f"[{name}]", "", "the table is missing", f"Add a table [{name}].")
        )
        # Its fields are not complained of one by one as well.
        return TableReader(FILE, f"[{name}]", {}, [])
    return TableReader(FILE, f"[{name}]", table or {}, problems)


def _many(
    data: Mapping[str, Any],
    name: str,
    read: Callable[[TableReader], T],
    problems: list[Problem],
    *,
    needed: bool = True,
) -> dict[str, T]:
    rows = data.get(name, [])
    if not isinstance(rows, list) or (needed and not rows):
        problems.append(
            Problem(FILE, f"[[{name}]]", "", "none is defined", f"Add a table [[{name}]].")
        )
        return {}
    found: dict[str, T] = {}
    for number, row in enumerate(rows, start=1):
        key = str(row.get("id", ""))
        reader = TableReader(FILE, f"[[{name}]] {number} ({key})", row, problems)
        item = read(reader)
        reader.done()
        if key in found:
            reader.problem("id", f"{key!r} is there twice", "Give each its own id.")
        found[key] = item
    return found


def _hall(reader: TableReader) -> Hall:
    inlet_class = reader.text("inlet_class", "A1")
    reader.known("inlet_class", inlet_class, INLET_ALLOWABLE_C, "ASHRAE air class")
    return Hall(id=reader.text("id"), name=reader.text("name", ""), inlet_class=inlet_class)


def _rack(reader: TableReader, halls: Mapping[str, Hall]) -> Rack:
    kind = reader.choice("kind", RackKind)
    hall = reader.text("hall")
    air_class = halls[hall].inlet_class if hall in halls else "A1"
    air = kind is RackKind.AIR
    breathes = kind in (RackKind.AIR, RackKind.REAR_DOOR)
    limit = INLET_ALLOWABLE_C.get(air_class) if breathes else None
    recommended = INLET_RECOMMENDED_C.get(air_class) if breathes else None
    to_air = {RackKind.AIR: 1.0, RackKind.REAR_DOOR: 0.0, RackKind.IMMERSION: 0.0}.get(kind)
    return Rack(
        id=reader.text("id"),
        hall=hall,
        kind=kind,
        rated_kw=reader.number("rated_kw", minimum=0.1, maximum=2000),
        units=reader.texts("units"),
        limit_c=reader.number("limit_c", limit, minimum=15, maximum=110),
        recommended_c=reader.number("recommended_c", recommended, minimum=10, maximum=100),
        row=reader.whole("row", 0),
        position=reader.whole("position", 0),
        design_flow_ls=(
            None if air else reader.number("design_flow_ls", minimum=0.01, maximum=100)
        ),
        to_air_share=reader.number("to_air_share", to_air, minimum=0, maximum=1),
    )


def _loops_of_crahs(data: Mapping[str, Any]) -> frozenset[str]:
    rows = data.get("crahs", [])
    rows = rows if isinstance(rows, list) else []
    return frozenset(str(row.get("loop", "")) for row in rows if isinstance(row, dict))


def _loop(reader: TableReader, air_cooled: frozenset[str]) -> CoolingLoop:
    normal = CoolingLoop("", 0.0, 0.0, 0.0, 0.0)
    loop, water_class = reader.text("id"), reader.text("fws_class", "")
    reader.known("fws_class", water_class, FWS_SUPPLY_MAX_C, "ASHRAE facility water class")
    highest = FWS_SUPPLY_MAX_C.get(water_class)
    supply_max_c = reader.number(
        "supply_max_c",
        AIR_COOLED_SUPPLY_MAX_C if highest is None and loop in air_cooled else highest,
        minimum=5,
        maximum=60,
    )
    if highest is not None and supply_max_c > highest:
        reader.problem(
            "supply_max_c",
            f"{supply_max_c:g} is above the {highest:g} of class {water_class}",
            "Mend one of the two.",
        )
    return CoolingLoop(
        id=loop,
        supply_max_c=supply_max_c,
        supply_min_c=reader.number("supply_min_c", minimum=1, maximum=40),
        rated_kw=reader.number("rated_kw", minimum=1),
        design_flow_ls=reader.number("design_flow_ls", minimum=0.1),
        trim=reader.text("trim", ""),
        fws_class=water_class,
        min_dp_kpa=reader.number("min_dp_kpa", normal.min_dp_kpa, minimum=0, maximum=1000),
        min_flow_ls=reader.optional_number("min_flow_ls", minimum=0),
        freeze_c=reader.number("freeze_c", normal.freeze_c, minimum=-40, maximum=20),
    )


def _cdu(reader: TableReader) -> CDU:
    return CDU(
        id=reader.text("id"),
        hall=reader.text("hall"),
        loop=reader.text("loop"),
        rated_kw=reader.number("rated_kw", minimum=1),
        design_tcs_flow_ls=reader.number("design_tcs_flow_ls", minimum=0.1),
        min_tcs_flow_ls=reader.number("min_tcs_flow_ls", minimum=0.01),
        tcs_supply_max_c=reader.number("tcs_supply_max_c", minimum=10, maximum=60),
    )


def _crah(reader: TableReader) -> CRAH:
    return CRAH(
        id=reader.text("id"),
        hall=reader.text("hall"),
        loop=reader.text("loop"),
        rated_kw=reader.number("rated_kw", minimum=1),
        design_air_m3s=reader.number("design_air_m3s", minimum=0.1),
    )


def _chiller(reader: TableReader) -> Chiller:
    normal = Chiller("", "", 0.0, 0.0)
    return Chiller(
        id=reader.text("id"),
        loop=reader.text("loop"),
        rated_kw=reader.number("rated_kw", minimum=1),
        rated_cop=reader.number("rated_cop", minimum=1, maximum=15),
        min_flow_ls=reader.optional_number("min_flow_ls", minimum=0),
        min_lift_k=reader.optional_number("min_lift_k", minimum=0, maximum=40),
        min_condenser_c=reader.optional_number("min_condenser_c", minimum=0, maximum=40),
        start_to_start_s=reader.number("start_to_start_s", normal.start_to_start_s, minimum=0),
        starts_in_12_h=reader.whole("starts_in_12_h", normal.starts_in_12_h, minimum=1),
        min_on_s=reader.number("min_on_s", normal.min_on_s, minimum=0),
        min_off_s=reader.number("min_off_s", normal.min_off_s, minimum=0),
    )


def _tower(reader: TableReader) -> Tower:
    return Tower(
        id=reader.text("id"),
        rated_kw=reader.number("rated_kw", minimum=1),
        rated_fan_kw=reader.number("rated_fan_kw", minimum=0.1),
    )


def _device(reader: TableReader) -> Device:
    return Device(
        id=reader.text("id"),
        protocol=reader.choice("protocol", Protocol),
        host=reader.text("host"),
        port=int(reader.number("port", minimum=1, maximum=65535)),
        hand_back=reader.choice("hand_back", HandBackClass),
        release=reader.choice("release", Release),
        unit_id=reader.whole("unit_id", 1),
        scan_s=reader.number("scan_s", 5.0, minimum=1, maximum=60),
        heartbeat_s=reader.number("heartbeat_s", 1.0, minimum=1, maximum=30),
        watchdog_s=reader.number("watchdog_s", minimum=1, maximum=3600),
        timeout_s=reader.number("timeout_s", 1.0, minimum=0.05, maximum=10),
        max_gap=reader.whole("max_gap", 0),
        max_block=reader.whole("max_block", 125, minimum=1),
        security=reader.text("security", ""),
        login=reader.choice("login", Login, Login.ANONYMOUS),
        user=reader.text("user", ""),
        request_gap_s=reader.number("request_gap_s", 0.0, minimum=0, maximum=5),
        report=reader.choice("report", Report, Report.SCAN),
    )


def _tariff(reader: TableReader) -> Tariff:
    tariff = Tariff(
        currency=reader.text("currency"),
        energy_per_kwh=reader.number("energy_per_kwh", minimum=0),
        carbon_g_per_kwh=reader.number("carbon_g_per_kwh", minimum=0),
        carbon_price_per_t=reader.number("carbon_price_per_t", 0.0, minimum=0),
        demand_per_kw_month=reader.number("demand_per_kw_month", 0.0, minimum=0),
    )
    reader.done()
    return tariff


def _gateway(reader: TableReader) -> GatewayLimits:
    normal = GatewayLimits()
    limits = GatewayLimits(
        beat_s=reader.number("beat_s", normal.beat_s, minimum=0.5, maximum=10),
        beat_timeout_s=reader.number(
            "beat_timeout_s", normal.beat_timeout_s, minimum=1, maximum=30
        ),
        plan_max_age_s=reader.number(
            "plan_max_age_s", normal.plan_max_age_s, minimum=60, maximum=7200
        ),
        stale_scans=reader.whole("stale_scans", normal.stale_scans, minimum=1),
        command_max_age_s=reader.number(
            "command_max_age_s", normal.command_max_age_s, minimum=1, maximum=600
        ),
        rearm_after_s=reader.number("rearm_after_s", normal.rearm_after_s, minimum=900),
        rearms_per_day=reader.whole("rearms_per_day", normal.rearms_per_day),
    )
    reader.done()
    return limits


TWO_PEOPLE = ("advisory", "automatic", "standing_approvals")


def _people(reader: TableReader) -> People:
    normal = People()
    two_people = reader.texts("two_people", normal.two_people)
    for what in two_people:
        reader.known("two_people", what, TWO_PEOPLE, "thing that two people may be needed for")
    people = People(
        two_people=two_people,
        own_approval=reader.flag("own_approval", normal.own_approval),
        undo_window_s=reader.number(
            "undo_window_s", normal.undo_window_s, minimum=0, maximum=86400
        ),
    )
    reader.done()
    return people


def _rules(data: Mapping[str, Any], problems: list[Problem]) -> dict[str, Mapping[str, Any]]:
    tables = data.get("actuators", {})
    if isinstance(tables, dict) and all(isinstance(row, dict) for row in tables.values()):
        return dict(tables)
    problems.append(
        Problem(FILE, "[actuators]", "", "it is not a table of tables", "Write [actuators.NAME].")
    )
    return {}
