"""What economy alone may ask for: towers and CDUs keep an approach, and no group hurries."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from controller.planning.backup import BackupRule
from controller.planning.corridor import Corridor
from controller.planning.limits import group_limits
from controller.planning.settings import PlanningSettings
from controller.planning.solve import PlanMaker, unhurried
from controller.planning.words import GroupLimits, Plan
from facility.telemetry import Quality, Reading, Snapshot
from tests.planning_plant import AnalyticPlant, reference_site
from tests.planning_requests import NOON_S, request_for, snapshot_for, usual_setpoints

SITE = reference_site("campus")
PLANT = AnalyticPlant(SITE)
SETTINGS = PlanningSettings()
TOWER = "tower_water.cw_supply_temperature_setpoint"
G = list(SITE.groups).index(TOWER)
WARM = "warm.fws_supply_temperature_setpoint"
CDUS = [g for g in SITE.groups if g.endswith("tcs_supply_temperature_setpoint")]
NAMES = list(SITE.groups)
FLOW = "tcs_flow_setpoint"
RACKS = np.array([rack.limit_c - 10.0 for rack in SITE.racks.values()])


def limit(snapshot: Snapshot, in_force_c: float = 18.0) -> GroupLimits:
    setpoints = dict(zip(SITE.groups, usual_setpoints(SITE), strict=True)) | {TOWER: in_force_c}
    return group_limits(SITE, snapshot, setpoints, (), {}, SETTINGS)[G]


def test_the_floor_is_the_wet_bulb_and_the_least_approach() -> None:
    snapshot = snapshot_for(SITE, usual_setpoints(SITE), RACKS, wet_bulb_c=14.0)
    assert limit(snapshot).economy_lower == pytest.approx(14.0 + SETTINGS.least_approach_k)
    assert limit(snapshot).lower == SITE.actuators[TOWER].minimum  # not where a rack is too warm
    # Where local control has it colder already, it may stay there.
    assert limit(snapshot, 15.0).economy_lower == 15.0
    found = group_limits(
        SITE, snapshot, dict(zip(SITE.groups, usual_setpoints(SITE), strict=True)), (), {}, SETTINGS
    )
    assert {each.group for each in found if each.economy_lower is not None} == {TOWER, *CDUS}


def test_a_cdu_keeps_a_least_approach_over_the_water_that_it_takes() -> None:
    snapshot = snapshot_for(SITE, usual_setpoints(SITE), RACKS, wet_bulb_c=14.0)
    setpoints = dict(zip(SITE.groups, usual_setpoints(SITE), strict=True))
    floor_c = setpoints[WARM] + SETTINGS.least_cdu_approach_k
    warm, cold = floor_c + 3.0, floor_c - 1.5
    for in_force_c, expected in ((warm, floor_c), (cold, cold)):
        of = setpoints | dict.fromkeys(CDUS, in_force_c)
        found = group_limits(SITE, snapshot, of, (), {}, SETTINGS)
        got = [each.economy_lower for each in found if each.group in CDUS]
        assert got == [pytest.approx(expected)] * len(CDUS)


def test_what_the_worst_case_asks_for_goes_below_it() -> None:
    column = NAMES.index(CDUS[0])
    setpoints = usual_setpoints(SITE)
    setpoints[column] = hot = SITE.actuators[CDUS[0]].maximum
    limits = {CDUS[0]: {"economy_lower": hot}}
    request = request_for(PLANT, setpoints=setpoints, limits=limits)
    urgent = Corridor(request, SETTINGS, BackupRule(SITE))
    holding = urgent.holding()
    assert holding[-1, column] < hot, "the worst case asks for nothing: this test shows nothing"
    assert unhurried(urgent, holding).holding()[-1, column] == holding[-1, column]


def test_without_a_wet_bulb_there_is_no_floor_to_know() -> None:
    snapshot = snapshot_for(SITE, usual_setpoints(SITE), RACKS)
    absent = Reading(None, Quality.ABSENT, NOON_S)
    readings = {**snapshot.readings, "outdoor.wet_bulb_temperature": absent}
    assert limit(replace(snapshot, readings=readings)).economy_lower is None


def planned(floor_c: float | None, maker: PlanMaker) -> Plan:
    """An hour's steps on from 18 °C: where plans that follow one another come to."""
    request = request_for(PLANT, wet_bulb_c=9.0, limits={TOWER: {"economy_lower": floor_c}})
    plan = None
    for _ in range(4):
        plan = maker.make(request).plan
        assert plan is not None
        request = replace(request, previous=plan.setpoints)
    assert plan is not None
    return plan


def test_a_plan_stops_at_it_and_says_so() -> None:
    maker = PlanMaker(SITE, PLANT, SETTINGS)
    free, kept = planned(None, maker), planned(17.0, maker)
    assert min(line[G] for line in free.setpoints) < 16.0
    assert min(line[G] for line in kept.setpoints) == pytest.approx(17.0, abs=1e-6)
    assert f"least approach of {TOWER}" in [each.constraint for each in kept.binding]
    assert not any("least approach" in each.constraint for each in free.binding)


def test_where_a_rack_is_too_warm_the_range_alone_counts() -> None:
    request = request_for(PLANT, limits={TOWER: {"economy_lower": 17.0}})
    too_warm = Corridor(request, SETTINGS)
    assert too_warm.ends[0][-1, G] == SITE.actuators[TOWER].minimum
    assert too_warm.lower_name(G) == "range"
    calm = replace(too_warm, urgent=False, economical=True)
    assert calm.ends[0][-1, G] == 17.0
    assert calm.lower_name(G) == "least approach"
    hot = request_for(
        PLANT,
        load=0.9,
        racks_c=RACKS + 25.0,
        limits={TOWER: {"economy_lower": 18.0}},
    )
    plan = PlanMaker(SITE, PLANT, SETTINGS).make(hot).plan
    assert plan is not None
    assert min(line[G] for line in plan.setpoints) < 18.0


PACE = 0.5


def urgent_of(setpoints: np.ndarray) -> Corridor:
    paced = {name: {"pace_per_step": PACE} for name in NAMES}
    request = request_for(PLANT, setpoints=setpoints, limits=paced)
    return Corridor(request, SETTINGS, BackupRule(SITE))


def test_nothing_hurries_where_the_worst_case_asks_for_nothing() -> None:
    urgent = urgent_of(usual_setpoints(SITE))
    found = unhurried(urgent, urgent.holding())
    assert np.all(found.economical)
    assert not np.any(found.urgent)
    rise, fall = found.rates
    colder_is_lower = [limit.colder_is_lower for limit in found.request.limits]
    assert np.all(np.where(colder_is_lower, fall, rise)[0] <= PACE)


def test_only_the_groups_that_the_worst_case_moves_may_hurry() -> None:
    setpoints = usual_setpoints(SITE)
    flow = SITE.actuators[f"cdu1.{FLOW}"]
    g = NAMES.index(flow.group)
    setpoints[g] = flow.minimum + 0.3 * (flow.maximum - flow.minimum)
    urgent = urgent_of(setpoints)
    holding = urgent.holding()
    moved = np.flatnonzero(np.any(holding != setpoints, axis=0))
    assert g in moved
    assert np.any(np.abs(holding[0] - setpoints) > PACE)  # faster than economy alone may go
    found = unhurried(urgent, holding)
    assert np.all(found.economical)
    assert set(np.flatnonzero(found.urgent)) <= set(moved)
    assert not np.all(found.urgent)
    np.testing.assert_array_equal(found.holding(), holding)
