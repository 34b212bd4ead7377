"""Starts and stops of a machine: each wait to its last moment, whatever happened in between."""

from __future__ import annotations

from typing import Any

import pytest

from facility.commands import Outcome, Verdict
from facility.equipment import Chiller
from safety.envelope import Envelope
from safety.limits import limits_of
from safety.state import EnvelopeState, UnitMemory
from tests.safety_kit import NOW_S, point, reading, site, telemetry

GATE = Envelope(
    limits_of(
        site(
            points=[point("ch_1.running", "ch_1")],
            chillers={"ch_1": Chiller("ch_1", "cool", 1e3, 6.0)},
        )
    )
)


def memory(on: bool | None, ago_s: float | None, *starts_ago_s: float) -> EnvelopeState:
    changed = None if ago_s is None else NOW_S - ago_s
    known = UnitMemory(on, changed, tuple(NOW_S - each for each in starts_ago_s))
    return EnvelopeState(units={"ch_1": known})


def ask(
    state: EnvelopeState, on: bool, shown: float | None = None
) -> tuple[EnvelopeState, Verdict]:
    running = [] if shown is None else [("ch_1.running", shown)]
    seen = telemetry({tag: reading(value) for tag, value in running})
    return GATE.judge_stage(state, "ch_1", on, seen, NOW_S)


@pytest.mark.parametrize(
    ("on", "state", "check", "least_s"),
    [
        (True, memory(False, 599.999), "min_off", 600.0),
        (True, memory(False, 600.0), "", 0.0),
        (True, memory(False, 700.0, 899.999), "start_to_start", 900.0),
        (True, memory(False, 700.0, 900.0), "", 0.0),
        (False, memory(True, 299.999), "min_on", 300.0),
        (False, memory(True, 300.0), "", 0.0),
    ],
)
def test_each_wait_to_the_last_moment(
    on: bool, state: EnvelopeState, check: str, least_s: float
) -> None:
    after, verdict = ask(state, on)
    assert verdict.check == check
    if check:
        assert verdict.outcome is Outcome.REFUSE
        assert verdict.saw["least_s"] == least_s
        assert verdict.saw["since_s"] == pytest.approx(least_s, abs=0.01)
        assert after.unit("ch_1") == state.unit("ch_1")
    else:
        assert verdict == Verdict(Outcome.ALLOW, float(on), "", "", {})
        assert after.unit("ch_1").on is on
        assert after.unit("ch_1").changed_at_s == NOW_S


def test_eight_starts_in_twelve_hours() -> None:
    hours = [3600.0 * n for n in range(1, 9)]
    _, verdict = ask(memory(False, 700.0, *reversed(hours)), on=True)
    assert (verdict.outcome, verdict.check) == (Outcome.REFUSE, "starts")
    assert verdict.saw == {"starts": 8.0, "starts_in_12_h": 8.0}
    older = [*hours[:7], 12 * 3600.0]
    state, verdict = ask(memory(False, 700.0, *reversed(older)), on=True)
    assert verdict.outcome is Outcome.ALLOW
    assert len(state.unit("ch_1").starts_s) == 8


def test_what_a_machine_does_already_is_allowed_and_counts_for_nothing() -> None:
    for on in (True, False):
        state = memory(on, 1.0)
        after, verdict = ask(state, on)
        assert verdict.outcome is Outcome.ALLOW
        assert after.unit("ch_1") == state.unit("ch_1")


def test_a_machine_that_cannot_be_read_keeps_its_timers() -> None:
    before = memory(False, 100.0, 500.0)
    lost: dict[str, Any] = {}
    state = EnvelopeState.from_json(before.to_json())
    state, _ = GATE.judge_in_force(state, telemetry(lost), NOW_S)
    assert state.unit("ch_1") == before.unit("ch_1")
    assert ask(state, on=True)[1].check == "min_off"


def test_a_start_that_somebody_else_made_is_seen_and_counted() -> None:
    state, _ = GATE.judge_in_force(
        memory(False, 5000.0), telemetry({"ch_1.running": reading(1.0)}), NOW_S
    )
    assert state.unit("ch_1") == UnitMemory(True, NOW_S, (NOW_S,))


def test_only_listed_machines_are_staged() -> None:
    _, verdict = GATE.judge_stage(EnvelopeState(), "ch_9", True, telemetry(), NOW_S)
    assert (verdict.outcome, verdict.check) == (Outcome.REFUSE, "whitelist")
    late = EnvelopeState(seen_s=NOW_S + 1.0)
    assert GATE.judge_stage(late, "ch_1", True, telemetry(), NOW_S)[1].check == "clock"
