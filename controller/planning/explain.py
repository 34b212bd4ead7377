"""Which constraints bind, by name, and what each costs: the solver's duals in money an hour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from controller.planning.problem import Answer, Numbers
from controller.planning.situation import Situation
from controller.planning.words import STAGE
from facility.commands import Binding
from models.contract import Array

SHOWN = 12
"""Constraints reported, most costly first."""

NEGLIGIBLE_PER_H = 0.005
"""Shadow prices below this (in the site's currency) are not reported."""


@dataclass
class Named:
    """A constraint that binds."""

    name: str
    unit: str
    """Of the price: currency an hour for each unit of the constraint."""
    price: float
    pull: Array
    """(G,) what it holds each setpoint down by (negative: up), kWh for each scaled unit."""


def binding_of(named: tuple[Named, ...]) -> tuple[Binding, ...]:
    """The constraints that bind with their shadow prices, most costly first."""
    shown = [each for each in named if each.price > NEGLIGIBLE_PER_H]
    return tuple(Binding(each.name, round(each.price, 4), each.unit) for each in shown[:SHOWN])


def named_of(situation: Situation, answer: Answer, numbers: Numbers) -> tuple[Named, ...]:
    """The constraints of an answer that bind, by name, most costly first."""
    layout, request = situation.layout, situation.request
    hours = layout.settings.steps * request.step_s / 3600.0
    price = situation.mean_price
    currency = situation.site.tariff.currency
    found: dict[tuple[str, str], Named] = {}

    def count(name: str, unit: str, dual: float, scale: float = 1.0) -> Array:
        told = f"{currency}/h per {unit}"
        if (name, told) not in found:
            found[name, told] = Named(name, told, 0.0, np.zeros(layout.groups))
        found[name, told].price += dual * price / hours / scale
        return found[name, told].pull

    limited = [rack.limited_temperature.replace("_", " ") for rack in situation.site.racks.values()]
    for key, soft in (("temperature", numbers.temperature), ("worst step", numbers.worst)):
        after = " after the worst credible step" if key == "worst step" else ""
        duals = answer.duals.get(key, np.zeros(0)).ravel()
        for i in np.flatnonzero(duals > 1e-6):
            r, dual = int(soft.rack[i]), float(duals[i])
            pull = count(f"{limited[r]} of {layout.rack_names[r]}{after}", "K", dual)
            row = slice(soft.gain.indptr[i], soft.gain.indptr[i + 1])
            np.add.at(pull, soft.gain.indices[row] % layout.groups, dual * soft.gain.data[row])

    above_kw = float(answer.duals.get("demand", np.zeros(1)).sum())
    if above_kw > 1e-6:
        count("power above the month's peak", "kW", above_kw)

    corridor = situation.corridor
    lower, upper = corridor.ends
    ends = (
        ("lower", numbers.lower, (lower - numbers.nominal) / layout.scale, -1.0),
        ("upper", numbers.upper, (upper - numbers.nominal) / layout.scale, 1.0),
    )
    for key, used, real, sign in ends:
        duals = answer.duals.get(key, np.zeros_like(used))
        # An end that only the round's trust region set is no constraint of the plant.
        ours = np.abs(used - real) > 0.01
        for b, g in zip(*np.nonzero((duals > 1e-6) & ~ours), strict=True):
            if g in corridor.charges:
                continue  # a schedule of its own, which this problem only takes as given
            limit = request.limits[g]
            if limit.fixed_by == STAGE:  # held by the plan itself, and no part of a machine saves
                continue
            what = corridor.lower_name(g) if key == "lower" else limit.upper_name
            what = "override" if corridor.fixed[b, g] else what
            dual = float(duals[b, g])
            pull = count(f"{what} of {limit.group}", limit.unit, dual, float(layout.scale[g]))
            pull[g] += sign * dual
    for key, sign in (("rise", 1.0), ("fall", -1.0)):
        duals = answer.duals.get(key, np.zeros_like(numbers.rise))
        for b, g in zip(*np.nonzero(duals > 1e-6), strict=True):
            if g in corridor.charges:
                continue
            limit, dual = request.limits[g], float(duals[b, g])
            what = "dwell" if corridor.waiting_away[b, g] else "rate"
            pull = count(f"{what} of {limit.group}", limit.unit, dual, float(layout.scale[g]))
            pull[g] += sign * dual
    return tuple(sorted(found.values(), key=lambda each: (-each.price, each.name)))
