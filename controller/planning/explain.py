"""Which constraints bind, by name, and what each costs: the solver's duals in money an hour."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from controller.planning.problem import Answer, Numbers
from controller.planning.situation import Situation
from facility.commands import Binding

SHOWN = 12
"""Constraints reported, most costly first."""

NEGLIGIBLE_PER_H = 0.005
"""Shadow prices below this (in the site's currency) are not reported."""


def binding_of(situation: Situation, answer: Answer, numbers: Numbers) -> tuple[Binding, ...]:
    """The constraints of an answer that bind, with their shadow prices, most costly first."""
    layout, request = situation.layout, situation.request
    hours = layout.settings.steps * request.step_s / 3600.0
    price = situation.mean_price
    currency = situation.site.tariff.currency
    totals: dict[tuple[str, str], float] = defaultdict(float)

    def count(name: str, unit: str, dual: float, scale: float = 1.0) -> None:
        totals[name, f"{currency}/h per {unit}"] += dual * price / hours / scale

    limited = [rack.limited_temperature.replace("_", " ") for rack in situation.site.racks.values()]
    for key, racks in (
        ("temperature", numbers.temperature.rack),
        ("worst step", numbers.worst.rack),
    ):
        after = " after the worst credible step" if key == "worst step" else ""
        duals = answer.duals.get(key, np.zeros(0)).ravel()
        for i in np.flatnonzero(duals > 1e-6):
            r = int(racks[i])
            count(f"{limited[r]} of {layout.rack_names[r]}{after}", "K", float(duals[i]))

    above_kw = float(answer.duals.get("demand", np.zeros(1)).sum())
    if above_kw > 1e-6:
        count("power above the month's peak", "kW", above_kw)

    corridor = situation.corridor
    lower, upper = corridor.ends
    ends = (
        ("lower", numbers.lower, (lower - numbers.nominal) / layout.scale),
        ("upper", numbers.upper, (upper - numbers.nominal) / layout.scale),
    )
    for key, used, real in ends:
        duals = answer.duals.get(key, np.zeros_like(used))
        # An end that only the round's trust region set is no constraint of the plant.
        ours = np.abs(used - real) > 0.01
        for b, g in zip(*np.nonzero((duals > 1e-6) & ~ours), strict=True):
            limit = request.limits[g]
            what = limit.lower_name if key == "lower" else limit.upper_name
            name = (
                f"override of {limit.group}" if corridor.fixed[b, g] else f"{what} of {limit.group}"
            )
            count(name, limit.unit, float(duals[b, g]), float(layout.scale[g]))
    for key in ("rise", "fall"):
        duals = answer.duals.get(key, np.zeros_like(numbers.rise))
        for b, g in zip(*np.nonzero(duals > 1e-6), strict=True):
            limit = request.limits[g]
            waiting = bool(corridor.waiting_away[b, g])
            what = "dwell" if waiting else "rate"
            count(
                f"{what} of {limit.group}", limit.unit, float(duals[b, g]), float(layout.scale[g])
            )

    ranked = sorted(totals.items(), key=lambda item: (-item[1], item[0]))
    return tuple(
        Binding(name, round(value, 4), unit)
        for (name, unit), value in ranked[:SHOWN]
        if value > NEGLIGIBLE_PER_H
    )
