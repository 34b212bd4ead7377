"""What may be in force as the plant stands: held, read back, given back; and the wet bulb."""

from __future__ import annotations

from dataclasses import replace

from facility.telemetry import Quality, Reading
from safety.backup_held import worst_case, worst_case_of_own
from safety.guards import Sensor
from safety.limits import limits_of
from safety.state import ActuatorState, EnvelopeState
from tests.safety_kit import NOW_S, TEMPERATURE, moment, read_back, reading, site, telemetry

# -- as the plant stands -------------------------------------------------------------------------


LIMITS = limits_of(site())
BACK = read_back(TEMPERATURE)


def candidates(
    held: float | None, shown: float | Reading | None, *, armed: bool = True, known: bool = True
) -> tuple[float, ...]:
    """What may be in force on the CDU's supply."""
    state = EnvelopeState().with_actuator(TEMPERATURE, ActuatorState(in_force=held))
    seen = telemetry({BACK: shown}, armed=armed)
    if not known:
        seen = replace(seen, devices={})
    return worst_case(LIMITS, state, moment(seen))._of(TEMPERATURE)


def test_what_is_held_and_what_is_read_back_may_be_in_force() -> None:
    assert candidates(31.0, 30.0) == (31.0, 30.0)
    assert candidates(31.0, None) == (31.0,)
    assert candidates(None, 30.0) == (30.0,)
    assert candidates(31.0, 30.0, armed=False) == (30.0,)
    assert candidates(31.0, 30.0, known=False) == (30.0,)
    assert candidates(31.0, None, armed=False) == ()
    assert candidates(None, reading(30.0, NOW_S - 17.0)) == ()
    assert candidates(None, reading(30.0, NOW_S + 1.0)) == (30.0,)
    assert candidates(None, reading(30.0, NOW_S + 1.1)) == ()
    assert candidates(None, reading(30.0, quality=Quality.BAD)) == ()


def test_with_all_given_back_nothing_of_ours_is_in_force() -> None:
    worst = worst_case_of_own(LIMITS, moment(telemetry()))
    assert worst._of(TEMPERATURE) == ()
    assert worst.wet_bulb_c == 27.0  # none is measured: 25.6, a kelvin, and up


def test_the_wet_bulb_is_the_measured_one_where_that_is_usable() -> None:
    bulb = "outdoor.wet_bulb_temperature"
    limits = replace(LIMITS, wet_bulb=Sensor(bulb, 16.0))
    seen = moment(telemetry({bulb: 20.2}))
    assert worst_case_of_own(limits, seen).wet_bulb_c == 21.5
    assert worst_case(limits, EnvelopeState(), seen).wet_bulb_c == 21.5
    late = moment(telemetry({bulb: reading(20.2, NOW_S - 16.1)}))
    assert worst_case_of_own(limits, late).wet_bulb_c == 27.0
