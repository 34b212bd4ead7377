"""Go or no-go, by the criteria of the site file, written down before the run."""

from __future__ import annotations

from dataclasses import dataclass

from controller.evaluation.shadow.estimate import Estimate
from controller.evaluation.shadow.study import ShadowStudy
from facility.go_no_go import GoCriteria
from models.contract import Array

ROOM_TOLERANCE_K = 0.2
"""Below a limit by less is not told apart from above it: sensors show no more."""


@dataclass(frozen=True)
class Reason:
    """One criterion: what was asked, what was found."""

    name: str
    asked: str
    found: str
    holds: bool


def reasons(study: ShadowStudy, found: Estimate) -> tuple[Reason, ...]:
    """All criteria, those that hold and those that do not; go is when all hold."""
    criteria = study.site.go_no_go
    interval = found.interval_share
    judged = max(study.would_be.judged, 1)
    refused = study.would_be.refused / judged
    fallbacks = study.fallbacks / max(study.ticks, 1)
    minutes = len(study.times_s) + study.absent
    absent = study.absent / max(minutes, 1)
    over = _minutes_over(study.room_ours_k)
    own = _minutes_over(study.room_plant_k)
    return (
        Reason(
            "saving",
            f"at least {criteria.least_saving_share:.0%} at the lower end",
            share_words(found),
            interval is not None and interval[0] >= criteria.least_saving_share,
        ),
        Reason(
            "temperatures",
            f"no more minutes above a limit than the plant had ({own})",
            f"{over} expected",
            over <= own,
        ),
        Reason(
            "envelope",
            f"at most {criteria.most_refused_share:.0%} of commands refused",
            f"{refused:.1%} of {study.would_be.judged}",
            refused <= criteria.most_refused_share,
        ),
        Reason(
            "planner",
            f"at most {criteria.most_fallback_share:.0%} of steps fall back",
            f"{fallbacks:.1%} of {study.ticks}",
            study.ticks > 0 and fallbacks <= criteria.most_fallback_share,
        ),
        Reason(
            "model, level",
            f"hourly power within {criteria.most_model_error_share:.0%}",
            f"{found.model_error_share:.1%} (claimed {found.claimed_error_share:.1%})",
            found.model_error_share <= criteria.most_model_error_share,
        ),
        _slope(found, criteria),
        Reason(
            "length",
            f"at least {criteria.least_hours / 24.0:g} days",
            f"{found.hours / 24.0:.1f} days",
            found.hours >= criteria.least_hours,
        ),
        Reason(
            "data",
            f"at most {criteria.most_absent_share:.0%} of minutes missing",
            f"{absent:.1%}",
            absent <= criteria.most_absent_share,
        ),
    )


def share_words(found: Estimate) -> str:
    """The saving with its interval."""
    if found.interval_share is None:
        return f"{found.saved_share:+.1%}, over too short a time for an interval"
    low, high = found.interval_share
    return f"{found.saved_share:+.1%} ({low:+.1%} to {high:+.1%})"


def _slope(found: Estimate, criteria: GoCriteria) -> Reason:
    low, high = criteria.least_slope, criteria.most_slope
    asked = f"what the plant's own moves did is {low:g} to {high:g} times what was expected"
    if found.slope is None:
        return Reason("model, moves", asked, "the plant moved too little to tell", True)
    return Reason("model, moves", asked, f"{found.slope:.2f}", low <= found.slope <= high)


def _minutes_over(room_k: Array) -> int:
    return int((room_k < -ROOM_TOLERANCE_K).sum())
