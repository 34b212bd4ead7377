"""The worst case by hand: what a circuit bears, what each setpoint must leave, and who is told."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest

from facility.devices import Cooling
from safety.arithmetic import units
from safety.backup import AirIntake, Backup, Circuit, Coldplate, Flow, Lever, Path, least_flow
from safety.backup_held import WorstCase

PLATE = Coldplate(limit_c=80.0, coolant_k=12.0, fixed_k=10.0, film_k=10.0)
INTAKE = AirIntake(limit_c=35.0, servers_m3s=10.0, rise_k=12.0, share=0.1, gain=0.25)
SUPPLY, WATER, FLOW, ALSO = "supply", "water", "flow", "also"


def lever(name: str, cooling: Cooling, low: float, high: float, own: float) -> Lever:
    return Lever(name, cooling, low, high, own)


LEVERS = {
    SUPPLY: lever(SUPPLY, Cooling.LOWER, 18.0, 45.0, 25.0),
    WATER: lever(WATER, Cooling.LOWER, 15.0, 40.0, 20.0),
    FLOW: lever(FLOW, Cooling.HIGHER, 5.0, 20.0, 20.0),
    ALSO: lever(ALSO, Cooling.HIGHER, 5.0, 20.0, 20.0),
}
LIQUID = Circuit(
    "unit",
    (PLATE,),
    (Path(SUPPLY, 6.0, 0.5), Path(WATER, 9.0)),
    (Flow(FLOW, 0.05, 20.0),),
    given=0.0,
    loses_one=False,
    weather=(0.75, 17.0),
)
AIR = Circuit(
    "hall",
    (INTAKE,),
    (Path(SUPPLY, 3.0, 0.5),),
    (Flow(FLOW, 0.5, 20.0), Flow(ALSO, 0.5, 20.0)),
    given=2.0,
    loses_one=True,
    rest_c=26.0,
)


def asked(
    circuit: Circuit, values: Mapping[str, float | tuple[float, ...]], wet_bulb_c: float | None = 5
) -> WorstCase:
    def candidates(name: str) -> tuple[float, ...]:
        value = values.get(name, ())
        return value if isinstance(value, tuple) else (value,)

    levers = {name: LEVERS[name] for name in circuit.setpoints}
    return WorstCase(Backup(levers, (circuit,), 26.0, 0.0), candidates, wet_bulb_c)


def test_at_design_flow_a_cold_plate_bears_its_limit_less_its_rise() -> None:
    assert PLATE.room_c(1.0) == pytest.approx(48.0)
    assert PLATE.room_c(0.5) == pytest.approx(80.0 - 24.0 - 10.0 - 10.0 * 2**0.75)


def test_more_than_design_flow_is_not_counted_since_a_pump_may_be_lost() -> None:
    assert PLATE.room_c(1.3) == PLATE.room_c(1.0)


def test_without_flow_nothing_is_borne_and_nothing_breaks() -> None:
    assert PLATE.room_c(0.0) < -400.0
    assert INTAKE.room_c(0.0) < -400.0


def test_an_intake_recirculates_what_the_crahs_do_not_bring() -> None:
    assert INTAKE.room_c(20.0) == pytest.approx(35.0 - 0.1 / 0.9 * 12.0)
    assert INTAKE.room_c(5.0) == pytest.approx(35.0 - 12.0)  # half comes back: by balance
    assert INTAKE.room_c(10.0) == pytest.approx(35.0 - 0.125 / 0.875 * 12.0)
    everything = AirIntake(35.0, 10.0, 12.0, 1.0, 0.0)
    assert everything.room_c(20.0) == -math.inf


@pytest.mark.parametrize("curve", [PLATE, INTAKE])
def test_more_flow_never_bears_less(curve: Coldplate | AirIntake) -> None:
    rooms = [curve.room_c(0.02 * k) for k in range(600)]
    assert rooms == sorted(rooms)


def test_a_supply_ends_where_room_and_lift_meet() -> None:
    upper = asked(LIQUID, {FLOW: 20.0}).interval(SUPPLY).upper
    assert upper is not None
    assert units(upper) == pytest.approx(48.0 - 6.0, abs=1e-4)


def test_below_the_plants_own_value_a_hand_back_may_drift_before_the_flow_follows() -> None:
    room = PLATE.room_c(0.45)
    upper = asked(LIQUID, {FLOW: 9.0}).interval(SUPPLY).upper
    assert 18.5 < room - 6.0 < 25.0
    assert upper is not None
    assert units(upper) == pytest.approx(room - 6.0 - 0.5, abs=1e-4)


def test_a_bound_below_the_range_is_the_coldest_value() -> None:
    assert asked(LIQUID, {FLOW: 5.0}).interval(SUPPLY).upper == 180_000
    assert asked(LIQUID, {FLOW: 5.0}).interval(WATER).upper == 150_000


def test_a_flow_must_bear_the_warmest_path() -> None:
    worst = asked(LIQUID, {SUPPLY: 30.0, WATER: 20.0})
    lower = worst.interval(FLOW).lower
    assert lower is not None
    share = units(lower) / 20.0
    assert PLATE.room_c(share) >= 36.0
    assert PLATE.room_c(share - 0.001) < 36.0


def test_what_no_flow_bears_asks_for_all_of_it() -> None:
    assert asked(LIQUID, {SUPPLY: 45.0}).interval(FLOW).lower == 200_000


@pytest.mark.parametrize(("known", "bulb_c"), [(24.9, 25.0), (None, 26.0)])
def test_the_wet_bulb_binds_the_flow_in_steps_of_half_a_kelvin(
    known: float | None, bulb_c: float
) -> None:
    worst = asked(LIQUID, {SUPPLY: 18.0, WATER: 15.0}, known)
    assert worst.wet_bulb_c == bulb_c
    lower = worst.interval(FLOW).lower
    assert lower is not None
    assert PLATE.room_c(units(lower) / 20.0) >= 0.75 * bulb_c + 17.0 - 1e-9


def test_others_count_at_their_worst_and_at_the_plants_own_value() -> None:
    both = asked(LIQUID, {FLOW: (12.0, 18.0)}).interval(SUPPLY)
    assert both.upper == asked(LIQUID, {FLOW: 12.0}).interval(SUPPLY).upper
    warmer_own = asked(LIQUID, {SUPPLY: 18.0, WATER: 15.0}, -20.0)
    # Water at 15 goes back to 20: 29; the supply at 18 drifts half a kelvin: 24.5.
    assert warmer_own.excess_k(0) == pytest.approx(29.0 - 48.0)


def test_a_value_that_was_accepted_counts_at_once() -> None:
    worst = asked(LIQUID, {SUPPLY: 25.0, FLOW: 20.0})
    before = worst.interval(SUPPLY).upper, worst.interval(FLOW).lower
    worst.accepted(FLOW, 12.0)
    worst.accepted(SUPPLY, 30.0)
    after = worst.interval(SUPPLY).upper, worst.interval(FLOW).lower
    assert None not in (*before, *after)
    assert after[0] < before[0]  # type: ignore[operator]
    assert after[1] > before[1]  # type: ignore[operator]


def test_a_setpoint_without_a_part_is_left_alone() -> None:
    found = asked(LIQUID, {}).interval("another")
    assert (found.lower, found.upper) == (None, None)


def test_fans_that_bring_alike_are_enough_with_one_lost() -> None:
    worst = asked(AIR, {SUPPLY: 25.0, FLOW: 5.0, ALSO: 5.0})
    lower = worst.interval(FLOW).lower
    assert lower is not None
    assert lower == worst.interval(ALSO).lower
    least = least_flow((INTAKE,), 28.0, AIR.most)
    assert 2.0 + 0.5 * units(lower) == pytest.approx(least, abs=1e-3)


def test_a_fan_may_stay_behind_where_the_others_bring_more() -> None:
    three = Circuit(
        "hall",
        (INTAKE,),
        (Path(SUPPLY, 3.0, 0.5),),
        (Flow(FLOW, 0.5, 20.0), Flow(ALSO, 0.5, 20.0), Flow("third", 0.5, 20.0)),
        given=0.0,
        loses_one=True,
    )
    levers = {**LEVERS, "third": lever("third", Cooling.HIGHER, 5.0, 20.0, 20.0)}
    values = {SUPPLY: 20.0, FLOW: 5.0, ALSO: 20.0, "third": 20.0}
    worst = WorstCase(Backup(levers, (three,)), lambda name: (values[name],), 5.0)
    alone, alike = worst.interval(FLOW).lower, worst.interval(ALSO).lower
    assert alone is not None
    assert alike is not None
    assert alone < alike


def test_where_nothing_is_lost_the_others_are_counted_whole() -> None:
    whole = Circuit(
        "hall",
        (INTAKE,),
        (Path(SUPPLY, 3.0, 0.5),),
        (Flow(FLOW, 0.5, 20.0), Flow(ALSO, 0.5, 20.0)),
        given=0.0,
        loses_one=False,
    )
    lower = asked(whole, {SUPPLY: 25.0, ALSO: 18.0}).interval(FLOW).lower
    assert lower is not None
    assert 9.0 + 0.5 * units(lower) == pytest.approx(
        least_flow((INTAKE,), 28.0, whole.most), abs=1e-3
    )


def test_water_at_rest_binds_the_fans_whatever_is_set() -> None:
    lower = asked(AIR, {SUPPLY: 18.0}).interval(FLOW).lower
    assert lower is not None
    assert 2.0 + 0.5 * units(lower) == pytest.approx(
        least_flow((INTAKE,), 26.0, AIR.most), abs=1e-3
    )


def test_without_a_weather_station_it_is_as_humid_as_towers_are_rated_for() -> None:
    assert Backup() == Backup({}, (), 25.6, 0.0, ())
