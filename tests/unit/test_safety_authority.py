"""Nothing is written that nobody who may has asked for."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from facility.commands import Command, Mode, Move, Origin, Outcome, Verdict
from safety import authority
from safety.authority import AuthorityError
from safety.state import EnvelopeState
from tests.safety_kit import (
    FLOW,
    NOW_S,
    TEMPERATURE,
    command,
    command_at,
    decision,
    envelope,
    holding,
    override,
    telemetry,
)

GATE = envelope()
BARE = replace(holding(GATE), decisions={}, overrides={})
MOVE = Move(TEMPERATURE, 30.0, 29.0)
BY_OVERRIDE: dict[str, Any] = {
    "origin": Origin.PERSON,
    "authority": "override-1",
    "plan_hash": "",
}


def ask(
    state: EnvelopeState, asked: Command, mode: Mode = Mode.AUTOMATIC, now_s: float = NOW_S
) -> Verdict:
    return GATE.judge(state, asked, telemetry(now_s=now_s, mode=mode), now_s)[1]


def with_decision(*moves: Move, **more: Any) -> EnvelopeState:
    return GATE.register(BARE, decision(*(moves or (MOVE,)), **more), NOW_S)


def by_decision(value: float = 29.0, **more: Any) -> Command:
    return command(value, **({"authority": "decision-1"} | more))


def test_a_command_that_its_decision_covers_is_allowed() -> None:
    assert ask(with_decision(), by_decision()).value == 29.0
    assert ask(with_decision(), by_decision(29.4)).value == pytest.approx(29.4)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"authority": "nobody"}, "no decision or override 'nobody'"),
        ({"plan_hash": "plan-2"}, "another plan"),
        ({"plan_hash": ""}, "another plan"),
        ({"origin": Origin.PERSON}, "was not made by a person"),
        ({"origin": Origin.SAFETY}, "was not made by a safety"),
        ({"on": FLOW}, "does not move this actuator"),
    ],
)
def test_a_command_that_its_decision_does_not_cover_is_refused(
    asked: dict[str, Any], words: str
) -> None:
    verdict = ask(with_decision(), by_decision(**asked))
    assert (verdict.outcome, verdict.check) == (Outcome.REFUSE, "authority")
    assert words in verdict.detail


@pytest.mark.parametrize(("asked", "value"), [(30.4, None), (28.0, 29.0), (29.0, 29.0)])
def test_only_the_values_between_now_and_proposed_are_covered(
    asked: float, value: float | None
) -> None:
    verdict = ask(with_decision(), by_decision(asked))
    assert verdict.value == value
    assert verdict.check == ("" if asked == 29.0 else "authority")


def test_a_plant_that_has_moved_out_of_the_decision_is_not_moved() -> None:
    """Approvals age: decided for 33 to 32 °C, and the setpoint stands at 30."""
    verdict = ask(with_decision(Move(TEMPERATURE, 33.0, 32.0)), by_decision(32.0))
    assert (verdict.outcome, verdict.check) == (Outcome.REFUSE, "authority")


def test_several_moves_of_one_actuator_cover_their_hull() -> None:
    moves = (MOVE, Move(FLOW, 20.0, 21.0), Move(TEMPERATURE, 29.0, 28.5))
    assert ask(with_decision(*moves), by_decision(28.5)).value == 28.5


@pytest.mark.parametrize(
    ("at_s", "covers"), [(-2.0, False), (-1.0, True), (0.0, True), (9.99, True), (10.0, False)]
)
def test_a_decision_covers_until_it_expires(at_s: float, covers: bool) -> None:
    state = replace(with_decision(expires_at_s=NOW_S + 10.0), seen_s=None)
    verdict = ask(state, command_at(NOW_S + at_s, 29.0, authority="decision-1"), now_s=NOW_S + at_s)
    assert (verdict.check == "") is covers


@pytest.mark.parametrize("origin", Origin)
def test_in_advisory_a_person_decides(origin: Origin) -> None:
    verdict = ask(with_decision(origin=origin), by_decision(), Mode.ADVISORY)
    assert (verdict.value == 29.0) is (origin is Origin.PERSON)
    if origin is not Origin.PERSON:
        assert "a person decides" in verdict.detail


def test_an_override_covers_exactly_its_value_and_the_way_there() -> None:
    state = GATE.register(BARE, override(28.5), NOW_S)
    assert ask(state, command(28.5, **BY_OVERRIDE)).value == 28.5
    assert "is for 28.5" in ask(state, command(28.6, **BY_OVERRIDE)).detail
    far = GATE.register(BARE, override(24.0), NOW_S)
    assert ask(far, command(24.0, **BY_OVERRIDE)).value == 28.0


@pytest.mark.parametrize("mode", [Mode.ADVISORY, Mode.AUTOMATIC])
def test_an_override_outranks_every_decision(mode: Mode) -> None:
    state = GATE.register(with_decision(origin=Origin.PERSON), override(30.4), NOW_S)
    verdict = ask(state, by_decision(origin=Origin.PERSON), mode)
    assert (verdict.outcome, verdict.check) == (Outcome.REFUSE, "authority")
    assert "ada holds this actuator" in verdict.detail
    assert ask(state, command(30.4, **BY_OVERRIDE), mode).value == pytest.approx(30.4)
    ended = GATE.end_override(state, "override-1")
    assert ask(ended, by_decision(origin=Origin.PERSON), mode).value == 29.0


def test_an_override_is_carried_out_as_a_persons_command() -> None:
    state = GATE.register(BARE, override(28.5), NOW_S)
    verdict = ask(state, command(28.5, **(BY_OVERRIDE | {"origin": Origin.OPTIMISER})))
    assert "as a person's command" in verdict.detail


def test_an_override_of_another_actuator_does_not_cover() -> None:
    state = GATE.register(BARE, override(21.0, FLOW), NOW_S)
    verdict = ask(state, command(28.5, **BY_OVERRIDE))
    assert "is not in force on this actuator" in verdict.detail


@pytest.mark.parametrize(
    ("at_s", "holds"), [(99.0, False), (100.0, True), (199.0, True), (200.0, False)]
)
def test_an_override_holds_from_its_start_to_its_end(at_s: float, holds: bool) -> None:
    state = GATE.register(
        with_decision(),
        override(30.4, starts_at_s=NOW_S + 100.0, expires_at_s=NOW_S + 200.0),
        NOW_S,
    )
    now_s = NOW_S + at_s
    free = ask(state, command_at(now_s, 29.0, authority="decision-1"), now_s=now_s)
    assert (free.value is None) is holds
    held = ask(state, command_at(now_s, 30.4, **BY_OVERRIDE), now_s=now_s)
    assert (held.value is not None) is holds


# -- registering ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (decision(), "moves nothing"),
        (decision(MOVE, plan_hash=""), "names no plan"),
        (decision(Move("cdu_9.x", 1.0, 2.0)), "no actuator 'cdu_9.x'"),
        (decision(Move(TEMPERATURE, math.nan, 29.0)), "no finite value"),
        (decision(Move(TEMPERATURE, 30.0, math.inf)), "no finite value"),
        (decision(MOVE, expires_at_s=NOW_S), "has expired"),
        (decision(MOVE, expires_at_s=NOW_S - 2.0), "must end after it starts"),
        (decision(MOVE, expires_at_s=math.inf), "must end after it starts"),
        (decision(MOVE, expires_at_s=math.nan), "must end after it starts"),
        (decision(MOVE, decided_at_s=-math.inf), "must end after it starts"),
        (decision(MOVE, decided_at_s=NOW_S + 1.1), "in the future"),
        (override(29.0, "cdu_9.x"), "no actuator"),
        (override(math.nan), "no finite value"),
        (override(19.9), "outside range"),
        (override(40.1), "outside supply_maximum"),
        (override(9.9, FLOW), "outside minimum_flow"),
        (override(29.0, expires_at_s=NOW_S), "has expired"),
    ],
)
def test_what_makes_no_sense_is_not_registered(bad: Any, words: str) -> None:
    with pytest.raises(AuthorityError, match=words):
        GATE.register(BARE, bad, NOW_S)


@pytest.mark.parametrize(("value", "on"), [(40.0, TEMPERATURE), (20.0, TEMPERATURE), (10.0, FLOW)])
def test_an_override_may_stand_at_a_limit(value: float, on: str) -> None:
    assert GATE.register(BARE, override(value, on), NOW_S).overrides["override-1"].value == value


def test_registering_again_changes_nothing_and_an_id_keeps_its_meaning() -> None:
    state = with_decision()
    assert GATE.register(state, decision(MOVE), NOW_S) == state
    with pytest.raises(AuthorityError, match="another content"):
        GATE.register(state, decision(Move(TEMPERATURE, 30.0, 28.0)), NOW_S)
    with pytest.raises(AuthorityError, match="another content"):
        GATE.register(state, override(29.0, id="decision-1"), NOW_S)


@pytest.mark.parametrize(
    ("start_s", "end_s", "conflicts"),
    [(-1.0, 50.0, True), (3599.0, 3700.0, True), (3600.0, 3700.0, False), (-100.0, -1.0, False)],
)
def test_overrides_of_one_actuator_must_not_overlap(
    start_s: float, end_s: float, conflicts: bool
) -> None:
    state = GATE.register(BARE, override(29.0), NOW_S - 500.0)
    second = override(
        28.0, id="override-2", starts_at_s=NOW_S + start_s, expires_at_s=NOW_S + end_s
    )
    if conflicts:
        with pytest.raises(AuthorityError, match="'override-1' of ada"):
            GATE.register(state, second, NOW_S - 500.0)
    else:
        assert len(GATE.register(state, second, NOW_S - 500.0).overrides) == 2
    other = GATE.register(state, override(21.0, FLOW, id="override-3"), NOW_S)
    assert len(other.overrides) == 2


def test_an_override_that_is_not_there_cannot_be_ended() -> None:
    with pytest.raises(AuthorityError, match="no override"):
        GATE.end_override(BARE, "override-1")


def test_what_has_expired_is_dropped_and_the_number_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(authority, "MOST_DECISIONS", 2)
    state = with_decision(expires_at_s=NOW_S + 10.0)
    state = GATE.register(state, decision(MOVE, id="decision-2"), NOW_S)
    with pytest.raises(AuthorityError, match="let some expire"):
        GATE.register(state, decision(MOVE, id="decision-3"), NOW_S)
    state = GATE.register(state, decision(MOVE, id="decision-3"), NOW_S + 10.0)
    assert set(state.decisions) == {"decision-2", "decision-3"}
    state = GATE.register(BARE, override(29.0), NOW_S)
    state, _ = GATE.judge_in_force(state, telemetry(now_s=NOW_S + 3600.0), NOW_S + 3600.0)
    assert state.overrides == {}
