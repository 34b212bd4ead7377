"""The reference sites as the envelope sees them, everything in service: for the worst case."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from benchmarks.scaled import reference_site
from facility.commands import Command, Decision, Mode, Move, Origin
from facility.telemetry import Authority, DeviceStatus, Quality, Reading, Snapshot
from safety.envelope import Envelope
from safety.limits import limits_of
from safety.state import ActuatorState, EnvelopeState

NOW_S = 1_712_448_000.0
SUPPLY, FLOW = "cdu1.tcs_supply_temperature_setpoint", "cdu1.tcs_flow_setpoint"
ON = {"hardwired_enable", "available"}


@cache
def gate(name: str = "campus") -> Envelope:
    return Envelope(limits_of(reference_site(name)))


def snapshot(
    held: dict[str, float], wet_bulb_c: float = 10.0, name: str = "campus", now_s: float = NOW_S
) -> Snapshot:
    site = reference_site(name)
    usual = {"dew_point_temperature": 8.0, "wet_bulb_temperature": wet_bulb_c, "tcs_flow": 40.0}
    usual |= {"case_temperature": 55.0, "inlet_temperature": 23.0, "remote_active": 1.0}
    usual |= {"fws_supply_temperature": 20.0, "fws_differential_pressure": 120.0}
    usual |= {"tcs_supply_temperature": 25.0, "fws_flow": 150.0, "running": 1.0}
    safe = {"state": 0.0, "count": 0.0}
    values = {
        tag: usual.get(point.quantity, safe.get(point.unit, 20.0))
        for tag, point in site.points.items()
    }
    values |= {tag: 1.0 for tag, p in site.points.items() if p.quantity in ON}
    values |= {a.read_back: held[a.id] for a in site.actuators.values()}
    return Snapshot(
        now_s,
        {tag: Reading(value, Quality.GOOD, now_s) for tag, value in values.items()},
        {d: DeviceStatus(d, True, Authority.REMOTE, True, now_s, 2.0) for d in site.devices},
        dict.fromkeys(site.actuators, Mode.AUTOMATIC),
    )


def usual(name: str = "campus") -> dict[str, float]:
    return {a.id: a.fallback for a in reference_site(name).actuators.values()}


def state(held: dict[str, float], name: str = "campus") -> EnvelopeState:
    moves = tuple(Move(a, -1000.0, 1000.0) for a in held)
    decision = Decision(
        *("d", "p", "plan", Origin.OPTIMISER, "automatic", ""), moves, NOW_S - 1.0, NOW_S + 1e6
    )
    fresh = gate(name).register(EnvelopeState(), decision, NOW_S)
    memory = {a: ActuatorState(in_force=v, accepted_at_s=NOW_S - 7200.0) for a, v in held.items()}
    return replace(fresh, actuators=memory)


def command(actuator: str, value: float) -> Command:
    return Command("c", actuator, value, Origin.OPTIMISER, "d", "plan", NOW_S, NOW_S + 60.0)
