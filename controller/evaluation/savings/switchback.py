"""Switchback days: the lot decides each day whether Isotherm or local control runs the plant.

What is compared is the logarithm of each day's cooling energy, with load and weather taken off by a
regression (Isotherm's own share of it left out under each hypothesis tried). Whether the difference
could be chance is asked of the lot: under «Isotherm changes energy by the factor f», any other draw
of the schedule could have come, and would have given a difference of its own (randomisation test;
Fisher 1935, Lin 2013 on regression adjustment). So a wrong regression costs power, not honesty.

The days are drawn in blocks with as many of each kind, so that a season's drift falls on both. The
first hours after a change are left out: water and metal still carry the day before.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from controller.evaluation.savings.hourly import Hourly, HourlyError
from facility.clock import from_iso, iso

Array = NDArray[np.float64]
Days = NDArray[np.bool_]

DAY_S = 86_400.0
BLOCK = 4
"""Days of a block, half of them Isotherm's."""
WASH_OUT_H = 2
"""Hours of each day left out: the longest store of heat here is minutes, a plant's resets and
staging come to rest within two hours."""
LEAST_DAYS = 12
LEAST_HOURS_A_DAY = 16
CONFIDENCE = 0.90
CLAIM_AT = 0.025
"""One-sided, as a two-sided test at 5 %: a false claim costs more than a trial repeated."""
DRAWS = 2000
MOST_SHARE = 0.6
"""The widest saving or loss that an interval can name."""


@dataclass(frozen=True)
class Schedule:
    """Which days are Isotherm's."""

    start_s: float
    """Midnight UTC of the first day."""
    isotherm: tuple[bool, ...]
    seed: int

    def to_json(self) -> str:
        """The text that `read_schedule` reads."""
        days = {
            iso(self.start_s + DAY_S * k)[:10]: "isotherm" if own else "local"
            for k, own in enumerate(self.isotherm)
        }
        return json.dumps({"seed": self.seed, "days": days}, indent=1) + "\n"


@dataclass(frozen=True)
class Switchback:
    """What the days say."""

    days: int
    isotherm_days: int
    left_out: int
    """Days without enough data."""
    saved_share: float
    """Of local control's energy."""
    interval_share: tuple[float, float]
    """`CONFIDENCE`: the factors that the lot does not reject."""
    p_value: float
    """Of «Isotherm saves nothing», one-sided: how often the lot alone would show as much."""
    isotherm_kwh: float
    local_kwh: float
    """Energy of the days of each kind, as metered."""
    spread: float
    """Standard deviation of a day's energy after load and weather, relative."""

    @property
    def claimed(self) -> bool:
        """Whether the saving is proved, at `CLAIM_AT`."""
        return self.p_value <= CLAIM_AT


def schedule(start: str, days: int, seed: int) -> Schedule:
    """Draw a schedule in blocks of `BLOCK` days, half of each Isotherm's.

    Raises
    ------
    HourlyError
        The number of days is not a multiple of `BLOCK`, or too small for a verdict.
    """
    if days < LEAST_DAYS or days % BLOCK:
        raise HourlyError(
            f"choose a multiple of {BLOCK} days, {LEAST_DAYS} at the least: {days} is not"
        )
    try:
        start_s = from_iso(start)
    except ValueError as error:
        raise HourlyError(f"the first day: {error}") from None
    drawn = _draws(days // BLOCK, seed, 1)[0]
    return Schedule(math.floor(start_s / DAY_S) * DAY_S, tuple(map(bool, drawn)), seed)


def read_schedule(path: Path) -> Schedule:
    """Read what `Schedule.to_json` wrote.

    Raises
    ------
    HourlyError
        It is damaged, or was changed after the lot was drawn.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        seed, days = int(data["seed"]), dict(data["days"])
        first = next(iter(days))
    except (OSError, ValueError, KeyError, TypeError, StopIteration) as error:
        raise HourlyError(f"{path} is not a schedule of switchback days: {error!r}") from None
    drawn = schedule(first, len(days), seed)
    if json.loads(drawn.to_json())["days"] != days:
        raise HourlyError(
            f"{path}: its days are not those that its seed {seed} draws; a schedule that was "
            "changed by hand proves nothing. Draw it again, or mark days as left out by deleting "
            "their data."
        )
    return drawn


def analyse(hourly: Hourly, plan: Schedule, *, draws: int = DRAWS) -> Switchback:
    """The saving that the days of a schedule show.

    Raises
    ------
    HourlyError
        Too few days have data.
    """
    energy, drivers, own, kept = _daily(hourly, plan)
    if kept.sum() < LEAST_DAYS:
        raise HourlyError(
            f"only {int(kept.sum())} of {len(kept)} days have {LEAST_HOURS_A_DAY} whole hours; "
            f"{LEAST_DAYS} are the least"
        )
    others = _draws(len(plan.isotherm) // BLOCK, plan.seed + 1, draws)[:, kept]
    test = _Test.of(np.log(energy[kept]), drivers[kept], own[kept], others)
    kind = own[kept]
    low, high = test.interval(CONFIDENCE)
    return Switchback(
        days=int(kept.sum()),
        isotherm_days=int(kind.sum()),
        left_out=int((~kept).sum()),
        saved_share=1.0 - math.exp(test.effect),
        interval_share=(1.0 - math.exp(high), 1.0 - math.exp(low)),
        p_value=test.p_value(),
        isotherm_kwh=float(energy[kept][kind].sum()),
        local_kwh=float(energy[kept][~kind].sum()),
        spread=test.spread,
    )


def power_of_days(
    before: Hourly, days: int, saving: float, *, trials: int = 200, seed: int = 0
) -> float:
    """How often ``days`` of switchback would prove a true ``saving``, on a plant like ``before``.

    Spans of the plant's own history are given schedules by lot; Isotherm's days are made to use
    ``1 - saving`` of what they did.
    """
    whole = np.unique(before.days)
    room = len(whole) - days
    if room < 0:
        raise HourlyError(f"{days} days need a history at least as long; there are {len(whole)}")
    rng = np.random.default_rng([seed, 28])
    proved = 0
    for _ in range(trials):
        first = int(whole[int(rng.integers(0, room + 1))])
        plan = schedule(iso(first * DAY_S), days, int(rng.integers(2**31)))
        span = before.between(plan.start_s, plan.start_s + days * DAY_S)
        proved += analyse(apply_saving(span, plan, saving), plan, draws=400).claimed
    return proved / trials


def apply_saving(hourly: Hourly, plan: Schedule, saving: float) -> Hourly:
    """The same hours with Isotherm's days using ``1 - saving`` of their energy."""
    day = ((hourly.times_s - plan.start_s) // DAY_S).astype(np.int64)
    own = np.array(plan.isotherm)[np.clip(day, 0, len(plan.isotherm) - 1)]
    factor = np.where(own, 1.0 - saving, 1.0)
    return Hourly(
        hourly.times_s, hourly.cooling_kw * factor, hourly.it_kw, hourly.wet_bulb_c, hourly.absent
    )


def _daily(hourly: Hourly, plan: Schedule) -> tuple[Array, Array, Days, Days]:
    """Of each day: energy per hour counted, drivers (D, P), whose it is, whether it counts."""
    count = len(plan.isotherm)
    day = ((hourly.times_s - plan.start_s) // DAY_S).astype(np.int64)
    hour = ((hourly.times_s - plan.start_s) % DAY_S) / 3600.0
    inside = (day >= 0) & (day < count) & (hour >= WASH_OUT_H)
    day = day[inside]
    hours = np.bincount(day, minlength=count)
    each = np.maximum(hours, 1)

    def mean(values: Array) -> Array:
        return np.bincount(day, weights=values[inside], minlength=count) / each

    it, wb = mean(hourly.it_kw), mean(hourly.wet_bulb_c)
    hot = mean(np.maximum(hourly.wet_bulb_c - float(np.median(hourly.wet_bulb_c)), 0.0))
    drivers = np.stack([np.ones(count), np.log(np.maximum(it, 1e-9)), wb, hot], axis=1)
    return (
        mean(hourly.cooling_kw) * (24.0 - WASH_OUT_H),
        drivers,
        np.array(plan.isotherm),
        hours >= LEAST_HOURS_A_DAY,
    )


@dataclass(frozen=True)
class _Test:
    """The randomisation test, with load and weather projected out."""

    effect: float
    """Of the logarithm of a day's energy."""
    others: Array
    """(K,) the effect that each other draw would have shown had Isotherm changed nothing."""
    gain: Array
    """(K,) how much of a true effect each other draw would have shown."""
    spread: float

    @classmethod
    def of(cls, log_energy: Array, drivers: Array, own: Days, others: Days) -> _Test:
        """Regression of the logarithm on drivers and kind, for the draw that came and for all."""
        basis, _ = np.linalg.qr(drivers)

        def rest(values: Array) -> Array:
            return np.asarray(values - (values @ basis) @ basis.T)

        energy = rest(log_energy)
        kind = rest(own.astype(np.float64))
        effect = float(kind @ energy / (kind @ kind))
        drawn = rest(others.astype(np.float64))
        weight = (drawn**2).sum(axis=1)
        left = energy - effect * kind
        freedom = max(len(energy) - drivers.shape[1] - 1, 1)
        return cls(
            effect,
            drawn @ energy / weight,
            drawn @ kind / weight,
            float(np.sqrt((left**2).sum() / freedom)),
        )

    def p_value(self, tried: float = 0.0) -> float:
        """Of «the effect is ``tried`` or more», the draw that came counted among the others."""
        under = self.others - tried * self.gain + tried
        return float(1 + (under <= self.effect).sum()) / (1 + len(under))

    def interval(self, confidence: float) -> tuple[float, float]:
        """The effects that a two-sided test does not reject, by bisection."""
        tail = (1.0 - confidence) / 2.0

        def too_high(tried: float) -> bool:
            return self.p_value(tried) <= tail

        def too_low(tried: float) -> bool:
            under = self.others - tried * self.gain + tried
            return float(1 + (under >= self.effect).sum()) / (1 + len(under)) <= tail

        bound = -math.log(1.0 - MOST_SHARE)
        upper = _edge(self.effect, self.effect + bound, too_high)
        lower = _edge(self.effect, self.effect - bound, too_low)
        return lower, upper


def _edge(inside: float, outside: float, rejected: Callable[[float], bool]) -> float:
    """The boundary between ``inside``, which is not rejected, and ``outside``."""
    if not rejected(outside):
        return outside
    for _ in range(40):
        middle = 0.5 * (inside + outside)
        if rejected(middle):
            outside = middle
        else:
            inside = middle
    return outside


@lru_cache(maxsize=8)
def _arrangements() -> Days:
    """(6, BLOCK) every block with as many days of each kind."""
    kinds = [
        [bool(code >> k & 1) for k in range(BLOCK)]
        for code in range(2**BLOCK)
        if code.bit_count() * 2 == BLOCK
    ]
    return np.array(kinds)


def _draws(blocks: int, seed: int, count: int) -> Days:
    """(count, blocks * BLOCK) schedules as the lot draws them."""
    kinds = _arrangements()
    rng = np.random.default_rng([seed, 4])
    return kinds[rng.integers(0, len(kinds), (count, blocks))].reshape(count, blocks * BLOCK)
