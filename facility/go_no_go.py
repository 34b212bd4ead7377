"""What has to hold before Isotherm is let near a plant: the table ``[go_no_go]`` of a site.

Written down before a shadow run, so that its report weighs what it found against what was asked
and not the other way round.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GoCriteria:
    """Criteria of a shadow run; shares are 0 to 1."""

    least_saving_share: float = 0.03
    """The lower end of the saving's interval."""
    most_refused_share: float = 0.05
    """Of would-be commands that the envelope would have refused."""
    most_fallback_share: float = 0.02
    """Of control steps without a verified answer of a solver."""
    most_model_error_share: float = 0.15
    """RMS error of hourly power over the period, of the mean."""
    least_slope: float = 0.5
    """Measured over expected change, where the plant moved its own setpoints enough to tell."""
    most_slope: float = 1.6
    least_hours: float = 7 * 24.0
    most_absent_share: float = 0.10
    """Of minutes without whole data."""
