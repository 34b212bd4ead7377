"""Moist air at a cold coil: what condenses, and what that does to the sensible heat.

One surface stands for the coil (apparatus dew point and bypass factor; ASHRAE Handbook
Fundamentals 2021, chapter 1, and HVAC Systems and Equipment 2020, chapter 23): air reaches it
over the air film, the water over fins, tubes and water film. Heat and moisture share the air
film (Lewis number 1, *ibid.*):

    sensible = E_a (T_air - T_s)
    latent   = E_a / c_p  h_fg  max(0, w_air - w_sat(T_s))
    both     = E_w (T_s - T_water)

``E_a`` and ``E_w`` are effective conductances between inlets and surface, such that a dry coil
carries exactly what its effectiveness says, so that it becomes wet without a step.
"""

from __future__ import annotations

import math

from sim.plant.fluids import AIR_KJ_KGK
from sim.plant.layout import kernel

AIR_FILM = 2.0
"""Conductance of the air film over the whole coil's: half of the resistance lies on each side."""
LATENT_COIL_KJ_KG = 2477.0
"""Heat of condensation at 10 °C, where a wet coil works (ASHRAE Fundamentals 2021, chapter 1)."""
PRESSURE_KPA = 99.9
"""At 119 m, where both reference sites lie."""
ITERATIONS = 6
"""Newton on a convex function from its left side: the error is below 1e-9 K by then."""


@kernel
def saturation_kpa(dew_point_c: float) -> float:
    """Vapour pressure over water, kPa, from -40 to 50 °C.

    Alduchov & Eskridge, «Improved Magnus form approximation of saturation vapor pressure»,
    Journal of Applied Meteorology 35 (1996), equation 21: within 0.4 %.
    """
    return 0.61094 * math.exp(17.625 * dew_point_c / (dew_point_c + 243.04))


@kernel
def humidity_ratio(dew_point_c: float) -> float:
    """Kilograms of vapour in a kilogram of dry air."""
    vapour = saturation_kpa(dew_point_c)
    return 0.62198 * vapour / (PRESSURE_KPA - vapour)


@kernel
def dew_point_of(ratio: float) -> float:
    """The inverse, degC."""
    vapour = PRESSURE_KPA * ratio / (0.62198 + ratio)
    x = math.log(vapour / 0.61094)
    return 243.04 * x / (17.625 - x)


@kernel
def wet_coil_kw(
    film_kw_k: float, whole_kw_k: float, air_c: float, water_c: float, dew_point_c: float
) -> tuple[float, float]:
    """Sensible and latent heat of a coil, kW.

    Parameters
    ----------
    film_kw_k
        ``E_a``: of the air film, kW/K between entering air and surface.
    whole_kw_k
        Heat of the dry coil over the difference of its inlets, kW/K; smaller.
    air_c, water_c
        Entering air and water; air is the warmer.
    dew_point_c
        Of the entering air.
    """
    rest = 1.0 / max(1.0 / whole_kw_k - 1.0 / film_kw_k, 1e-9)
    surface_c = (film_kw_k * air_c + rest * water_c) / (film_kw_k + rest)
    latent = 0.0
    if surface_c < dew_point_c:
        gain = film_kw_k * LATENT_COIL_KJ_KG / AIR_KJ_KGK
        moist = humidity_ratio(dew_point_c)
        for _ in range(ITERATIONS):
            here = humidity_ratio(surface_c)
            slope = here * 17.625 * 243.04 / (surface_c + 243.04) ** 2
            slope *= 1.0 + here / 0.62198
            over = film_kw_k * (air_c - surface_c) + gain * (moist - here)
            over -= rest * (surface_c - water_c)
            surface_c += over / (film_kw_k + gain * slope + rest)
        latent = max(gain * (moist - humidity_ratio(surface_c)), 0.0)
    return film_kw_k * (air_c - surface_c), latent
