"""The figures and words of docs/safety.md, and what is so until somebody says otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from safety import (
    arithmetic,
    authority,
    backup_site,
    chain,
    envelope,
    guards,
    hand_back,
    interlocks,
    readings,
    scope,
    sightings,
    staging,
    state,
)
from safety.arithmetic import Interval
from safety.in_force import Action
from safety.limits import limits_of
from safety.sightings import Frame, Sightings
from safety.state import ActuatorState, EnvelopeState, UnitMemory
from tests.safety_kit import site

FIGURES: dict[Any, dict[str, Any]] = {
    arithmetic: {"GRAINS_PER_UNIT": 10_000, "LARGEST": 1e9, "WIDEST": 10**13},
    authority: {"MOST_DECISIONS": 1000, "MOST_OVERRIDES": 1000},
    backup_site: {
        "WATER_KJ_LK": 4.17,
        "COOLANT_KJ_LK": 4.0,
        "AIR_KJ_M3K": 1.18,
        "RATED_WET_BULB_C": 25.6,
        "APPROACH_PER_K": 0.25,
    },
    chain: {"GENESIS": 64 * "0", "LONGEST_LINE": 1_048_576},
    envelope: {"UNCHANGED": "unchanged", "DEAD_BAND": "dead_band"},
    guards: {"AWAY_WINDOW_S": 300.0, "CLOCK_SLACK_S": 1.0},
    hand_back: {"OWN_KEPT_S": 43_200.0},
    interlocks: {"HALF": 0.5},
    readings: {"MANY": 64},
    scope: {"TOWER_WATER": "tower_water", "EVERYWHERE": "site"},
    sightings: {"WINDOW_S": 900.0, "FRAME_S": 60.0, "FEWEST_FRAMES": 10, "SWING_K": 5.0},
    staging: {"STARTS_WINDOW_S": 43_200.0},
    state: {"FORMAT": 1},
}


@pytest.mark.parametrize("module", FIGURES, ids=lambda module: str(module.__name__))
def test_the_figures_of_the_specification(module: Any) -> None:
    found = {name: getattr(module, name) for name in FIGURES[module]}
    assert found == FIGURES[module]
    assert [type(each) for each in found.values()] == [type(e) for e in FIGURES[module].values()]


def test_the_words_of_a_correction() -> None:
    assert [each.value for each in Action] == ["correct", "release"]


def test_nothing_is_remembered_at_first() -> None:
    assert ActuatorState() == ActuatorState(None, None, None, None, (), 0, (), None, None)
    assert UnitMemory() == UnitMemory(None, None, ())
    assert EnvelopeState() == EnvelopeState(
        format=1,
        seen_s=None,
        actuators={},
        decisions={},
        overrides={},
        locked_out={},
        units={},
        sightings=Sightings((), {}, {}, {}),
    )
    assert Interval("bare") == Interval("bare", None, None, "", {})


def test_what_was_seen_makes_no_other_state() -> None:
    """It is forgotten at a restart: what is kept on disk is the same."""
    seen = replace(EnvelopeState(), sightings=Sightings((Frame(1.0, (), ()),)))
    assert seen == EnvelopeState()
    assert seen.sightings != EnvelopeState().sightings
    assert EnvelopeState().sightings == Sightings()


def test_limits_are_of_version_one_until_they_are_counted() -> None:
    assert limits_of(site()).version == 1
