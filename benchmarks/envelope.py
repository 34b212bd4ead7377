"""The envelope's speed: one verdict, and a scan of all values in force, on a large site."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from benchmarks.harness import Bench, Measure
from facility.commands import Command, Decision, Mode, Move, Origin, Outcome
from facility.equipment import CDU, CRAH, Chiller, CoolingLoop, Hall, Rack, RackKind, Tower
from facility.loading import parse_site
from facility.site import Site
from facility.telemetry import Authority, DeviceStatus, Quality, Reading, Snapshot
from safety.envelope import Envelope
from safety.limits import limits_of
from safety.state import ActuatorState, EnvelopeState
from sim.sites.reference import Design, campus
from sim.sites.writer import texts

SCOPE = (
    "a made-up site of 500 actuators and 2,000 racks (200 CDUs, 46 CRAHs, 6 chillers); all of the "
    "envelope's checks on fresh readings of every point, one process, no input or output. Times "
    "are of the processor, so that other work on the "
    "machine does not enter them."
)
NOW_S = 1_712_448_000.0
SCANS = 120
ROUNDS = 4
"""How often each actuator is commanded."""


def measure(bench: Bench) -> Iterator[Measure]:
    """Verdicts one by one, and scans of everything in force."""
    site = large_site()
    envelope = Envelope(limits_of(site))
    telemetry = snapshot_of(site, NOW_S)
    state = holding(envelope, site, telemetry)
    size = f"{len(site.actuators)} actuators, {len(site.racks)} racks, {len(site.points)} points"
    bench.say(size)
    verdict_ms = verdicts(envelope, state, telemetry)
    scan_ms = scans(envelope, state, site)
    how = (
        f"{size}; processor time of one call, {len(verdict_ms)} commands, "
        "each judged alone on a scan"
    )
    yield Measure("verdict_p99_ms", _p99(verdict_ms), "ms", 1.0, "at_most", how=how)
    yield Measure("verdict_p50_ms", statistics.median(verdict_ms), "ms", how=how)
    how = (
        f"{size}; processor time of one call, {len(scan_ms)} scans, "
        "with new readings of every point"
    )
    yield Measure("scan_p99_ms", _p99(scan_ms), "ms", 100.0, "at_most", how=how)
    yield Measure("scan_p50_ms", statistics.median(scan_ms), "ms", how=how)


def verdicts(envelope: Envelope, state: EnvelopeState, telemetry: Snapshot) -> list[float]:
    """Times (ms) of commands to every actuator, each a small move."""
    times = []
    for _ in range(ROUNDS):
        for name, own in envelope.limits.actuators.items():
            held = state.of(name).in_force
            assert held is not None
            step = own.cooling.sign * 1.5 * own.dead_band
            asked = held + step
            if not all(bound.holds(round(1e4 * asked)) for bound in own.static):
                asked = held - step  # it stands at its end
            command = Command("c", name, asked, Origin.OPTIMISER, "d", "plan", NOW_S, NOW_S + 60.0)
            passed: list[Outcome] = []

            def judge(command: Command = command, passed: list[Outcome] = passed) -> None:
                passed.append(envelope.judge(state, command, telemetry, NOW_S)[1].outcome)

            times.append(_timed(judge))
            if passed[0] is Outcome.REFUSE:
                raise RuntimeError(f"{name}: a command that should pass was refused")
    return times


def scans(envelope: Envelope, state: EnvelopeState, site: Site) -> list[float]:
    """Times (ms) of judging everything in force, scan after scan."""
    times = []
    for number in range(SCANS):
        now_s = NOW_S + 5.0 * number
        telemetry = snapshot_of(site, now_s, 0.01 * (number % 7))
        found: list[EnvelopeState] = []

        def judge(
            state: EnvelopeState = state,
            telemetry: Snapshot = telemetry,
            now_s: float = now_s,
            found: list[EnvelopeState] = found,
        ) -> None:
            found.append(envelope.judge_in_force(state, telemetry, now_s)[0])

        times.append(_timed(judge))
        state = found[0]
    return times


def large_site() -> Site:
    """200 CDUs of nine racks, 200 air-cooled racks on 46 CRAHs in two halls, 6 chillers."""
    halls = tuple(Hall(f"hall{h}", f"Hall {h}", "A2") for h in (1, 2))
    cdus = []
    racks = []
    for i in range(200):
        hall, name = f"hall{i % 2 + 1}", f"cdu{i + 1}"
        cdus.append(CDU(name, hall, "warm", 1300.0, 27.0, 12.0, 40.0))
        racks += [
            Rack(
                *(f"r{i + 1}x{k}", hall, RackKind.DIRECT_TO_CHIP, 130.0, (name,), 80.0, 72.0, i, k),
                design_flow_ls=3.0,
                to_air_share=0.0,
            )
            for k in range(9)
        ]
    crahs = tuple(CRAH(f"crah{i + 1}", f"hall{i % 2 + 1}", "cool", 300.0, 21.0) for i in range(46))
    for i in range(200):
        hall = f"hall{i % 2 + 1}"
        near = tuple(c.id for c in crahs if c.hall == hall)
        racks.append(Rack(f"a{i + 1}", hall, RackKind.AIR, 20.0, near, 35.0, 27.0, 300 + i, 0))
    design: Design = replace(
        campus(),
        id="large",
        name="A large site",
        halls=halls,
        racks=tuple(racks),
        loops=(
            CoolingLoop("cool", 20.0, 7.0, 30000.0, 960.0),
            CoolingLoop("warm", 40.0, 15.0, 240000.0, 7200.0, trim="cool"),
        ),
        cdus=tuple(cdus),
        crahs=crahs,
        chillers=tuple(Chiller(f"chiller{i + 1}", "cool", 9000.0, 6.8) for i in range(6)),
        towers=tuple(Tower(f"tower{i + 1}", 8000.0, 90.0) for i in range(44)),
        jumping=frozenset(),
    )
    files = texts(design, 20000)
    return parse_site(files["site.toml"], files["points.csv"])


def snapshot_of(site: Site, now_s: float, wobble: float = 0.0) -> Snapshot:
    """A quiet moment: everything armed and held at the plant's own values, nothing near a limit."""
    usual = {"tcs_flow": 27.0, "dew_point_temperature": 10.0, "wet_bulb_temperature": 14.0}
    usual |= {"case_temperature": 60.0, "inlet_temperature": 23.0, "leak": 0.0}
    usual |= {"remote_active": 1.0, "running": 1.0, "tcs_supply_temperature": 25.0}
    usual |= {"fws_supply_temperature": 20.0, "fws_differential_pressure": 120.0}
    states = {"state", "count"}
    usual |= {"hardwired_enable": 1.0, "available": 1.0}
    values = {
        tag: usual.get(point.quantity, 0.0 if point.unit in states else 20.0 + wobble)
        for tag, point in site.points.items()
    }
    values |= {a.read_back: a.fallback for a in site.actuators.values()}
    return Snapshot(
        now_s,
        {tag: Reading(value, Quality.GOOD, now_s) for tag, value in values.items()},
        {d: DeviceStatus(d, True, Authority.REMOTE, True, now_s, 2.0) for d in site.devices},
        dict.fromkeys(site.actuators, Mode.AUTOMATIC),
    )


def holding(envelope: Envelope, site: Site, telemetry: Snapshot) -> EnvelopeState:
    """Every actuator held at the plant's own value, under one decision that covers them all."""
    moves = tuple(Move(a.id, a.minimum, a.maximum) for a in site.actuators.values())
    decision = Decision(
        *("d", "p", "plan", Origin.OPTIMISER, "automatic", ""), moves, NOW_S - 1.0, NOW_S + 1e6
    )
    state = envelope.register(EnvelopeState(), decision, NOW_S)
    memories = {
        a.id: ActuatorState(in_force=a.fallback, accepted_at_s=NOW_S - 7200.0)
        for a in site.actuators.values()
    }
    state = replace(state, actuators=memories)
    return envelope.judge_in_force(state, telemetry, NOW_S)[0]


def _timed(call: Callable[[], None]) -> float:
    began = time.process_time()
    call()
    return 1000.0 * (time.process_time() - began)


def _p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]
