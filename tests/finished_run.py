"""The folder of a finished run, made by hand from known figures."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from facility.loading import load_site
from facility.points import Role
from facility.site import Site
from safety.journal import Journal
from sim.accounts import Accounts

START_S = 1_712_448_000.0
HOURS = 0.5
END_S = START_S + HOURS * 3600.0
ARMED_AFTER_S = 120.0

COOLING_KWH = {
    "isotherm": {"chillers": 90.0, "towers": 210.0, "pumps": 400.0, "cdus": 100.0},
    "guideline36": {"chillers": 100.0, "towers": 220.0, "pumps": 430.0, "cdus": 110.0},
    "fixed": {"chillers": 300.0, "towers": 250.0, "pumps": 430.0, "cdus": 120.0},
}
IT_KWH = {"isotherm": 20_010.0, "guideline36": 20_004.0, "fixed": 20_000.0}
STORED_END_KWH = {"isotherm": 1_050.0, "guideline36": 1_020.0, "fixed": 1_000.0}


def accounts(variant: str) -> Accounts:
    """The accounts that the simulator would write."""
    return Accounts(
        seconds=HOURS * 3600.0,
        it_energy_kwh=IT_KWH[variant],
        energy_kwh=COOLING_KWH[variant],
        limit_violation_degree_minutes=0.0,
        peak_excess_k=0.0,
        over_recommended_degree_minutes=3.5,
        throttled_kwh=0.0,
        peak_cooling_kw=500.0,
        peak_facility_kw=11_000.0,
        heat_kwh=IT_KWH[variant] + 600.0,
        rejected_kwh=IT_KWH[variant] + 500.0,
        stored_at_start_kwh=980.0,
        stored_at_end_kwh=STORED_END_KWH[variant],
        water_m3=30.0,
        make_up_water_m3=38.0,
    )


def lay_run(out: Path) -> None:
    """Write the folder of a finished run in automatic mode, with every file in place."""
    from sim.sites import write

    write("frontier", out / "site", 20_000)
    site = load_site(out / "site")
    dump(
        out / "run.json",
        {"site": "frontier", "hours": HOURS, "mode": "automatic", "rate": None, "seed": 1}
        | {"start": "2024-04-07", "packages": {"numpy": "2"}, "seconds": {"run": 80.0}},
    )
    for variant in COOLING_KWH:
        data: dict[str, Any] = {**as_json(accounts(variant))}
        if variant == "isotherm":
            data["writes"] = {"accepted": {}, "rejected": {}, "requests": {}}
        dump(out / variant / "accounts.json", data)
        truth(site, variant).to_parquet(out / variant / "truth.parquet")
    write_books(out, site)
    summary = {"ticks": 24, "fallbacks": 1, "tick_seconds_p50": 0.21, "tick_seconds_p95": 0.4}
    dump(out / "controller" / "summary.json", summary)
    for number in range(24):
        write_tick(out, number, "ramp" if number == 3 else "piqp")


def as_json(value: Accounts) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def dump(path: Path, data: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data), encoding="utf-8")


def truth(site: Site, variant: str) -> pd.DataFrame:
    """A row a minute: hot racks, setpoints in force, power, weather."""
    steps = int(HOURS * 60) + 1
    index = pd.to_datetime(START_S + 60.0 * np.arange(steps), unit="s", utc=True)
    wave = np.sin(np.arange(steps) / 20.0)
    warmer = {"isotherm": 4.0, "guideline36": 2.0, "fixed": 0.0}[variant]
    columns = {}
    for number, rack in enumerate(site.racks.values()):
        tag = site.tag(rack.id, rack.limited_temperature)
        columns[tag] = 50.0 + warmer + 4.0 * wave + number % 7
        columns[site.tag(rack.id, "it_power")] = 130.0 + 20.0 * wave
    for number, actuator in enumerate(site.actuators.values()):
        columns[actuator.read_back] = actuator.fallback + warmer + 0.2 * (number % 4) + 0.5 * wave
    for names, quantity, kw in (
        (site.chillers, "power", 20.0),
        (site.towers, "fan_power", 18.0),
        ((*site.loops, "tower_water"), "pump_power", 70.0),
        (site.cdus, "pump_power", 2.0),
    ):
        for name in names:
            columns[site.tag(name, quantity)] = kw - warmer / 4.0 + wave
    columns[site.tag("outdoor", "wet_bulb_temperature")] = 9.0 + wave
    columns[site.tag("outdoor", "dry_bulb_temperature")] = 14.0 + 2.0 * wave
    return pd.DataFrame(columns, index=index)


def write_books(out: Path, site: Site) -> None:
    """Every device is enabled after `ARMED_AFTER_S` and its heart beats; both books say so."""
    (out / "gateway").mkdir()
    lines: list[str] = []
    journal = Journal.open(out / "gateway" / "journal.jsonl", START_S)
    beats = {p.device: p.tag for p in site.points.values() if p.role is Role.HEARTBEAT}
    enables = {p.device: p.tag for p in site.points.values() if p.role is Role.ENABLE}

    def receive(time_s: float, device: str, tag: str, raw: str, kind: str) -> None:
        value = float(int(raw, 16))
        lines.append(json.dumps(line(time_s, device, tag, raw, kind, value)))

    arm_s = START_S + ARMED_AFTER_S
    for device in site.devices:
        data = write_of("enable", device, enables[device], "0001", 1.0)
        journal.append("write", data, arm_s)
        receive(arm_s, device, enables[device], "0001", "enable")
    count = 0
    time_s = arm_s
    while time_s < END_S:
        count += 1
        raw = f"{count % 30_000:04x}"
        journal.append("heartbeats", dict.fromkeys(site.devices, raw), time_s)
        for device in site.devices:
            receive(time_s, device, beats[device], raw, "heartbeat")
        time_s += 3.0
    actuator = site.actuators["cdu01.tcs_supply_temperature_setpoint"]
    command = {"actuator": actuator.id, "value": 31.0, "id": "c1"}
    refused = verdict("refuse", None, "stale", "too old")
    limited = verdict("limit", 30.0, "rate", "too fast")
    for _ in range(2):
        journal.append("verdict", {"command": command, "verdict": refused}, END_S - 1.0)
    journal.append("verdict", {"command": command, "verdict": limited}, END_S - 1.0)
    data = write_of("setpoint", "cdu01", actuator.id, "0bb8", 30.0)
    journal.append("write", data, END_S - 1.0)
    receive(END_S - 1.0, "cdu01", actuator.id, "0bb8", "setpoint")
    journal.append("rearmed", {"devices": ["cdu02"]}, END_S)
    journal.close()
    (out / "isotherm" / "recorder.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def line(time_s: float, device: str, tag: str, raw: str, kind: str, value: float) -> dict[str, Any]:
    return {
        "time_s": time_s,
        "device": device,
        "tag": tag,
        "table": "holding",
        "address": "0",
        "raw": raw,
        "value": value,
        "kind": kind,
        "accepted": True,
    }


def verdict(outcome: str, value: float | None, check: str, detail: str) -> dict[str, Any]:
    return {"outcome": outcome, "value": value, "check": check, "detail": detail, "saw": {}}


def write_of(kind: str, device: str, tag: str, raw: str, value: float) -> dict[str, Any]:
    return {
        "kind": kind,
        "device": device,
        "tag": tag,
        "address": "0",
        "raw": raw,
        "value": value,
        "origin": "optimiser",
        "why": "c1",
    }


def write_tick(out: Path, number: int, link: str) -> None:
    folder = out / "controller" / "ticks" / "2024-04-07"
    folder.mkdir(parents=True, exist_ok=True)
    attempt = {"link": "piqp", "round": 1, "status": "solved", "accepted": link == "piqp"}
    attempt["why"] = "" if link == "piqp" else "r08b above its limit"
    tick = {
        "number": number,
        "time_s": START_S + 300.0 * number,
        "note": "",
        "seconds": {"plan": 0.2},
        "outcome": {"plan": {"link": link}, "timed_out": False, "attempts": [attempt]},
    }
    data = gzip.compress(json.dumps(tick).encode(), mtime=0)
    (folder / f"{number:06d}.json.gz").write_bytes(data)
