"""How long a proposal stands, what of it is left to do, and what the models say of it later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest

from controller.planning import standing
from controller.planning.settings import PlanningSettings
from controller.planning.solve import PlanMaker
from facility.commands import Bound, Mode, Move, Proposal, Recheck
from facility.telemetry import Quality, Reading, Snapshot
from tests.planning_plant import AnalyticPlant, reference_site
from tests.planning_requests import NOON_S, request_for, snapshot_for, usual_setpoints

SETTINGS = PlanningSettings()
SITE = reference_site("campus")
USUAL = usual_setpoints(SITE)
RACKS = np.array([40.0 if r.limit_c > 50 else 23.0 for r in SITE.racks.values()])
SUPPLY, FLOW = "cdu1.tcs_supply_temperature_setpoint", "cdu1.tcs_flow_setpoint"
WET_BULB = "outdoor.wet_bulb_temperature"
CHECKED = Recheck(NOON_S + 300.0, 18.0, 43.0, 4.0, "d101")


SHOWN = SITE.actuators[SUPPLY].read_back


def shot(
    minutes: float = 0.0,
    mode: Mode = Mode.ADVISORY,
    values: Mapping[str, float] = MappingProxyType({}),
) -> Snapshot:
    found = snapshot_for(SITE, USUAL, RACKS, time_s=NOON_S + 60.0 * minutes, mode=mode)
    readings = {name: Reading(value, Quality.GOOD, found.time_s) for name, value in values.items()}
    return replace(found, readings={**found.readings, **readings})


def at(supply_c: float, minutes: float = 5.0) -> Snapshot:
    """The plant with the supply setpoint moved by its own control."""
    return shot(minutes, values={SHOWN: supply_c})


def made(saving_kw: float = 20.0, *moves: Move) -> Proposal:
    """The supply of a CDU warmer, 25 to 27 °C, unless told otherwise."""
    return Proposal(
        id="p1",
        plan_hash="h1",
        created_at_s=NOON_S,
        expires_at_s=NOON_S + SETTINGS.proposal_life_s,
        moves=moves or (Move(SUPPLY, 25.0, 27.0),),
        saving_kw=saving_kw,
        saving_per_day=48.0,
        bands=(),
        bands_now=(),
        binding=(),
        region=standing.region_of(SITE, shot()),
        model_version="m",
        solver="piqp",
        verified=True,
    )


def why(proposal: Proposal, snapshot: Snapshot, fresh: Proposal | None = None) -> str:
    return standing.why_it_falls(proposal, fresh, SITE, snapshot, SETTINGS)


def test_for_twenty_minutes_nothing_takes_its_place() -> None:
    other = replace(made(120.0), id="p2")
    assert why(made(), shot(0.0), other) == ""
    assert why(made(), shot(19.9), other) == ""
    assert why(made(), shot(20.1), other) == "a new plan saves 100.0 kW more"
    assert why(made(), shot(29.9), None) == ""
    assert why(made(), shot(30.0), None) == "nobody decided in time"


@pytest.mark.parametrize("start_c", [23.0, 24.0, 26.0, 27.5, 29.0])
def test_a_start_that_the_plant_moves_by_itself_voids_nothing(start_c: float) -> None:
    assert why(made(), at(start_c), made(120.0)) == ""


def test_it_falls_when_the_weather_leaves_its_region_and_says_so() -> None:
    said = why(made(), shot(5.0, values={WET_BULB: 12.0}))
    assert said == (
        "the plant has left the region in which it holds: "
        "outdoor.wet_bulb_temperature is 12, not 5 to 11"
    )


def test_it_falls_when_the_models_object_to_it_from_the_plant_as_it_is() -> None:
    good = replace(made(), recheck=CHECKED)
    assert why(good, shot(5.0)) == ""
    bad = replace(good, recheck=replace(CHECKED, objection="rack d101 is 0.40 K too warm"))
    assert why(bad, shot(5.0)).endswith("as it is: rack d101 is 0.40 K too warm")


def test_in_automatic_each_step_has_its_own() -> None:
    assert why(made(), shot(5.0, Mode.AUTOMATIC))
    assert not standing.is_asked(shot(5.0, Mode.SHADOW).modes)


def test_what_is_material_is_judged_from_the_plant_as_it_is() -> None:
    later, fresh = shot(21.0), made(20.0, Move(SUPPLY, 25.0, 27.1))
    assert why(made(), later, fresh) == ""
    # What it saves now counts, not what it did when it was made.
    assert why(replace(made(), recheck=replace(CHECKED, saving_kw=6.0)), later, fresh)
    assert (
        why(made(), later, made(20.0, Move(SUPPLY, 25.0, 27.6)))
        == f"a new plan has {SUPPLY} at 27.6"
    )
    # A setpoint that one of them leaves alone stays where it is.
    both = made(20.0, Move(SUPPLY, 25.0, 27.0), Move(FLOW, 30.0, 29.9))
    assert why(made(), at(25.0, 21.0), both) == ""
    # The plant has gone there by itself: both leave it there.
    assert why(made(), at(27.0, 21.0), made(20.0, Move(FLOW, 30.0, 29.9))) == ""


def test_what_is_left_starts_from_the_setpoint_in_force() -> None:
    assert standing.left_to_do(made(), SITE, at(24.0)) == (Move(SUPPLY, 24.0, 27.0),)
    assert standing.left_to_do(made(), SITE, at(26.9)) == ()
    assert standing.left_to_do(made(), SITE, at(28.0)) == ()
    down = made(20.0, Move(SUPPLY, 25.0, 22.0))
    assert standing.left_to_do(down, SITE, at(26.0)) == (Move(SUPPLY, 26.0, 22.0),)
    assert standing.left_to_do(down, SITE, at(21.0)) == ()
    lines = standing.as_it_stands(made(), SITE, at(28.0))
    assert [(line.move.now, line.is_left) for line in lines] == [(28.0, False)]
    unread = shot(5.0)
    unread = replace(
        unread, readings={**unread.readings, SHOWN: Reading(None, Quality.BAD, NOON_S)}
    )
    assert standing.left_to_do(made(), SITE, unread) == made().moves


def test_a_decided_move_is_open_until_it_is_in_force_or_overtaken() -> None:
    move = Move(SUPPLY, 25.0, 27.0)
    said = {c: standing.is_open(move, SITE, at(c)) for c in (24.0, 25.0, 26.9, 27.0, 27.5)}
    assert said == {24.0: True, 25.0: True, 26.9: True, 27.0: False, 27.5: False}


def test_readings_outside_a_region_and_those_that_are_missing_are_told_apart() -> None:
    region = (Bound(WET_BULB, 5.0, 11.0), Bound("nowhere.at_all", 0.0, 1.0))
    assert standing.left_region(region, shot(0.0)) == []
    assert standing.left_region(region, shot(0.0, values={WET_BULB: 2.0})) == [
        f"{WET_BULB} is 2, not 5 to 11"
    ]
    assert standing.unseen(region, shot(0.0)) == ["nowhere.at_all cannot be read"]


def test_the_models_look_again_at_what_stands() -> None:
    plant = AnalyticPlant(SITE)
    maker = PlanMaker(SITE, plant, SETTINGS)
    request = request_for(plant)
    first = maker.make(request)
    assert first.plan is not None
    assert first.standing is None
    later = first.plan.at(NOON_S + SETTINGS.advisory_stand_s)
    found = maker.make(replace(request, standing=later)).standing
    assert found is not None
    assert found.objection == ""
    assert found.saving_kw > 1.0
    assert found.room_k > 0.0
    assert found.worst_rack in SITE.racks
    assert found.saving_per_day == pytest.approx(24.0 * 0.1 * found.saving_kw, rel=1e-3)
    # Air so warm that the servers are: nothing that may be said yes to.
    warm = {name: members[0].maximum for name, members in SITE.groups.items() if "air" in name}
    maker = PlanMaker(SITE, AnalyticPlant(SITE, margin_k=9.0), SETTINGS)
    maker._rule = None  # type: ignore[assignment]  # the worst case would stop it before
    hot = maker.make(replace(request_for(plant, load=1.0), standing=warm)).standing
    assert hot is not None
    assert "too warm after" in hot.objection
    # And what holding still does as well is not worth an answer.
    still = {group: float(value) for group, value in zip(SITE.groups, USUAL, strict=True)}
    same = maker.make(replace(request, standing=still)).standing
    assert same is not None
    assert same.objection == "it would save nothing any more"
