"""What storage tanks hold at the end of a plan: what that counts for, and why they move."""

from __future__ import annotations

import numpy as np

from controller.planning.situation import Situation
from models.contract import Array

LEAST_DIFFERENCE = 0.02
"""Share by which prices differ that a move is put down to."""


def stored_kwh(situation: Situation, blocks: Array) -> float:
    """What stored cold at the end is worth, in kWh of electricity at the horizon's mean price.

    ``blocks`` are setpoints (B, G). The last block counts for longer, as its power does.
    """
    total = 0.0
    settings, request = situation.layout.settings, situation.request
    hours = np.array(settings.blocks) * request.step_s / 3600.0
    hours[-1] += settings.terminal_h
    columns = {limit.group: g for g, limit in enumerate(request.limits)}
    for state in request.storage:
        worth = situation.worth.get(state.group, 0.0)
        if worth <= 0.0:
            continue
        level = state.level_pct / 100.0 * state.full_kwh
        for b in range(len(hours)):
            charge_kw = float(blocks[b, columns[state.group]]) / 100.0 * state.full_kw
            level = min(max(level + hours[b] * charge_kw, 0.0), state.full_kwh)
        total += worth * level
    return total / situation.mean_price


def why_moved(situation: Situation, g: int, blocks: Array) -> str:
    """Why a tank is charged or discharged, by what an hour costs then and later; empty where still.

    ``g`` is the column of its charge among setpoints ``blocks`` (B, G).
    """
    request, corridor = situation.request, situation.corridor
    moving = np.flatnonzero(blocks[:, g])
    if not len(moving):
        return ""
    first, lengths = int(moving[0]), np.array(situation.layout.settings.blocks)
    later_s = request.steps * request.step_s + 3600.0 * np.arange(len(request.price_later_per_kwh))
    starts_s = np.concatenate([corridor.block_start * request.step_s, later_s])
    mean = np.add.reduceat(np.array(request.price_per_kwh), corridor.block_start) / lengths
    price = np.concatenate([mean, np.array(request.price_later_per_kwh)])
    charges = blocks[first, g] > 0.0
    other = first + int(np.argmax(price[first:]) if charges else np.argmin(price[first:]))
    unit = f"{situation.site.tariff.currency}/kWh"
    told = (
        f"charged at {price[first]:.2f} {unit}" if charges else f"used at {price[first]:.2f} {unit}"
    )
    if abs(price[other] - price[first]) < LEAST_DIFFERENCE * max(abs(price[first]), 1e-9):
        peak = request.peak_kw is not None and request.demand_per_kw > 0.0
        return f"{told}, for the month's peak" if peak else f"{told}, where the plant runs best"
    hours = (starts_s[other] - starts_s[first]) / 3600.0
    return f"{told}, {price[other]:.2f} {unit} {hours:.1f} h later"
