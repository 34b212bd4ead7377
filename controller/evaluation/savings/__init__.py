"""Proof of savings after IPMVP: what a plant would have used, what it used, how sure that is.

Two methods, each with its own test of itself:

- *baseline* (IPMVP option B or C): a regression of cooling power on IT power and wet bulb from a
  period before, applied to a period after (`regression`, `adjusted`);
- *switchback*: days drawn by lot between local control and Isotherm (`switchback`), whose claim
  rests on the lot alone and not on the regression being right.
"""

from controller.evaluation.savings.adjusted import AdjustedSavings, adjusted_savings
from controller.evaluation.savings.adjustments import Adjustment, read_adjustments
from controller.evaluation.savings.hourly import (
    Hourly,
    HourlyError,
    from_frame,
    of_site,
    read_hourly,
)
from controller.evaluation.savings.regression import EnergyModel, Fit, fit_energy
from controller.evaluation.savings.switchback import (
    Schedule,
    Switchback,
    analyse,
    power_of_days,
    read_schedule,
    schedule,
)

__all__ = [
    "AdjustedSavings",
    "Adjustment",
    "EnergyModel",
    "Fit",
    "Hourly",
    "HourlyError",
    "Schedule",
    "Switchback",
    "adjusted_savings",
    "analyse",
    "fit_energy",
    "from_frame",
    "of_site",
    "power_of_days",
    "read_adjustments",
    "read_hourly",
    "read_schedule",
    "schedule",
]
