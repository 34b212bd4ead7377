"""Sections of a report that are computed: the accounts, and the three verdicts above them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from controller.evaluation.accounts import Account, compare
from controller.evaluation.files import FIXED, GUIDELINE_36, ISOTHERM
from facility.site import Site
from safety.journal import Record

HELD_GOAL = 0.95
"""Share of the actuator-hours below which the plant was not really held."""
FALLBACK_GOAL = 0.02
"""Share of ticks without a verified answer of a solver above which somebody should look."""
LONGEST_WORDS = 200
VIOLATION_TOLERANCE_KMIN = 1e-6
WORK_TOLERANCE = 1e-9
"""Share of the IT's energy that counts as no throttling."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One question to a run and its answer."""

    question: str
    good: bool
    text: str


def accounts_section(site: Site, accounts: Mapping[str, Account]) -> dict[str, Any]:
    """Energy, violation, cost and carbon by variant; each figure an object with a key a variant."""
    energy = compare(accounts)
    tariff = site.tariff

    def each(figure: Callable[[str], Any]) -> dict[str, Any]:
        return {variant: figure(variant) for variant in accounts}

    def saving(against: str) -> dict[str, float]:
        kwh = energy[against].energy_kwh - energy[ISOTHERM].energy_kwh
        carbon_kg = kwh * tariff.carbon_g_per_kwh / 1e3
        return {
            "pct": 100.0 * kwh / energy[against].energy_kwh,
            "kwh": kwh,
            "cost": kwh * tariff.energy_per_kwh + carbon_kg / 1e3 * tariff.carbon_price_per_t,
            "carbon_kg": carbon_kg,
        }

    return {
        "energy_kwh": each(lambda v: energy[v].energy_kwh),
        "it_energy_kwh": each(lambda v: accounts[v].it_energy_kwh),
        "pue": each(lambda v: accounts[v].pue),
        "limit_violation_degree_minutes": each(
            lambda v: accounts[v].limit_violation_degree_minutes
        ),
        "peak_excess_k": each(lambda v: accounts[v].peak_excess_k),
        "over_recommended_degree_minutes": each(
            lambda v: accounts[v].over_recommended_degree_minutes
        ),
        "throttled_kwh": each(lambda v: accounts[v].throttled_kwh),
        "energy_by_component_kwh": each(lambda v: dict(accounts[v].components_kwh)),
        "energy_parts_kwh": each(
            lambda v: {
                "cooling": energy[v].cooling_kwh,
                "it_difference": energy[v].it_difference_kwh,
                "stored_heat": energy[v].stored_heat_kwh,
            }
        ),
        "peak_cooling_kw": each(lambda v: accounts[v].peak_cooling_kw),
        "water_m3": each(lambda v: accounts[v].water_m3),
        "cost": each(lambda v: energy[v].energy_kwh * tariff.energy_per_kwh),
        "carbon_kg": each(lambda v: energy[v].energy_kwh * tariff.carbon_g_per_kwh / 1e3),
        "currency": tariff.currency,
        "saving": {variant: saving(variant) for variant in (GUIDELINE_36, FIXED)},
    }


QUIET_RECORDS = frozenset({"receipt"})
"""Records that only complete another one."""


def gateway_events(records: Iterable[Record]) -> list[dict[str, Any]]:
    """What else the gateway wrote into its journal, by kind and reason, in order."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for record in records:
        if record.kind in QUIET_RECORDS:
            continue
        why = str(record.data.get("why", ""))
        event = found.setdefault(
            (record.kind, why),
            {"kind": record.kind, "time_s": record.time_s, "count": 0, "text": _words(record)},
        )
        event["count"] += 1
    return list(found.values())


def _words(record: Record) -> str:
    """A record's data in one line; what is long is cut."""
    text = ", ".join(
        f"{name} {value if isinstance(value, str) else json.dumps(value, sort_keys=True)}"
        for name, value in record.data.items()
    )
    return text if len(text) <= LONGEST_WORDS else text[: LONGEST_WORDS - 1] + "…"


def verdicts(report: Mapping[str, Any]) -> tuple[Verdict, ...]:
    """What it saved, whether it was safe, who held the plant, whether the books agree."""
    return _saved(report), _safe(report), _held(report), _books(report)


def _saved(report: Mapping[str, Any]) -> Verdict:
    tuned, fixed = report["saving"][GUIDELINE_36], report["saving"][FIXED]
    if report["mode"] not in ("advisory", "automatic"):
        text = (
            f"In {report['mode']} mode the plant's own control ran it; the energy differs by "
            f"{_signed(-tuned['pct'])} % from Guideline 36."
        )
        return Verdict("What did it save?", True, text)
    word = "Saved" if tuned["pct"] >= 0.0 else "Used more:"
    text = (
        f"{word} {abs(tuned['pct']):.1f} % of the cooling energy against Guideline 36 "
        f"({tuned['kwh']:,.0f} kWh, {tuned['cost']:,.0f} {report['currency']}) and "
        f"{fixed['pct']:.1f} % against fixed setpoints."
    )
    return Verdict("What did it save?", tuned["pct"] >= 0.0 and fixed["pct"] >= 0.0, text)


def _safe(report: Mapping[str, Any]) -> Verdict:
    violation = report["limit_violation_degree_minutes"]
    own, best = violation[ISOTHERM], min(violation[GUIDELINE_36], violation[FIXED])
    lost_kwh = report["throttled_kwh"][ISOTHERM]
    work_kept = lost_kwh <= WORK_TOLERANCE * report["it_energy_kwh"][ISOTHERM]
    good = own <= best + VIOLATION_TOLERANCE_KMIN and work_kept
    hottest = report["hottest"][ISOTHERM]
    if own <= VIOLATION_TOLERANCE_KMIN:
        text = "No rack was above its limit"
    else:
        text = (
            f"Racks were above their limits by {own:,.1f} K·min (Guideline 36 "
            f"{violation[GUIDELINE_36]:,.1f}, fixed {violation[FIXED]:,.1f}), by "
            f"{report['peak_excess_k'][ISOTHERM]:.1f} K at most"
        )
    if hottest is not None:
        text += (
            f"; {hottest['rack']} came nearest: {hottest['peak_c']:.1f} °C of "
            f"{hottest['limit_c']:g} °C"
        )
    if not work_kept:
        text += f"; {lost_kwh:,.1f} kWh of IT work were throttled, so the run has failed"
    return Verdict("Was it safe?", good, text + ".")


def _held(report: Mapping[str, Any]) -> Verdict:
    share, fallbacks, ticks = (
        report["actuator_hours_held_share"],
        report["fallbacks"],
        report["ticks"],
    )
    recorded = report["writes"]["device_recorded"]
    if report["mode"] not in ("advisory", "automatic"):
        good = recorded == 0
        text = (
            f"Isotherm held nothing: the devices received {recorded:,} requests to write."
            if good
            else f"The devices received {recorded:,} requests to write, and should have had none."
        )
        return Verdict("Who held the plant?", good, text)
    good = share >= HELD_GOAL and fallbacks <= FALLBACK_GOAL * max(ticks, 1)
    text = (
        f"Isotherm held {100.0 * share:.1f} % of the actuator-hours and fell back in "
        f"{fallbacks} of {ticks} control steps."
    )
    if report["mode"] == "advisory":
        # What a person does not approve is not held; that is no fault.
        good = fallbacks <= FALLBACK_GOAL * max(ticks, 1)
    return Verdict("Who held the plant?", good, text)


def _books(report: Mapping[str, Any]) -> Verdict:
    compared = report["journal_comparison"]
    if not report["journal_valid"]:
        text = f"The gateway's journal is damaged: {report['journal_damage']}."
    elif compared["differences"]:
        text = (
            f"The gateway's journal and the devices' recorder differ in "
            f"{compared['differences']:,} of {compared['compared']:,} writes."
        )
    else:
        text = (
            f"The gateway's journal is whole and agrees with the devices' recorder in all "
            f"{compared['compared']:,} writes."
        )
    return Verdict("Do the books agree?", bool(report["journal_agrees_with_recorder"]), text)


def _signed(value: float) -> str:
    text = f"{value:+.1f}"
    return "0.0" if float(text) == 0.0 else text.replace("-", "−")
