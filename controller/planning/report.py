"""A prospect as a plan: what is expected of it and of holding still, with bands."""

from __future__ import annotations

import numpy as np

from controller.planning.effects import effects_of
from controller.planning.explain import Named, binding_of
from controller.planning.shortfall import shortfalls_of
from controller.planning.situation import Situation
from controller.planning.verify import Prospect
from controller.planning.words import Plan, row, table
from facility.commands import Band
from models.contract import Array

NORMAL_90 = 1.645
"""90 % of a normal distribution lies within so many standard deviations."""


def plan_of(
    situation: Situation,
    prospect: Prospect,
    hold: Prospect,
    link: str,
    verified: bool,
    named: tuple[Named, ...],
    *,
    remarks: tuple[str, ...] = (),
) -> Plan:
    """The plan of a prospect, beside what holding still would do.

    Parameters
    ----------
    named
        What binds, by name.
    remarks
        Of the stages that were looked at.
    """
    layout, request = situation.layout, situation.request
    power = _power(prospect)
    power_now = _power(hold)
    leakage = np.round(prospect.leakage_kw - hold.leakage_kw, 6)
    saved = power_now.sum(axis=1) - power.sum(axis=1) - leakage
    worst = prospect.excess_k.max(axis=0)
    return Plan(
        start_s=request.now_s,
        step_s=request.step_s,
        groups=layout.group_names,
        setpoints=table(situation.corridor.steps(prospect.blocks)),
        link=link,
        verified=verified,
        worst_excess_k=round(float(worst.max()), 6),
        worst_rack=layout.rack_names[int(np.argmax(worst))],
        components=tuple(prospect.power_kw),
        power_kw=table(power),
        power_now_kw=table(power_now),
        leakage_kw=row(leakage),
        saving_kw=round(float(saved.mean()), 6),
        saving_per_h=round(float((saved * np.array(request.price_per_kwh)).mean()), 6),
        bands=_bands(situation, prospect),
        bands_now=_bands(situation, hold),
        binding=binding_of(named),
        effects=effects_of(situation, prospect, hold, named),
        shortfalls=shortfalls_of(situation, prospect),
        model_version=request.model_version,
        remarks=remarks,
    )


def _power(prospect: Prospect) -> Array:
    return np.round(np.stack(list(prospect.power_kw.values()), axis=1), 6).astype(float)


def _bands(situation: Situation, prospect: Prospect) -> tuple[Band, ...]:
    """The hottest rack (least room) of each kind of limited temperature, and the power."""
    site, request = situation.site, situation.request
    temperature = prospect.fine_c[situation.fine_ends]
    lead_s = np.asarray((np.arange(len(temperature)) + 1.0) * request.step_s, dtype=np.float64)
    lower, upper = situation.predictor.band(lead_s)
    kinds = [rack.limited_temperature for rack in site.racks.values()]
    bands = []
    for kind in dict.fromkeys(kinds):
        racks = np.array([i for i, name in enumerate(kinds) if name == kind])
        room = situation.limit_c[racks] - temperature[:, racks]
        hottest = racks[np.argmin(room, axis=1)]
        steps = np.arange(len(temperature))
        expected = temperature[steps, hottest]
        bands.append(
            Band(
                name=f"hottest {kind.replace('_', ' ')}",
                unit="degC",
                times_s=row(request.now_s + lead_s),
                expected=row(np.round(expected, 4)),
                lower=row(np.round(expected + lower[steps, hottest], 4)),
                upper=row(np.round(expected + upper[steps, hottest], 4)),
                limit=float(situation.limit_c[hottest].min()),
            )
        )
    return (*bands, _power_band(situation, prospect))


def _power_band(situation: Situation, prospect: Prospect) -> Band:
    """Of the cooling's electric power; what leakage adds to the IT is told apart from it."""
    request = situation.request
    total = _power(prospect).sum(axis=1)
    reach = NORMAL_90 * situation.predictor.power_error_kw
    times_s = np.asarray(
        request.now_s + (np.arange(len(total)) + 1.0) * request.step_s, dtype=np.float64
    )
    return Band(
        name="electric power of cooling",
        unit="kW",
        times_s=row(times_s),
        expected=row(np.round(total, 3)),
        lower=row(np.round(np.maximum(total - reach, 0.0), 3)),
        upper=row(np.round(total + reach, 3)),
    )
