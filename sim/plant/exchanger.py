"""Heat exchangers by effectiveness and number of transfer units (eps-NTU).

Source: Incropera, DeWitt, Bergman, Lavine, *Fundamentals of Heat and Mass Transfer*, 7th ed.,
table 11.3: counterflow (eq. 11.29) and crossflow with both fluids unmixed (eq. 11.32).
"""

from __future__ import annotations

import math

from sim.plant.layout import kernel


@kernel
def counterflow_effectiveness(ntu: float, ratio: float) -> float:
    """Share of the largest possible heat that a counterflow exchanger carries.

    Parameters
    ----------
    ntu
        UA over the smaller heat capacity rate.
    ratio
        Smaller over larger heat capacity rate, 0 to 1.
    """
    if ratio > 0.999:
        return ntu / (1.0 + ntu)
    e = math.exp(-ntu * (1.0 - ratio))
    return (1.0 - e) / (1.0 - ratio * e)


@kernel
def crossflow_effectiveness(ntu: float, ratio: float) -> float:
    """The same of a crossflow exchanger with both fluids unmixed (approximate to 1 %)."""
    if ratio < 1e-6:
        return 1.0 - math.exp(-ntu)
    return 1.0 - math.exp(ntu**0.22 / ratio * (math.exp(-ratio * ntu**0.78) - 1.0))


@kernel
def counterflow_heat_kw(
    hot_kw_k: float, cold_kw_k: float, ua_kw_k: float, hot_c: float, cold_c: float
) -> float:
    """Heat from the hot to the cold stream; 0 where a stream stands still or is the colder.

    Heat capacity rates in kW/K, inlet temperatures in °C.
    """
    small = min(hot_kw_k, cold_kw_k)
    if small <= 1e-9 or hot_c <= cold_c:
        return 0.0
    ratio = small / max(hot_kw_k, cold_kw_k)
    return counterflow_effectiveness(ua_kw_k / small, ratio) * small * (hot_c - cold_c)


@kernel
def plate_conductance(
    clean_kw_k: float, hot_share: float, cold_share: float, fouling: float
) -> float:
    """Conductance UA of a plate exchanger away from its design flows, kW/K.

    Film coefficients of plates go with flow to the power 0.7 (Kays & London, *Compact Heat
    Exchangers*, 3rd ed.), half of the clean resistance on each side at design. ``fouling``
    is the added resistance over the clean one: 0.3 costs 23 % of UA.
    """
    films = 0.5 * (max(hot_share, 0.02) ** -0.7 + max(cold_share, 0.02) ** -0.7)
    return clean_kw_k / (films + fouling)


def counterflow_ua(heat_kw: float, hot_kw_k: float, cold_kw_k: float, inlet_k: float) -> float:
    """UA (kW/K) that carries ``heat_kw`` at an inlet difference ``inlet_k``: the inverse.

    Raises
    ------
    ValueError
        No exchanger of any size could.
    """
    small, large = min(hot_kw_k, cold_kw_k), max(hot_kw_k, cold_kw_k)
    ratio, effectiveness = small / large, heat_kw / (small * inlet_k)
    if not 0.0 < effectiveness < 1.0:
        raise ValueError(
            f"no exchanger carries {heat_kw:.0f} kW at {inlet_k:.1f} K between streams of"
            f" {hot_kw_k:.0f} and {cold_kw_k:.0f} kW/K: give it more flow or less to carry"
        )
    if ratio > 0.999:
        return small * effectiveness / (1.0 - effectiveness)
    return small * math.log((1 - ratio * effectiveness) / (1 - effectiveness)) / (1.0 - ratio)


def crossflow_ua(heat_kw: float, air_kw_k: float, water_kw_k: float, inlet_k: float) -> float:
    """UA (kW/K) of a crossflow coil that carries ``heat_kw`` at ``inlet_k``, by bisection.

    Raises
    ------
    ValueError
        No coil of up to 20 transfer units could.
    """
    small, large = min(air_kw_k, water_kw_k), max(air_kw_k, water_kw_k)
    ratio, wanted = small / large, heat_kw / (small * inlet_k)
    if wanted <= 0.0 or crossflow_effectiveness(20.0, ratio) < wanted:
        raise ValueError(
            f"no coil carries {heat_kw:.0f} kW at {inlet_k:.1f} K between streams of"
            f" {air_kw_k:.1f} and {water_kw_k:.1f} kW/K: give it more flow or less to carry"
        )
    low, high = 0.0, 20.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        if crossflow_effectiveness(middle, ratio) < wanted:
            low = middle
        else:
            high = middle
    return small * high
