"""How often the optimiser may write, across restarts and absent devices; nobody else is counted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from facility.commands import Origin, Outcome, Verdict
from safety.envelope import Envelope
from safety.state import EnvelopeState
from tests.safety_kit import (
    ACTUATORS,
    AIR,
    NOW_S,
    changed,
    command_at,
    envelope,
    holding,
    read_back,
    telemetry,
)

PERSON: dict[str, Any] = {"origin": Origin.PERSON, "authority": "wide-person"}
SAFETY: dict[str, Any] = {"origin": Origin.SAFETY, "authority": "wide-safety"}
FAST = changed(
    ACTUATORS[2], rate_away_per_min=50.0, rate_towards_per_min=50.0, dwell_s=0.0, writes_per_hour=99
)


def gate(**more: Any) -> Envelope:
    return envelope(actuators=[changed(FAST, **more)])


class Run:
    """Commands to one actuator, each read back before the next."""

    def __init__(self, gate: Envelope) -> None:
        self.gate, self.state, self.held = gate, holding(gate), 22.0

    def ask(self, after_s: float, value: float, **more: Any) -> Verdict:
        now_s = NOW_S + after_s
        seen = telemetry({read_back(AIR): self.held}, now_s=now_s)
        asked = command_at(now_s, value, AIR, **more)
        self.state, verdict = self.gate.judge(self.state, asked, seen, now_s)
        self.held = self.held if verdict.value is None else verdict.value
        return verdict


@pytest.mark.parametrize(
    ("after_s", "check"), [(1.0, "dwell"), (298.9, "dwell"), (299.0, ""), (300.0, "")]
)
def test_dwell_with_one_beat_of_slack(after_s: float, check: str) -> None:
    run = Run(gate(dwell_s=300.0))
    assert run.ask(0.0, 21.0).check == ""
    verdict = run.ask(after_s, 20.0)
    assert verdict.check == check
    if check:
        assert verdict.outcome is Outcome.REFUSE
        assert verdict.saw["dwell_s"] == 300.0


@pytest.mark.parametrize("exempt", [PERSON, SAFETY])
def test_people_and_moves_to_safety_wait_for_nothing_and_use_nothing_up(
    exempt: dict[str, Any],
) -> None:
    run = Run(gate(dwell_s=300.0, writes_per_hour=1))
    assert run.ask(0.0, 21.0).check == ""
    for step in range(1, 10):
        assert run.ask(60.0 * step, 21.0 - 0.3 * step, **exempt).outcome is Outcome.ALLOW
    assert len(run.state.of(AIR).optimiser_writes_s) == 1
    run = Run(gate(dwell_s=300.0, writes_per_hour=1))
    run.ask(0.0, 21.0, **exempt)
    assert run.ask(60.0, 20.0).check == ""


def test_the_budget_of_an_hour() -> None:
    run = Run(gate(writes_per_hour=6))
    for step in range(6):
        assert run.ask(60.0 * step, 22.5 + 0.5 * step).check == ""
    verdict = run.ask(3599.9, 20.0)
    assert (verdict.outcome, verdict.check) == (Outcome.REFUSE, "budget")
    assert verdict.saw["used"] == 6.0
    assert run.ask(3600.0, 20.0).check == ""
    assert run.ask(3659.9, 21.0).check == "budget"
    assert run.ask(3660.0, 21.0).check == ""


def test_no_budget_is_no_optimiser() -> None:
    assert Run(gate(writes_per_hour=0)).ask(0.0, 21.0).check == "budget"


def test_refused_and_unchanged_commands_use_nothing_up() -> None:
    run = Run(gate(writes_per_hour=1))
    for step in range(5):
        assert run.ask(float(step), 22.0).check == "unchanged"
        assert run.ask(float(step), 22.1).check == "dead_band"
        assert run.ask(float(step), float("nan")).check == "finite"
    assert run.ask(9.0, 21.0).check == ""


def test_the_flip_flop_between_two_optima_is_stopped_on_the_warm_side() -> None:
    run = Run(gate())
    assert run.ask(0.0, 21.0).check == ""  # towards
    assert run.ask(60.0, 22.0).check == ""  # away: turn 1
    assert run.ask(120.0, 21.0).check == ""
    assert run.ask(180.0, 22.0).check == ""  # away: turn 2
    assert run.ask(240.0, 21.0).check == ""  # more cooling is never hunting
    verdict = run.ask(300.0, 22.0)
    assert (verdict.outcome, verdict.check) == (Outcome.REFUSE, "hunting")
    assert verdict.saw["turns"] == 2.0
    assert run.ask(360.0, 20.0).check == ""  # and goes on cooling
    assert run.ask(3659.0, 22.0).check == "hunting"
    assert run.ask(3660.0, 22.0).check == ""  # turn 1 is an hour ago
    assert run.ask(3760.0, 23.0).check == ""  # the same way on is no turn


def test_a_restart_resets_nothing() -> None:
    run = Run(gate(dwell_s=300.0, writes_per_hour=2))
    run.ask(0.0, 21.0)
    run.state = EnvelopeState.from_json(run.state.to_json())
    assert run.ask(10.0, 20.0).check == "dwell"
    assert run.ask(300.0, 20.0).check == ""
    run.state = EnvelopeState.from_json(run.state.to_json())
    assert run.ask(900.0, 21.0).check == "budget"


def test_a_device_that_was_away_resets_nothing() -> None:
    """A heat pump was cycled to overheating when its timer was reset by absence."""
    run = Run(gate(dwell_s=300.0))
    run.ask(0.0, 21.0)
    away = telemetry({read_back(AIR): None}, now_s=NOW_S + 20.0, connected=False)
    run.state, corrections = run.gate.judge_in_force(run.state, away, NOW_S + 20.0)
    assert corrections
    run.state = run.gate.released(run.state, [AIR])
    run.held = 22.0
    assert run.state.of(AIR).in_force is None
    back = telemetry({read_back(AIR): 22.0}, now_s=NOW_S + 40.0, armed=False)
    run.state, preload = run.gate.judge_preload(run.state, AIR, back, NOW_S + 40.0)
    assert preload.value == 22.0
    assert run.ask(41.0, 21.0).check == "dwell"


def test_a_clock_set_back_makes_timers_slower_never_faster() -> None:
    run = Run(gate(dwell_s=300.0, writes_per_hour=1))
    run.ask(0.0, 21.0)
    run.state = run.gate.restart_clock(run.state, NOW_S - 10_000.0)
    earlier = {
        name: replace(each, decided_at_s=NOW_S - 20_000.0)
        for name, each in run.state.decisions.items()
    }
    run.state = replace(run.state, decisions=earlier)
    assert run.ask(-9_990.0, 20.0, **SAFETY).value == 20.0
    assert run.ask(-9_980.0, 19.0).check == "dwell"
    assert run.ask(-9_000.0, 19.0).check == "budget"
    assert run.ask(-6_400.0, 19.0).check == ""
    bare = EnvelopeState(actuators={AIR: run.state.of(AIR), "untouched": EnvelopeState().of(AIR)})
    assert run.gate.restart_clock(bare, 5.0).of("untouched").moved_at_s is None
