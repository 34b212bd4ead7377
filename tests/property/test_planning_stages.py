"""Which stages may be asked for, against the rules written down once more, by brute force."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.planning.settings import PlanningSettings
from controller.planning.stage_choice import StageChoice, StageMemory, stage_choices
from facility.telemetry import Quality, Reading, Snapshot
from safety.state import UnitMemory
from tests.planning_plant import reference_site

SITE = reference_site("campus-stages")
GROUP = "cool.chiller_stage_setpoint"
NAMES = tuple(SITE.chillers)
NOW_S = 1_720_008_000.0
"""A multiple of a quarter of an hour: stages are looked at."""
CONTACTS = {
    "site.fire_alarm": 0.0,
    "site.emergency_power_off": 0.0,
    "site.generator_running": 0.0,
    "site.hardwired_enable": 1.0,
    "cool.running": 1.0,
    "tower_water.cw_flow": 100.0,
}
AGES = st.sampled_from([0.0, 250.0, 300.0, 599.0, 600.0, 899.0, 900.0, 5000.0, 50_000.0])


@st.composite
def situations(draw: st.DrawFn) -> dict[str, Any]:
    """Five chillers: which run, since when, which can be had, and what they carry."""
    running = draw(st.lists(st.booleans(), min_size=5, max_size=5))
    starts = [
        tuple(sorted(NOW_S - age for age in draw(st.lists(AGES, max_size=9)) if age > 0.0))
        for _ in NAMES
    ]
    return {
        "running": running,
        "age_s": draw(st.lists(AGES, min_size=5, max_size=5)),
        "starts": starts,
        "available": draw(
            st.lists(st.sampled_from([True, True, True, False]), min_size=5, max_size=5)
        ),
        "load_kw": draw(st.sampled_from([0.0, 700.0, 1440.0, 1441.0, 2880.0, 4000.0])),
        "present": draw(st.sampled_from([sum(running), sum(running), 1, 5])),
        "stage_age_s": draw(AGES),
        "free_in_s": draw(st.sampled_from([-10.0, 0.0, 400.0])),
        "hand": draw(st.sampled_from(["", "", "", "ada holds it"])),
        "offset_s": draw(st.sampled_from([0.0, 0.0, 300.0])),
    }


def choice(s: dict[str, Any]) -> StageChoice:
    now_s = NOW_S + s["offset_s"]
    values = dict(CONTACTS)
    for i, name in enumerate(NAMES):
        values |= {
            f"{name}.running": float(s["running"][i]),
            f"{name}.available": float(s["available"][i]),
            f"{name}.locked_out": 0.0,
            f"{name}.chw_supply_temperature": 12.0,
            f"{name}.cooling_load": s["load_kw"] / 5.0,
        }
    seen = Snapshot(
        now_s, {tag: Reading(value, Quality.GOOD, now_s) for tag, value in values.items()}
    )
    units = {
        name: UnitMemory(s["running"][i], now_s - s["age_s"][i], s["starts"][i])
        for i, name in enumerate(NAMES)
    }
    run = float(sum(s["running"]))
    memory = replace(
        StageMemory.of(SITE), units=units, stages={GROUP: (run, now_s - s["stage_age_s"])}
    )
    (found,) = stage_choices(
        SITE,
        seen,
        memory,
        {GROUP: float(s["present"])},
        PlanningSettings(),
        held={GROUP: s["hand"]} if s["hand"] else {},
        free_from_s={GROUP: now_s + s["free_in_s"]},
    )
    return found


def is_due(s: dict[str, Any]) -> bool:
    """On the quarter of an hour, and in the step in which the dwell ends."""
    left_s = max(900.0 - s["stage_age_s"], s["free_in_s"])
    return not s["offset_s"] or -299.0 < left_s <= 1.0


def allowed(s: dict[str, Any], value: int) -> bool:
    """The rules once more: quarter of an hour, hands, dwell, starts, N+1 rule, load."""
    now_s = NOW_S + s["offset_s"]
    run = sum(s["running"])
    if not is_due(s) or s["hand"] or run != s["present"] or not 1 <= value <= 5:
        return False
    if s["stage_age_s"] < 899.0 or s["free_in_s"] > 1.0:
        return False
    if value > s["present"]:
        fit = [i for i in range(5) if not s["running"][i] and s["available"][i]]
        for i in fit:
            recent = [t for t in s["starts"][i] if now_s - t < 43_200.0]
            if s["age_s"][i] < 600.0 or len(recent) >= 8:
                return False
            if recent and now_s - recent[-1] < 900.0:
                return False
        return bool(fit)
    if 1800.0 * (sum(s["available"]) - 1) < 7200.0:  # one more lost, of 7,200 kW of the loop
        return False
    if any(s["running"][i] and (s["age_s"][i] < 300.0 or not s["available"][i]) for i in range(5)):
        return False
    return bool(s["load_kw"] <= 0.8 * 1800.0 * value)


@given(situations())
@settings(max_examples=400, deadline=None)
def test_the_stages_that_may_be_asked_for_are_those_of_the_rules(s: dict[str, Any]) -> None:
    found = choice(s)
    assert set(found.options) <= {found.present - 1, found.present + 1}
    assert all(1 <= value <= 5 for value in found.options)
    for value in (found.present - 1, found.present + 1):
        assert (value in found.options) == allowed(s, value), (value, found)


@given(situations())
@settings(max_examples=200, deadline=None)
def test_whatever_is_kept_out_is_told_when_stages_are_looked_at(s: dict[str, Any]) -> None:
    found = choice(s)
    within = [v for v in (found.present - 1, found.present + 1) if 1 <= v <= 5]
    if not is_due(s):
        assert found.kept_out == ()
    elif not found.options:
        assert found.kept_out
    else:
        assert len(found.kept_out) + len(found.options) == len(within)
