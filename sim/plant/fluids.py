"""Properties of water, coolant and air, as constants over the narrow ranges of a plant.

The error of taking them constant is under 1 % from 10 to 50 °C; the test compares them with
CoolProp.
"""

from __future__ import annotations

WATER_KJ_LK = 4.17
"""Heat capacity of a litre of water at 25 °C: 997 kg/m³ x 4.182 kJ/kgK (CoolProp, IAPWS-95)."""

COOLANT_KJ_LK = 4.00
"""Of a litre of 25 % propylene glycol (PG25) at 35 °C (CoolProp ``INCOMP::MPG[0.25]``)."""

AIR_KJ_M3K = 1.18
"""Of a cubic metre of air at 25 °C and 101.3 kPa: 1.184 kg/m³ x 1.006 kJ/kgK, less 1 % for
the 100 m of elevation of both reference sites."""

LATENT_KJ_KG = 2430.0
"""Heat of evaporation of water at 30 °C (ASHRAE Handbook Fundamentals 2021, chapter 1)."""

AIR_KJ_KGK = 1.006
"""Of a kilogram of dry air (ASHRAE Handbook Fundamentals 2021, chapter 1)."""
