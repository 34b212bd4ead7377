"""Authority and pace: who may ask, and how often, to the last moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

import safety.arithmetic
import safety.authority
import safety.checks
import safety.dwell
import safety.envelope
import safety.guards
import safety.in_force
import safety.interlocks
import safety.journal
import safety.permit
import safety.state
from facility.commands import Mode, Move, Origin
from facility.devices import Cooling
from safety import dwell
from safety.authority import covered, end_override, register, why_not
from safety.checks import Case
from safety.interlocks import Situation, survey
from safety.state import NEVER, ActuatorState, EnvelopeState
from tests.safety_kit import (
    FLOW,
    NO_WORST_CASE,
    NOW_S,
    TEMPERATURE,
    command,
    decision,
    envelope,
    holding,
    moment,
    override,
    telemetry,
)

GATE = envelope()
STATE = holding(GATE)
LIMITS = GATE.limits
OWN = LIMITS.actuators


def situation(on: str = TEMPERATURE, **changes: Any) -> Situation:
    found = survey(OWN[on], STATE.of(on), moment(telemetry()))
    return replace(found, **changes)


def case(
    on: str = TEMPERATURE,
    value: float = 29.0,
    state: EnvelopeState = STATE,
    asked: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Case:
    asking = command(value, on, **(asked or {}))
    return Case(LIMITS, OWN[on], state, asking, situation(on, **changes), NOW_S, NO_WORST_CASE)


def floats(saw: Mapping[str, float]) -> Mapping[str, float]:
    """What a verdict saw, whole numbers turned away: it goes into a journal as it is."""
    assert {type(number) for number in saw.values()} <= {float}
    return saw


# -- authority -----------------------------------------------------------------------------------


def test_a_decision_covers_its_own_move_of_each_actuator() -> None:
    made = decision(Move(TEMPERATURE, 30.0, 28.5), Move(FLOW, 20.0, 25.0))
    state = EnvelopeState(decisions={made.id: made})
    asked = command(29.0, authority=made.id)
    found = covered(state, OWN[TEMPERATURE], asked, (300_000,))
    assert (found.check, found.lower, found.upper) == ("authority", 285_000, 300_000)


@pytest.mark.parametrize("starts", [(250_000, 300_000), (300_000, 250_000)])
def test_an_override_covers_the_way_from_every_start(starts: tuple[int, ...]) -> None:
    held = override(26.0)
    state = EnvelopeState(overrides={held.id: held})
    found = covered(state, OWN[TEMPERATURE], command(26.0, authority=held.id), starts)
    assert (found.check, found.lower, found.upper) == ("authority", 250_000, 300_000)


def test_whoever_may_is_told_nothing() -> None:
    held = override(26.0)
    state = EnvelopeState(overrides={held.id: held})
    asked = command(26.0, authority=held.id, origin=Origin.PERSON)
    assert why_not(state, asked, Mode.AUTOMATIC, NOW_S) == ""
    made = decision(Move(TEMPERATURE, 30.0, 28.0))
    state = EnvelopeState(decisions={made.id: made})
    assert why_not(state, command(29.0, authority=made.id), Mode.AUTOMATIC, NOW_S) == ""


def test_a_command_without_a_plan_is_about_no_decision() -> None:
    made = decision(Move(TEMPERATURE, 30.0, 28.0), plan_hash="")
    state = EnvelopeState(decisions={made.id: made})
    asked = command(29.0, authority=made.id, plan_hash="")
    assert "about another plan" in why_not(state, asked, Mode.AUTOMATIC, NOW_S)


def test_the_same_override_again_changes_nothing_and_ending_one_leaves_the_others() -> None:
    state = register(LIMITS, EnvelopeState(), override(26.0), NOW_S)
    assert register(LIMITS, state, override(26.0), NOW_S) == state
    other = override(22.0, FLOW, id="override-2")
    both = register(LIMITS, state, other, NOW_S)
    assert end_override(both, "override-2") == state
    assert set(end_override(both, "override-1").overrides) == {"override-2"}


@pytest.mark.parametrize(("ahead_s", "accepted"), [(1.0, True), (1.0001, False)])
def test_a_decision_may_be_a_beat_ahead(ahead_s: float, accepted: bool) -> None:
    made = decision(Move(TEMPERATURE, 30.0, 28.0), decided_at_s=NOW_S + ahead_s)
    if accepted:
        assert made.id in register(LIMITS, EnvelopeState(), made, NOW_S).decisions
    else:
        with pytest.raises(safety.authority.AuthorityError, match="made in the future"):
            register(LIMITS, EnvelopeState(), made, NOW_S)


def test_what_ends_as_it_starts_is_no_authority() -> None:
    for made in (
        decision(Move(TEMPERATURE, 30.0, 28.0), decided_at_s=NOW_S + 1.0, expires_at_s=NOW_S + 1.0),
        override(26.0, starts_at_s=NOW_S + 9.0, expires_at_s=NOW_S + 9.0),
    ):
        with pytest.raises(safety.authority.AuthorityError, match="must end after it starts"):
            register(LIMITS, EnvelopeState(), made, NOW_S)


@pytest.mark.parametrize("kind", ["decisions", "overrides"])
def test_a_thousand_authorities_are_the_most(kind: str) -> None:
    def made(number: int) -> Any:
        if kind == "decisions":
            return decision(Move(TEMPERATURE, 30.0, 28.0), id=f"n{number}")
        start_s = NOW_S + 10.0 * number
        return override(26.0, id=f"n{number}", starts_at_s=start_s, expires_at_s=start_s + 10.0)

    def of(held: dict[str, Any]) -> EnvelopeState:
        return EnvelopeState(**{kind: dict(held)})  # type: ignore[arg-type]  # one of its mappings

    held = {each.id: each for each in map(made, range(1000))}
    full = of(held)
    with pytest.raises(safety.authority.AuthorityError, match="1000"):
        register(LIMITS, full, made(1000), NOW_S)
    del held["n7"]
    nearly = of(held)
    assert len(getattr(register(LIMITS, nearly, made(1000), NOW_S), kind)) == 1000


# -- pace ----------------------------------------------------------------------------------------


def remembered(**more: Any) -> ActuatorState:
    return replace(NEVER, **more)


def test_waits_show_what_they_count() -> None:
    own = OWN[TEMPERATURE]
    young = remembered(optimised_at_s=NOW_S - 298.0)
    busy = remembered(optimiser_writes_s=tuple(NOW_S - 400.0 for _ in range(6)))
    hunting = remembered(reversals_s=(NOW_S - 1.0, NOW_S - 2.0), optimiser_direction=1)
    found = [dwell.why_wait(LIMITS, own, each, -1, NOW_S) for each in (young, busy, hunting)]
    assert [(each.check, floats(each.saw)) for each in found if each] == [
        ("dwell", {"since_s": 298.0, "dwell_s": 300.0}),
        ("budget", {"used": 6.0, "writes_per_hour": 6.0}),
        ("hunting", {"turns": 2.0, "reversals_per_hour": 2.0}),
    ]


@pytest.mark.parametrize(("ago_s", "counts"), [(3599.99995, True), (3600.0, False)])
def test_an_hour_is_an_hour(ago_s: float, counts: bool) -> None:
    busy = remembered(optimiser_writes_s=(NOW_S - ago_s,) * 6)
    assert (dwell.why_wait(LIMITS, OWN[FLOW], busy, 1, NOW_S) is not None) is counts


@pytest.mark.parametrize(
    ("way", "before", "turned"),
    [(-1, 1, True), (-1, 0, False), (-1, -1, False), (0, 1, False), (1, 1, False), (1, -1, False)],
)
def test_a_turn_is_from_more_cooling_to_less(way: int, before: int, turned: bool) -> None:
    turns = (NOW_S - 9.0,)
    memory = remembered(
        optimiser_direction=before,
        reversals_s=turns,
        moved_at_s=NOW_S - 7.0,
        optimiser_writes_s=(NOW_S - 8.0,),
    )
    after = dwell.accepted(memory, 29.0, Origin.OPTIMISER, way, NOW_S)
    assert after == ActuatorState(
        in_force=29.0,
        accepted_at_s=NOW_S,
        moved_at_s=NOW_S if way else NOW_S - 7.0,
        optimised_at_s=NOW_S,
        optimiser_writes_s=(NOW_S - 8.0, NOW_S),
        optimiser_direction=way or before,
        reversals_s=(*turns, NOW_S) if turned else turns,
    )


@pytest.mark.parametrize("cooling", list(Cooling))
@pytest.mark.parametrize(("value", "start", "up"), [(2, 1, 1), (1, 2, -1), (1, 1, 0)])
def test_direction(cooling: Cooling, value: int, start: int, up: int) -> None:
    own = replace(OWN[FLOW], cooling=cooling)
    assert dwell.direction(own, value, start) == up * cooling.sign
