"""The worst case in the envelope: commands, sets of commands, values in force, the plant's own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.scaled import reference_site
from facility.commands import Outcome
from facility.worst_case import WorstCase
from safety.backup_site import backup_of
from safety.envelope import Action, Envelope
from safety.limits import limits_of
from safety.state import EnvelopeState
from tests.backup_kit import FLOW, NOW_S, SUPPLY, command, gate, snapshot, state, usual


def test_a_command_that_would_not_survive_the_worst_case_is_limited() -> None:
    held = usual() | {SUPPLY: 27.0, FLOW: 16.0}
    _, verdict = gate().judge(state(held), command(FLOW, 14.0), snapshot(held), NOW_S)
    assert verdict.check in {"backup", "rate"}
    bound = verdict.value
    assert bound is not None
    held[FLOW] = bound
    _, verdict = gate().judge(state(held), command(SUPPLY, 40.0), snapshot(held), NOW_S)
    assert verdict.outcome is not Outcome.ALLOW


def test_of_a_set_each_command_is_judged_with_the_others_at_their_worst() -> None:
    # Warmer and faster at once: either alone may be in force for a moment.
    held = usual() | {SUPPLY: 25.0, FLOW: 17.0}
    asked = (command(SUPPLY, 40.0), command(FLOW, 22.0))
    _, together = gate().judge_all(state(held), asked, snapshot(held), NOW_S)
    _, alone = gate().judge(state(held), asked[0], snapshot(held), NOW_S)
    assert together[0] == alone


def test_a_value_in_force_is_taken_towards_cooling_when_the_wet_bulb_rises() -> None:
    held = usual() | {SUPPLY: 21.0, FLOW: 14.9}
    dry = gate().judge_in_force(state(held), snapshot(held), NOW_S)[1]
    humid = gate().judge_in_force(state(held), snapshot(held, 26.0), NOW_S)[1]
    found = {each.actuator: each for each in humid if each.check == "backup"}
    assert FLOW not in {each.actuator for each in dry}
    assert found[FLOW].action is Action.CORRECT
    assert (found[FLOW].value or 0.0) > 14.9


def test_a_supply_waits_for_flow_that_was_just_set_and_is_corrected_when_that_came_to_nothing() -> (
    None
):
    held = usual() | {SUPPLY: 27.0, FLOW: 14.9}
    settle_s = gate().limits.actuators[FLOW].settle_s

    def corrected(from_: EnvelopeState, after_s: float) -> tuple[EnvelopeState, dict[str, float]]:
        seen = snapshot(held, 26.0, now_s=NOW_S + after_s)
        after, found = gate().judge_in_force(from_, seen, NOW_S + after_s)
        return after, {each.actuator: each.value or 0.0 for each in found if each.check == "backup"}

    # Nobody has touched the flow: both are put right at once.
    assert {SUPPLY, FLOW} <= set(corrected(state(held), 0.0)[1])
    memory = state(held).of(FLOW)
    just = state(held).with_actuator(FLOW, replace(memory, accepted_at_s=NOW_S))
    waiting, found = corrected(just, 1.0)
    assert SUPPLY not in found
    assert waiting.of(SUPPLY).short_since_s == NOW_S + 1.0
    # Nothing came of it: somebody else's pump, say.
    stuck = waiting.with_actuator(FLOW, just.of(FLOW))
    assert SUPPLY not in corrected(stuck, settle_s - 0.01)[1]
    assert corrected(stuck, settle_s)[1][SUPPLY] < held[SUPPLY]
    # However often flow is set, a supply waits but once.
    again = waiting.with_actuator(FLOW, replace(memory, accepted_at_s=NOW_S + settle_s))
    assert SUPPLY in corrected(again, settle_s + 1.0)[1]
    # It came up: the supply may stay, long after any wait.
    held = held | {FLOW: 25.0}
    risen = waiting.with_actuator(FLOW, replace(memory, in_force=25.0, accepted_at_s=NOW_S))
    after, found = corrected(risen, settle_s + 60.0)
    assert SUPPLY not in found
    assert after.of(SUPPLY).short_since_s is None


@pytest.mark.parametrize("name", ["campus", "frontier"])
def test_the_plants_own_values_survive_on_the_reference_sites(name: str) -> None:
    held = usual(name)
    _, corrections = gate(name).judge_in_force(state(held, name), snapshot(held, 24.0, name), NOW_S)
    assert [each for each in corrections if each.check == "backup"] == []


def test_a_plant_that_answers_sooner_admits_more() -> None:
    site = reference_site("frontier")
    quick = replace(site, worst_case=WorstCase(answer_s=40.0))
    slow, fast = backup_of(site).circuits[0], backup_of(quick).circuits[0]
    assert all(b.lift_k < a.lift_k for a, b in zip(slow.paths, fast.paths, strict=True))
    assert backup_of(site).unguarded == ()


def test_from_outside_a_command_goes_towards_it_as_far_as_the_rate_allows() -> None:
    # The plant's own control may stand outside: to refuse the way in would keep it there.
    held = usual() | {SUPPLY: 36.0, FLOW: 16.0}
    _, verdict = gate().judge(state(held), command(SUPPLY, 20.0), snapshot(held), NOW_S)
    assert (verdict.outcome, verdict.value, verdict.check) == (Outcome.LIMIT, 34.0, "rate")
    _, short = gate().judge(state(held), command(SUPPLY, 35.0), snapshot(held), NOW_S)
    assert (short.outcome, short.value, short.check) == (Outcome.LIMIT, 34.0, "backup")
    _, flow = gate().judge(state(held), command(FLOW, 17.0), snapshot(held), NOW_S)
    assert flow.value is None or flow.value >= 17.0


@pytest.mark.parametrize("name", ["campus", "frontier"])
def test_to_let_go_is_survived_on_the_reference_sites(name: str) -> None:
    assert gate(name).judge_fallbacks(snapshot(usual(name), 24.0, name), NOW_S) == {}


def test_to_let_go_is_no_way_out_where_the_plants_own_values_would_not_do() -> None:
    plain = reference_site("campus")
    own = plain.actuators[FLOW]
    site = replace(plain, actuators={**plain.actuators, FLOW: replace(own, fallback=own.minimum)})
    careless = Envelope(limits_of(site))
    telemetry = snapshot(usual() | {FLOW: 21.0}, 24.0)
    found = careless.judge_fallbacks(telemetry, NOW_S)
    assert {each.check for each in found.values()} == {"backup"}
    assert FLOW in found
    assert careless.judge_fallback(FLOW, telemetry, NOW_S) == found[FLOW]
    assert found[FLOW].saw["wet_bulb_c"] == 25.0
