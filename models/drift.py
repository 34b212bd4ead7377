"""Whether a model still keeps what it claims: a Bernoulli CUSUM with a stated rate of false alarms.

Each hour and group of racks is one outcome: was the group's error an hour ahead above what
95 % of hours were below when the model was judged? While the claim holds, at most one hour in
ten is (the claim is a 95 % quantile, counted as 90 %, since it was itself estimated on days).
The chart (Reynolds and Stoumbos 1999, J. Quality Technology 31(1)) sums the logarithm of the
likelihood ratio of one hour in three against one in ten and gives the alarm at a bound; the
bound is set so that hours that keep the claim run the wanted time on average before a false
alarm, worked out on a Markov chain (Brook and Evans 1972, Biometrika 59(3)). Only whether the
claim was exceeded counts, so no distribution is assumed; hours are taken as independent.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np

from facility.clock import iso
from facility.telemetry import Condition, Priority

KEPT_SHARE = 0.10
DRIFTED_SHARE = 0.33
FALSE_ALARM_DAYS = 180.0
"""Mean time to a false alarm anywhere on a site."""
HOURS_A_DAY = 24.0
CELL = 0.02
MOST_CELLS = 700
"""Of the Markov chain: the width of its states, and how many at most."""


@dataclass(frozen=True, slots=True)
class Chart:
    """The sums so far, by group."""

    sums: Mapping[str, float] = field(default_factory=dict)
    since_s: Mapping[str, float] = field(default_factory=dict)
    """When each sum last rose from zero: the likeliest moment of the change."""
    seen: int = 0
    """Outcomes in all."""


@dataclass(frozen=True, slots=True)
class Drift:
    """A group of racks whose claim no longer holds."""

    group: str
    since_s: float
    alarmed_s: float
    claim_k: float
    error_k: float
    """RMS an hour ahead since then."""

    def condition(self, version: str) -> Condition:
        """As an alarm for people."""
        return Condition(
            f"model-drift:{self.group}",
            Priority.MEDIUM,
            f"model {version[:12]}, racks of {self.group}: an hour ahead it errs by "
            f"{self.error_k:.2f} K since {iso(self.since_s)}, where it claims {self.claim_k:.2f} K",
            "look for a changed plant (fouling, a valve, a sensor); if the change is to stay, "
            "refit: isotherm model refit",
        )


def step(chart: Chart, group: str, time_s: float, exceeded: bool) -> Chart:
    """The chart after one outcome."""
    before = chart.sums.get(group, 0.0)
    after = max(before + _score(exceeded), 0.0)
    since = dict(chart.since_s)
    if before == 0.0 and after > 0.0:
        since[group] = time_s
    return replace(chart, sums={**chart.sums, group: after}, since_s=since, seen=chart.seen + 1)


def watch(
    claims_k: Mapping[str, float],
    errors: Mapping[str, Iterable[tuple[float, float]]],
    false_alarm_days: float = FALSE_ALARM_DAYS,
) -> tuple[Drift, ...]:
    """Every group whose claim was lost, at the first alarm.

    Parameters
    ----------
    claims_k
        Of the model's evaluation.
    errors
        By group: (time, RMS error an hour ahead in K), an hour apart, in order.
    false_alarm_days
        Mean time to a false alarm over all groups of ``claims_k`` together.
    """
    limit = bound(len(claims_k) * false_alarm_days * HOURS_A_DAY)
    found = []
    for group, claim_k in claims_k.items():
        chart = Chart()
        own = list(errors.get(group, ()))
        for at, (time_s, error_k) in enumerate(own):
            chart = step(chart, group, time_s, error_k > claim_k)
            if chart.sums[group] >= limit:
                since_s = chart.since_s[group]
                after = [e for t, e in own[: at + 1] if t >= since_s]
                rms = math.sqrt(sum(e * e for e in after) / len(after))
                found.append(Drift(group, since_s, time_s, claim_k, rms))
                break
    return tuple(found)


@cache
def bound(mean_outcomes: float) -> float:
    """The bound that a group's sum reaches after ``mean_outcomes`` on average without drift.

    Raises
    ------
    ValueError
        Fewer than 10 outcomes are asked for.
    """
    if mean_outcomes < 10:
        raise ValueError("a mean time to a false alarm is 10 outcomes at least")
    low, high = 0, MOST_CELLS
    while high - low > 1:
        middle = (low + high) // 2
        if run_length(middle * CELL, KEPT_SHARE) < mean_outcomes:
            low = middle
        else:
            high = middle
    return high * CELL


def run_length(limit: float, share: float) -> float:
    """Mean outcomes until the sum reaches ``limit`` where ``share`` of them exceed the claim."""
    # A rise is rounded up and a fall down: the true chart is at its bound later, never earlier.
    rise, fall = math.ceil(_score(True) / CELL), math.floor(-_score(False) / CELL)
    cells = max(round(limit / CELL), 1)
    chain = np.zeros((cells, cells))
    for cell in range(cells):
        if cell + rise < cells:
            chain[cell, cell + rise] += share
        chain[cell, max(cell - fall, 0)] += 1.0 - share
    lengths = np.linalg.solve(np.eye(cells) - chain, np.ones(cells))
    return float(lengths[0])


def _score(exceeded: bool) -> float:
    if exceeded:
        return math.log(DRIFTED_SHARE / KEPT_SHARE)
    return math.log((1.0 - DRIFTED_SHARE) / (1.0 - KEPT_SHARE))
