"""A small hall for tests of the envelope: two CDU setpoints on Modbus, a CRAH's on OPC UA."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from facility.commands import Command, Decision, Mode, Move, Origin, Override
from facility.devices import Actuator, Cooling, Device, HandBackClass, Protocol, Release
from facility.equipment import CDU, CRAH, Chiller, CoolingLoop, Hall, Rack, RackKind
from facility.outside import Tariff
from facility.points import Access, DataType, Point, Role, Table
from facility.site import GatewayLimits, Site
from facility.telemetry import Authority, DeviceStatus, Quality, Reading, Snapshot
from facility.worst_case import WorstCase
from safety import backup_held
from safety.backup import Backup
from safety.envelope import Envelope
from safety.interlocks import Conditions
from safety.limits import limits_of
from safety.sightings import Sightings
from safety.state import EnvelopeState

NOW_S = 1_712_448_000.0
"""2024-04-07T00:00:00Z."""
TEMPERATURE = "cdu_1.tcs_supply_temperature_setpoint"
FLOW = "cdu_1.tcs_flow_setpoint"
AIR = "crah_1.supply_air_temperature_setpoint"
CHILLED = "ch_1.chw_supply_temperature_setpoint"
LEAK, MEASURED_FLOW, SUPPLY = "cdu_1.leak", "cdu_1.tcs_flow", "cdu_1.tcs_supply_temperature"
DEW_POINTS = ("hall.dew_point_temperature", "crah_1.dew_point_temperature")
READ_BACKS = {TEMPERATURE: 30.0, FLOW: 20.0, AIR: 22.0, CHILLED: 18.0}
PLAN = "plan-1"
NO_WORST_CASE = backup_held.WorstCase(Backup(), lambda _: (), None)
AT_ONCE = WorstCase(idle_share=1.0, rest_c=15.0, coil_approach_k=0.5, recirculation=0.0)
"""A plant that answers at once: for tests of everything but the worst case."""


def point(tag: str, device: str, data_type: DataType = DataType.FLOAT64, **more: Any) -> Point:
    equipment, quantity = tag.split(".")
    modbus = device == "cdu_1"
    setpoint = quantity.endswith("_setpoint")
    values: dict[str, Any] = {
        "tag": tag,
        "device": device,
        "equipment": equipment,
        "quantity": quantity,
        "role": Role.SETPOINT if setpoint else Role.SENSOR,
        "table": Table.HOLDING if modbus else Table.NODE,
        "address": "100" if modbus else f"ns=2;s={tag}",
        "data_type": data_type,
        "unit": "L/s" if "flow" in quantity else "state" if quantity == "leak" else "degC",
        "access": Access.READ_WRITE if setpoint else Access.READ,
    }
    return Point(**(values | more))


def read_back(actuator: str) -> str:
    return actuator.replace("_setpoint", "_active")


def actuator(id_: str, device: str, **more: Any) -> Actuator:
    equipment, quantity = id_.split(".")
    flow = "flow" in quantity
    values: dict[str, Any] = {
        "id": id_,
        "equipment": equipment,
        "quantity": quantity,
        "device": device,
        "group": id_,
        "unit": "L/s" if flow else "degC",
        "minimum": 8.0 if flow else 20.0,
        "maximum": 40.0 if flow else 42.0,
        "cooling": Cooling.HIGHER if flow else Cooling.LOWER,
        "rate_towards_per_min": 4.0 if flow else 2.0,
        "rate_away_per_min": 1.0 if flow else 0.1,
        "dead_band": 0.2,
        "dwell_s": 300.0,
        "writes_per_hour": 6,
        "jump_towards": 5.0,
        "dew_point_margin_k": None,
        "read_back": read_back(id_),
        "tolerance": 0.05,
        "fallback": 20.0 if flow else 30.0,
    }
    return Actuator(**(values | more))


ACTUATORS = (
    actuator(TEMPERATURE, "cdu_1", dew_point_margin_k=3.0),
    actuator(FLOW, "cdu_1"),
    actuator(AIR, "crah_1", minimum=18.0, maximum=27.0, fallback=20.0),
    actuator(CHILLED, "ch_1", minimum=10.0, maximum=20.0, fallback=15.0),
)


def points() -> tuple[Point, ...]:
    tenth: dict[str, Any] = {"data_type": DataType.INT16, "scale": 0.1}
    return (
        point(TEMPERATURE, "cdu_1", **tenth),
        point(FLOW, "cdu_1", DataType.UINT16, scale=0.01),
        point(AIR, "crah_1"),
        point(CHILLED, "ch_1", DataType.FLOAT32),
        *(point(read_back(each.id), each.device) for each in ACTUATORS),
        point(LEAK, "cdu_1"),
        point(MEASURED_FLOW, "cdu_1"),
        point(SUPPLY, "cdu_1"),
        *(point(tag, "crah_1") for tag in DEW_POINTS),
        *(point(f"{rack}.case_temperature", "crah_1") for rack in ("r1", "r2")),
        point("r3.inlet_temperature", "crah_1"),
    )


def device(name: str, **more: Any) -> Device:
    values: dict[str, Any] = {
        "id": name,
        "protocol": Protocol.MODBUS if name == "cdu_1" else Protocol.OPCUA,
        "host": "127.0.0.1",
        "port": 502,
        "hand_back": HandBackClass.LIQUID,
        "release": Release.RAMP,
    }
    return Device(**(values | more))


def rack(name: str, kind: RackKind, *units: str) -> Rack:
    limit_c = 32.0 if kind is RackKind.AIR else 75.0
    return Rack(name, "hall", kind, 100.0, units, limit_c, limit_c - 5.0, 1, 1)


def site(**changes: Any) -> Site:
    """The hall; ``actuators``, ``points`` and ``devices`` are sequences that replace by id."""
    liquid = RackKind.DIRECT_TO_CHIP
    values: dict[str, Any] = {
        "id": "small",
        "name": "A small hall",
        "latitude": 39.0,
        "longitude": -77.5,
        "elevation_m": 100.0,
        "halls": {"hall": Hall("hall", "Hall", "A2")},
        "racks": {
            "r1": rack("r1", liquid, "cdu_1"),
            "r2": rack("r2", liquid, "cdu_1"),
            "r3": rack("r3", RackKind.AIR, "crah_1"),
        },
        "loops": {
            "cool": CoolingLoop("cool", 22.0, 8.0, 1000.0, 40.0),
            "warm": CoolingLoop("warm", 40.0, 20.0, 1000.0, 40.0, trim="cool"),
        },
        "cdus": {"cdu_1": CDU("cdu_1", "hall", "warm", 500.0, 25.0, 10.0, 40.0)},
        "crahs": {"crah_1": CRAH("crah_1", "hall", "cool", 100.0, 8.0)},
        "chillers": {"ch_1": Chiller("ch_1", "cool", 1000.0, 6.0)},
        "towers": {},
        "devices": {name: device(name) for name in ("cdu_1", "crah_1", "ch_1")},
        "points": {each.tag: each for each in points()},
        "actuators": {each.id: each for each in ACTUATORS},
        "tariff": Tariff("EUR", 0.1, 300.0, 0.0, 0.0),
        "gateway": GatewayLimits(),
        "worst_case": AT_ONCE,
        "source": {"site.toml": "0" * 64},
    }
    for field, key in (("actuators", "id"), ("points", "tag"), ("devices", "id")):
        for each in changes.pop(field, ()):
            values[field] = {**values[field], getattr(each, key): each}
    return Site(**(values | changes))


def envelope(**changes: Any) -> Envelope:
    return Envelope(limits_of(site(**changes)))


def reading(value: float | None, now_s: float = NOW_S, quality: Quality = Quality.GOOD) -> Reading:
    return Reading(value, quality, now_s)


QUIET: dict[str, float] = {
    **{read_back(name): value for name, value in READ_BACKS.items()},
    LEAK: 0.0,
    MEASURED_FLOW: 20.0,
    SUPPLY: 30.0,
    DEW_POINTS[0]: 12.0,
    DEW_POINTS[1]: 14.0,
    "r1.case_temperature": 60.0,
    "r2.case_temperature": 62.0,
    "r3.inlet_temperature": 24.0,
}
"""A good day: nothing near a limit, worst dew point 14 °C."""


def telemetry(
    changes: Mapping[str, float | Reading | None] | None = None,
    *,
    now_s: float = NOW_S,
    mode: Mode = Mode.AUTOMATIC,
    armed: bool = True,
    connected: bool = True,
    authority: Authority = Authority.REMOTE,
) -> Snapshot:
    """A quiet snapshot with some readings replaced; None takes a reading out."""
    readings: dict[str, Reading] = {tag: reading(value, now_s) for tag, value in QUIET.items()}
    for tag, value in (changes or {}).items():
        if value is None:
            del readings[tag]
        else:
            readings[tag] = value if isinstance(value, Reading) else reading(value, now_s)
    held = authority if armed else Authority.LOCAL
    return Snapshot(
        time_s=now_s,
        readings=readings,
        devices={
            name: DeviceStatus(name, connected, held, armed, now_s, 2.0)
            for name in ("cdu_1", "crah_1", "ch_1")
        },
        modes={each.id: mode for each in ACTUATORS},
    )


def decision(*moves: Move, **more: Any) -> Decision:
    values: dict[str, Any] = {
        "id": "decision-1",
        "proposal": "proposal-1",
        "plan_hash": PLAN,
        "origin": Origin.OPTIMISER,
        "who": "automatic",
        "why": "",
        "moves": moves,
        "decided_at_s": NOW_S - 1.0,
        "expires_at_s": NOW_S + 1e6,
    }
    return Decision(**(values | more))


def wide_decision(origin: Origin = Origin.OPTIMISER, id_: str = "wide") -> Decision:
    """Covers every value of every actuator: for tests of everything but authority."""
    moves = tuple(Move(each.id, -1000.0, 1000.0) for each in ACTUATORS)
    return decision(*moves, id=id_, origin=origin)


def command(value: float, on: str = TEMPERATURE, **more: Any) -> Command:
    values: dict[str, Any] = {
        "id": "command-1",
        "actuator": on,
        "value": value,
        "origin": Origin.OPTIMISER,
        "authority": "wide",
        "plan_hash": PLAN,
        "issued_at_s": NOW_S,
        "expires_at_s": NOW_S + 60.0,
    }
    return Command(**(values | more))


def command_at(now_s: float, value: float, on: str = TEMPERATURE, **more: Any) -> Command:
    return command(value, on, **({"issued_at_s": now_s, "expires_at_s": now_s + 60.0} | more))


def override(value: float, on: str = TEMPERATURE, **more: Any) -> Override:
    values: dict[str, Any] = {
        "id": "override-1",
        "actuator": on,
        "value": value,
        "who": "ada",
        "why": "trying",
        "starts_at_s": NOW_S - 1.0,
        "expires_at_s": NOW_S + 3600.0,
    }
    return Override(**(values | more))


def holding(
    gate: Envelope, changes: Mapping[str, float | Reading | None] | None = None, **more: Any
) -> EnvelopeState:
    """A state that holds every actuator at its read-back, with wide authorities registered."""
    state = EnvelopeState()
    for origin in Origin:
        id_ = "wide" if origin is Origin.OPTIMISER else f"wide-{origin.value}"
        state = gate.register(state, wide_decision(origin, id_), NOW_S)
    for name in gate.limits.actuators:
        state, verdict = gate.judge_preload(
            state, name, telemetry(changes, armed=False, **more), NOW_S
        )
        assert verdict.value is not None, verdict
    return state


def changed(base: Actuator, **more: Any) -> Actuator:
    return replace(base, **more)


def moment(seen: Snapshot, now_s: float = NOW_S) -> Conditions:
    """What the conditions of a snapshot are, without anything seen before it."""
    return Conditions(seen, now_s, 1.0, Sightings())
