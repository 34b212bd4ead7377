"""The envelope's arithmetic, proved for all values: its own functions are run on symbols.

docs/proof.md states each theorem in words and says what is not proved. Each test that proves is
followed, at the end, by the same theorem asked of broken arithmetic, which it must reject.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import product
from types import SimpleNamespace
from typing import Any, cast

import pytest

from facility.devices import Cooling
from safety.arithmetic import WIDEST, Interval, Meeting, allowance, grains, meet, units
from safety.checks import rate_interval
from safety.guards import ActuatorLimits, Limits
from tests.proof.symbolic import (
    Path,
    Real,
    Truth,
    Whole,
    both,
    counterexample,
    either,
    follows,
    never,
    runs_of,
    same,
)

Ends = tuple[bool, bool]
"""Whether an interval has a lower and an upper end."""
ENDS: tuple[Ends, ...] = ((True, True), (True, False), (False, True), (False, False))
Meet = Callable[[Iterable[Interval]], Meeting]
Allowance = Callable[[Any, Any, Any], Any]


def interval(name: str, ends: Ends = (True, True)) -> Interval:
    """Any interval, empty ones included."""
    lower = cast(int, Whole(f"{name}_lower")) if ends[0] else None
    upper = cast(int, Whole(f"{name}_upper")) if ends[1] else None
    return Interval(name, lower, upper)


def within(value: Any, each: Interval) -> Any:
    """That an interval admits a value, said without the envelope's `holds`."""
    above = True if each.lower is None else value >= each.lower
    below = True if each.upper is None else value <= each.upper
    return both(above, below)


def sane(value: Any) -> tuple[Truth, Truth]:
    return value >= -WIDEST, value <= WIDEST


def of_a_size_that_occurs(intervals: Iterable[Interval]) -> list[Truth]:
    ends = [end for each in intervals for end in (each.lower, each.upper) if end is not None]
    return [claim for end in ends for claim in sane(end)]


def prove(paths: Sequence[Path], claim: Callable[[Any], Any]) -> None:
    assert paths
    for path in paths:
        found = counterexample(path, claim(path.result))
        assert found is None, f"refuted by {found}"


def refuted(paths: Sequence[Path], claim: Callable[[Any], Any]) -> bool:
    return any(counterexample(path, claim(path.result)) is not None for path in paths)


# -- T1: one intersection ------------------------------------------------------------------------


def intersection(run: Meet, intervals: Sequence[Interval], value: Whole) -> None:
    """Where ``run`` finds no conflict, exactly what all admit is admitted; else nothing is."""
    prove(
        runs_of(lambda: run(intervals), *of_a_size_that_occurs(intervals), *sane(value)),
        lambda met: (
            same(
                both(value >= met.floor, value <= met.ceiling),
                both(*(within(value, each) for each in intervals)),
            )
            if met.conflict is None
            else never(both(*(within(value, each) for each in intervals)))
        ),
    )


@pytest.mark.parametrize("ends", [*product(ENDS, repeat=1), *product(ENDS, repeat=2)])
def test_t1_a_meeting_admits_exactly_what_all_admit(ends: tuple[Ends, ...]) -> None:
    intersection(meet, [interval(f"i{n}", each) for n, each in enumerate(ends)], Whole("value"))


@pytest.mark.parametrize("count", [0, 3])
def test_t1_of_more_intervals(count: int) -> None:
    intersection(meet, [interval(f"i{n}") for n in range(count)], Whole("value"))


@pytest.mark.parametrize("ends", ENDS)
def test_t1_the_step_of_the_loop_from_any_state(ends: Ends) -> None:
    """What carries the proof to any number of intervals.

    After any intervals the loop knows a floor and a ceiling, as after one interval with these
    ends; one more interval makes of them the larger floor and the smaller ceiling, or a conflict.
    """
    before, more = interval("before"), interval("more", ends)
    premises = (
        *of_a_size_that_occurs((before, more)),
        cast(Any, before.lower) <= before.upper,
    )

    def claim(met: Meeting) -> Any:
        if met.conflict is not None:
            low = more.lower if ends[0] else before.lower
            high = more.upper if ends[1] else before.upper
            kept = both(
                cast(Any, met.floor) == before.lower, cast(Any, met.ceiling) == before.upper
            )
            nothing = either(
                cast(Any, low) > high, cast(Any, low) > before.upper, cast(Any, before.lower) > high
            )
            return both(met.conflict is more, kept, nothing)
        floor, ceiling = cast(Any, met.floor), cast(Any, met.ceiling)
        floors = [before.lower, more.lower] if ends[0] else [before.lower]
        ceilings = [before.upper, more.upper] if ends[1] else [before.upper]
        return both(
            *(floor >= each for each in floors),
            either(*(floor == each for each in floors)),
            *(ceiling <= each for each in ceilings),
            either(*(ceiling == each for each in ceilings)),
            floor <= ceiling,
        )

    prove(runs_of(lambda: meet((before, more)), *premises), claim)


def test_t1_the_order_of_the_intervals_decides_nothing_but_names() -> None:
    one, other = interval("one"), interval("other")

    def claim(pair: tuple[Meeting, Meeting]) -> Any:
        there, back = pair
        if there.conflict is None or back.conflict is None:
            return both(
                there.conflict is None,
                back.conflict is None,
                cast(Any, there.floor) == back.floor,
                cast(Any, there.ceiling) == back.ceiling,
            )
        return True

    runs = runs_of(
        lambda: (meet((one, other)), meet((other, one))), *of_a_size_that_occurs((one, other))
    )
    prove(runs, claim)


def test_t1_an_end_is_named_by_an_interval_that_has_it() -> None:
    intervals = [interval("a"), interval("b"), interval("c")]

    def claim(met: Meeting) -> Any:
        lower = True if met.lower is None else cast(Any, met.floor) == met.lower.lower
        upper = True if met.upper is None else cast(Any, met.ceiling) == met.upper.upper
        unnamed_low = True if met.lower else cast(Any, met.floor) == -WIDEST
        return both(lower, upper, unnamed_low)

    runs = runs_of(lambda: meet(intervals), *of_a_size_that_occurs(intervals))
    prove([path for path in runs if path.result.conflict is None], claim)


# -- T2: the nearest admitted value --------------------------------------------------------------


def test_t2_the_nearest_value_is_admitted_and_no_admitted_value_is_nearer() -> None:
    floor, ceiling = Whole("floor"), Whole("ceiling")
    asked, other = Whole("asked"), Whole("other")
    low, high = interval("low"), interval("high")
    met = Meeting(cast(int, floor), cast(int, ceiling), low, high)

    def claim(found: tuple[Any, Interval | None]) -> Any:
        value, bound = found
        admitted = both(value >= floor, value <= ceiling)
        nearer = both(
            other >= floor,
            other <= ceiling,
            either(
                both(asked <= other, other < value),
                both(asked >= other, other > value),
            ),
        )
        moved = asked < floor if bound is low else asked > ceiling
        return both(admitted, never(nearer), value == asked if bound is None else moved)

    prove(runs_of(lambda: met.nearest(cast(int, asked)), floor <= ceiling), claim)


@pytest.mark.parametrize("ends", ENDS)
def test_t2_an_interval_holds_what_lies_between_its_ends(ends: Ends) -> None:
    each, value = interval("i", ends), Whole("value")
    prove(
        runs_of(lambda: bool(each.holds(cast(int, value)))),
        lambda holds: same(holds, within(value, each)),
    )


# -- T3: the rate --------------------------------------------------------------------------------

RATE, ELAPSED, WINDOW = Real("rate"), Real("elapsed_s"), Real("window_s")
ORDINARY = (
    *(RATE >= 0, RATE <= 1000, WINDOW >= 0, WINDOW <= 3600),
    *(ELAPSED >= -(10**9), ELAPSED <= 10**9),
)


def counted() -> tuple[Any, Any, Any]:
    """Rate in grains a minute, elapsed time and window in ms."""
    return round(RATE * 10_000), round(ELAPSED * 1000), round(WINDOW * 1000)


def rounded_within(run: Allowance) -> tuple[list[Path], Callable[[Any], Any]]:
    """The allowance is the rate in grains times the time counted in ms, rounded down."""

    def claim(found: tuple[Any, Any, Any, Any]) -> Any:
        got, rate, elapsed, window = found
        # 60,000 × got <= rate × counted < 60,000 × (got + 1), for counted = min(elapsed, window)
        return both(
            got >= 0,
            follows(elapsed <= 0, got == 0),
            follows(both(elapsed >= 0, elapsed <= window), got * 60_000 <= rate * elapsed),
            follows(elapsed >= window, got * 60_000 <= rate * window),
            follows(both(elapsed >= 0, elapsed <= window), rate * elapsed < (got + 1) * 60_000),
            follows(both(elapsed >= window, window >= 0), rate * window < (got + 1) * 60_000),
        )

    return runs_of(lambda: (run(RATE, ELAPSED, WINDOW), *counted()), *ORDINARY), claim


def test_t3_an_allowance_is_the_rate_over_the_time_that_counts_rounded_down() -> None:
    prove(*rounded_within(allowance))


def over_a_span(run: Allowance) -> tuple[list[Path], Callable[[Any], Any]]:
    """One more move keeps the sum of all moves of a span within rate × (window + span).

    ``moved`` is what all moves since the span began come to, the last of them ``span`` ms after
    it began; the induction starts with one move, which is at most rate × window (T3).
    """
    moved, span = Whole("moved"), Whole("span_ms")

    def claim(found: tuple[Any, Any, Any, Any]) -> Any:
        got, rate, elapsed, window = found
        kept = both(span >= 0, elapsed >= 0, moved * 60_000 <= rate * (window + span))
        return follows(kept, (moved + got) * 60_000 <= rate * (window + (span + elapsed)))

    return runs_of(lambda: (run(RATE, ELAPSED, WINDOW), *counted()), *ORDINARY), claim


def test_t3_over_any_span_at_most_the_rate_times_span_and_window() -> None:
    prove(*over_a_span(allowance))


STARTS = (Whole("start"), Whole("read_back"))


def from_every_start(
    cooling: Cooling, moved_at_s: Real | None
) -> tuple[list[Path], Callable[[Any], Any]]:
    """What the check `rate` admits is within the allowance by direction from each start."""
    towards, away = Real("towards"), Real("away")
    now_s, value = Real("now_s"), Whole("value")
    limits = cast(Limits, SimpleNamespace(towards_window_s=60.0, away_window_s=300.0))
    own = cast(
        ActuatorLimits,
        SimpleNamespace(
            rate_towards_per_min=towards, rate_away_per_min=away, cooling=cooling, unit="degC"
        ),
    )

    def run() -> tuple[Interval, Any, Any]:
        starts = cast(tuple[int, ...], STARTS)
        admitted = rate_interval(limits, own, starts, cast(float, moved_at_s), cast(float, now_s))
        elapsed: Any = 300.0 if moved_at_s is None else now_s - moved_at_s
        most = cast(Allowance, allowance)
        return admitted, most(towards, elapsed, 60.0), most(away, elapsed, 300.0)

    def claim(found: tuple[Interval, Any, Any]) -> Any:
        admitted, most_towards, most_away = found
        moves = [(value - start) * cooling.sign for start in STARTS]
        return same(
            within(value, admitted),
            both(*(both(move <= most_towards, move >= -most_away) for move in moves)),
        )

    premises = [towards >= 0, towards <= 1000, away >= 0, away <= 1000, *sane(value)]
    premises += [now_s >= 0, now_s <= 10**6]
    if moved_at_s is not None:
        premises += [moved_at_s >= 0, moved_at_s <= 10**6]
    return runs_of(run, *premises), claim


@pytest.mark.parametrize("moved_at_s", [None, Real("moved_at_s")])
@pytest.mark.parametrize("cooling", list(Cooling))
def test_t3_the_check_keeps_the_rate_from_every_start(
    cooling: Cooling, moved_at_s: Real | None
) -> None:
    prove(*from_every_start(cooling, moved_at_s))


# -- T4: rounding --------------------------------------------------------------------------------


def test_t4_grains_are_the_nearest_and_keep_the_order() -> None:
    one, other = Real("one"), Real("other")

    def claim(found: tuple[Any, Any]) -> Any:
        first, second = found
        off = one * 10_000 - first
        return both(
            follows(one <= other, first <= second),
            follows(one == other, first == second),
            off * 2 <= 1,
            off * 2 >= -1,
        )

    prove(runs_of(lambda: (grains(cast(float, one)), grains(cast(float, other)))), claim)


def test_t4_a_number_of_grains_is_the_same_after_units_and_back() -> None:
    count = Whole("count")
    prove(runs_of(lambda: grains(units(cast(int, count)))), lambda got: got == count)


# -- T5: all limits together ---------------------------------------------------------------------


def clamped_at_once(previous: Any, low: Any, high: Any, step: Any, asked: Any) -> Any:
    """The envelope's way; None where no value keeps range and rate."""
    met = meet((Interval("range", low, high), Interval("rate", previous - step, previous + step)))
    return None if met.conflict is not None else met.nearest(asked)[0]


def clamped_in_turn(previous: Any, low: Any, high: Any, step: Any, asked: Any) -> Any:
    """The naive way: the rate first, then the range."""
    value = min(max(asked, previous - step), previous + step)
    return min(max(value, low), high)


def range_and_rate(run: Callable[..., Any]) -> tuple[list[Path], Callable[[Any], Any]]:
    previous, low, high, step, asked = map(Whole, ("previous", "low", "high", "step", "asked"))
    values = (previous, low, high, step, asked)

    def claim(value: Any) -> Any:
        if value is None:
            return True
        kept = (value >= low, value <= high)
        return both(*kept, value - previous <= step, previous - value <= step)

    premises = [claim for each in values for claim in (each >= -(10**12), each <= 10**12)]
    return runs_of(lambda: run(*values), *premises, low <= high, step >= 0), claim


def test_t5_what_is_accepted_keeps_range_and_rate_together() -> None:
    prove(*range_and_rate(clamped_at_once))


def test_t5_nothing_is_refused_that_could_be_kept() -> None:
    previous, low, high, step = map(Whole, ("previous", "low", "high", "step"))
    witness = Whole("witness")
    kept = both(
        witness >= low, witness <= high, witness - previous <= step, previous - witness <= step
    )
    values = (previous, low, high, step)
    premises = [claim for each in values for claim in (each >= -(10**12), each <= 10**12)]
    runs = runs_of(lambda: clamped_at_once(*values, previous), *premises)
    prove([path for path in runs if path.result is None], lambda _: never(kept))


# -- the proof notices ---------------------------------------------------------------------------


def test_a_clamp_after_the_rate_is_rejected() -> None:
    """Previous 0, range [-3/8, -3/8], rate 1/8: the published counterexample, and Z3's own."""
    assert refuted(*range_and_rate(clamped_in_turn))
    span, step = grains(3 / 8), grains(1 / 8)
    value = clamped_in_turn(0, -span, -span, step, 0)
    assert value == -span
    assert abs(value) > step
    assert clamped_at_once(0, -span, -span, step, 0) is None


def rounded_up(rate: Any, elapsed_s: Any, window_s: Any) -> Any:
    counted = max(min(round(elapsed_s * 1000), round(window_s * 1000)), 0)
    return -(-(round(rate * 10_000) * counted) // 60_000)


def without_window(rate: Any, elapsed_s: Any, window_s: Any) -> Any:
    return round(rate * 10_000) * max(round(elapsed_s * 1000), 0) // 60_000


def of_the_future(rate: Any, elapsed_s: Any, window_s: Any) -> Any:
    return round(rate * 10_000) * min(round(elapsed_s * 1000), round(window_s * 1000)) // 60_000


@pytest.mark.parametrize("broken", [rounded_up, without_window, of_the_future])
def test_a_broken_allowance_is_rejected(broken: Allowance) -> None:
    assert refuted(*rounded_within(broken))


def test_a_rate_that_rounds_up_is_rejected_over_a_span() -> None:
    assert refuted(*over_a_span(rounded_up))


def keeps_the_last(intervals: Iterable[Interval]) -> Meeting:
    """Takes the last interval's ends for those of all."""
    *_, last = intervals
    low = -WIDEST if last.lower is None else last.lower
    high = WIDEST if last.upper is None else last.upper
    return Meeting(low, high)


def blind_to_conflict(intervals: Iterable[Interval]) -> Meeting:
    met = meet(intervals)
    return Meeting(met.floor, met.ceiling, met.lower, met.upper)


@pytest.mark.parametrize("broken", [keeps_the_last, blind_to_conflict])
def test_a_broken_meeting_is_rejected(broken: Meet) -> None:
    with pytest.raises(AssertionError, match="refuted by"):
        intersection(broken, [interval("a"), interval("b")], Whole("value"))
