"""The envelope: how long a verdict and a scan of all values in force take on a large site."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from benchmarks.harness import Bench, Measure

SCOPE = (
    "safety/ alone, in this process on one core: a generated site of 500 actuators and 2,000 racks "
    "(150 CDUs, 90 CRAHs, 18 chillers), all held, every reading good and new"
)
NOW_S = 1_712_448_000.0
VERDICTS, SCANS = 1000, 100


def measure(bench: Bench) -> Iterator[Measure]:
    """Judge commands of all actuators, each on a snapshot of its own, then scan."""
    found = bench.step("judge", {"verdicts": VERDICTS, "scans": SCANS}, _judge)
    yield Measure(
        "verdict_p99_ms",
        found["verdict_p99_ms"],
        "ms",
        1.0,
        "at_most",
        how=f"{VERDICTS} commands one by one over all actuators, each with a new snapshot, so that "
        "nothing is shared between verdicts; 99th percentile of the wall time of Envelope.judge",
    )
    yield Measure("verdict_p50_ms", found["verdict_p50_ms"], "ms", how="the same verdicts, median")
    yield Measure(
        "scan_p99_ms",
        found["scan_p99_ms"],
        "ms",
        100.0,
        "at_most",
        how=f"{SCANS} calls of Envelope.judge_in_force 10 s apart with all actuators held; "
        "99th percentile of the wall time",
    )


def _judge() -> dict[str, Any]:
    from facility.commands import Command, Decision, Mode, Move, Origin
    from facility.points import Access
    from facility.telemetry import Authority, DeviceStatus, Quality, Reading, Snapshot
    from safety.envelope import Envelope
    from safety.limits import limits_of
    from safety.state import EnvelopeState

    site = _site()
    gate = Envelope(limits_of(site))
    values = {p.tag: 0.0 for p in site.points.values() if p.access is not Access.WRITE}
    for point in site.points.values():
        if point.quantity in ("available", "hardwired_enable", "running"):
            values[point.tag] = 1.0
        elif point.unit == "kPa":
            values[point.tag] = 100.0
        elif "flow" in point.quantity:
            values[point.tag] = 1000.0
        elif point.quantity in ("inlet_temperature", "case_temperature"):
            values[point.tag] = 24.0
        elif "temperature" in point.quantity:
            values[point.tag] = 12.0 if point.quantity == "dew_point_temperature" else 20.0
    held = {a.id: (a.minimum + a.maximum) / 2.0 for a in site.actuators.values()}
    held |= {a.id: a.fallback for a in site.actuators.values() if "flow" not in a.quantity}
    values |= {a.read_back: held[a.id] for a in site.actuators.values()}
    values |= {a.id: held[a.id] for a in site.actuators.values()}
    modes = dict.fromkeys(site.actuators, Mode.AUTOMATIC)

    def snapshot(now_s: float, *, armed: bool) -> Snapshot:
        authority = Authority.REMOTE if armed else Authority.LOCAL
        return Snapshot(
            now_s,
            {tag: Reading(value, Quality.GOOD, now_s) for tag, value in values.items()},
            {d: DeviceStatus(d, True, authority, armed, now_s, 1.0) for d in site.devices},
            modes,
        )

    moves = tuple(Move(a.id, a.minimum, a.maximum) for a in site.actuators.values())
    origin, end_s = Origin.PERSON, NOW_S + 1e6
    decision = Decision("d", "p", "h", origin, "x", "y", moves, NOW_S - 1.0, end_s)
    state = gate.register(EnvelopeState(), decision, NOW_S)
    seen = snapshot(NOW_S, armed=False)
    for name in site.actuators:
        state, verdict = gate.judge_preload(state, name, seen, NOW_S)
        if verdict.value is None:
            raise RuntimeError(f"{name}: {verdict.check}: {verdict.detail}")
    names = list(site.actuators)
    verdict_ms = []
    for i in range(VERDICTS):
        name = names[i % len(names)]
        seen = snapshot(NOW_S + i, armed=True)
        value = held[name] + 0.05 * (1 if i % 2 else -1)
        asked = Command("c", name, value, origin, "d", "h", NOW_S + i, NOW_S + i + 60.0)
        began = time.perf_counter()
        _, verdict = gate.judge(state, asked, seen, NOW_S + i)
        verdict_ms.append((time.perf_counter() - began) * 1000.0)
        if verdict.check in ("leak", "device", "telemetry", "authority", "hot_rack"):
            raise RuntimeError(f"{name}: {verdict.check}: {verdict.detail}")
    scan_ms = []
    for i in range(SCANS):
        now_s = NOW_S + VERDICTS + 10.0 * i
        seen = snapshot(now_s, armed=True)
        seen = replace(seen, readings={**seen.readings})
        began = time.perf_counter()
        state, corrections = gate.judge_in_force(state, seen, now_s)
        scan_ms.append((time.perf_counter() - began) * 1000.0)
        if corrections:
            raise RuntimeError(f"{corrections[0]}")
    return {
        "verdict_p50_ms": sorted(verdict_ms)[len(verdict_ms) // 2],
        "verdict_p99_ms": sorted(verdict_ms)[int(0.99 * len(verdict_ms))],
        "scan_p99_ms": sorted(scan_ms)[int(0.99 * len(scan_ms))],
    }


def _site() -> Any:
    from facility.loading import parse_site
    from facility.site import CDU, CRAH, Chiller, CoolingLoop, Rack, RackKind
    from sim.sites.reference import campus
    from sim.sites.writer import texts

    liquid, air = RackKind.DIRECT_TO_CHIP, RackKind.AIR
    racks = [
        Rack(f"d{i}", "hall1", liquid, 100.0, (f"cdu{i // 8 + 1}",), 80.0, 72.0, 0, 0, 2.0, 0.1)
        for i in range(1200)
    ]
    racks += [
        Rack(f"a{i}", "hall1", air, 15.0, (f"crah{i % 90 + 1}",), 35.0, 27.0, 0, 0)
        for i in range(800)
    ]
    design = replace(
        campus(),
        id="large",
        racks=tuple(racks),
        loops=(
            CoolingLoop("cool", 20.0, 7.0, 54_000.0, 1700.0),
            CoolingLoop("warm", 40.0, 15.0, 120_000.0, 3500.0, trim="cool"),
        ),
        cdus=tuple(CDU(f"cdu{i}", "hall1", "warm", 1000.0, 16.0, 7.0, 40.0) for i in range(1, 151)),
        crahs=tuple(CRAH(f"crah{i}", "hall1", "cool", 300.0, 21.0) for i in range(1, 91)),
        chillers=tuple(Chiller(f"chiller{i}", "cool", 3600.0, 6.8) for i in range(1, 19)),
        jumping=frozenset(),
    )
    made = texts(design, 15_000)
    return parse_site(made["site.toml"], made["points.csv"])
