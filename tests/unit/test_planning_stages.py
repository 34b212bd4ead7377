"""Plans with another stage of the chillers: taken where they save enough, and whole numbers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from controller.planning.proposal import propose
from controller.planning.settings import PlanningSettings
from controller.planning.solve import PlanMaker
from controller.planning.stage_choice import StageChoice
from controller.planning.staging import with_stages
from controller.planning.words import STAGE, PlanOutcome, PlanRequest
from facility.wire import dumps, from_wire, to_wire
from models.contract import Array, Inputs
from tests.planning_plant import AnalyticPlant, reference_site
from tests.planning_requests import NOON_S, request_for, snapshot_for, usual_setpoints

GROUP = "cool.chiller_stage_setpoint"
SITE = reference_site("campus-stages")
G = list(SITE.groups).index(GROUP)
GOOD_S = 2.0**53


@dataclass(frozen=True)
class StagedPlant(AnalyticPlant):
    """The analytic plant, whose machines take so much besides at each stage."""

    machines_kw: tuple[float, ...] = field(default=(0.0, 50.0, 60.0, 90.0, 120.0, 150.0))
    """From none to all."""

    def power(self, inputs: Inputs) -> dict[str, Array]:
        stage = inputs.setpoints[:, G]
        assert np.array_equal(stage, np.round(stage))
        own = np.array(self.machines_kw)[stage.astype(int)]
        return {**super().power(inputs), "machines": own}


PLANT = StagedPlant(SITE)


def maker(plant: AnalyticPlant = PLANT, **settings: Any) -> PlanMaker:
    return PlanMaker(SITE, plant, PlanningSettings(**settings))


def request(present: int = 3, options: tuple[int, ...] = (2, 4), **changes: Any) -> PlanRequest:
    x = usual_setpoints(SITE)
    x[G] = present
    held = {"fixed_at": float(present), "fixed_until_s": GOOD_S, "fixed_by": STAGE}
    limits = {GROUP: {**held, **changes.pop("stage", {})}}
    asked = request_for(PLANT, setpoints=x, limits=limits, **changes)
    choice = StageChoice(GROUP, present, options, ("Not 5 chillers of cool: starts (why).",))
    return replace(asked, stages=(choice,))


def stages(outcome: PlanOutcome) -> list[float]:
    assert outcome.plan is not None
    assert outcome.plan.verified
    return sorted({line[G] for line in outcome.plan.setpoints})


def test_a_chiller_that_costs_more_than_it_carries_is_asked_to_stop() -> None:
    outcome = maker().make(request())
    assert stages(outcome) == [2.0]
    plan = outcome.plan
    assert plan is not None
    alone = maker(staging=True).make(request(options=())).plan
    assert alone is not None
    assert plan.saving_kw - alone.saving_kw == pytest.approx(30.0, abs=0.5)
    (effect,) = [each for each in plan.effects if each.quantity == "chiller_stage_setpoint"]
    assert effect.saving_kw == pytest.approx(30.0, abs=0.5)
    assert not any("stage" in binding.constraint for binding in plan.binding)


@pytest.mark.parametrize(("worth_kw", "taken"), [(4.8, [3.0]), (5.2, [2.0])])
def test_it_must_save_what_a_change_costs_and_a_margin(worth_kw: float, taken: list[float]) -> None:
    # 10 kWh over four hours and one after them are 2 kW, and the margin is 3 kW.
    plant = StagedPlant(SITE, machines_kw=(0.0, 50.0, 60.0, 60.0 + worth_kw, 120.0, 150.0))
    assert stages(maker(plant).make(request())) == taken


def test_one_more_is_asked_for_where_it_pays() -> None:
    plant = StagedPlant(SITE, machines_kw=(0.0, 200.0, 170.0, 140.0, 100.0, 150.0))
    assert stages(maker(plant).make(request())) == [4.0]


@pytest.mark.parametrize("options", [(), (4,)])
def test_what_may_not_be_asked_for_is_not(options: tuple[int, ...]) -> None:
    assert stages(maker().make(request(options=options))) == [3.0]


def test_a_persons_override_of_the_stage_is_kept_while_it_lasts() -> None:
    person = {"fixed_by": "ada", "fixed_at": 3.0, "fixed_until_s": GOOD_S}
    assert stages(maker().make(request(options=(), stage=person))) == [3.0]
    # Even were it among the options: another's hand is not planned away.
    held = request(stage=person)
    assert with_stages(held, {GROUP: 2.0}) == held


def test_a_stage_whose_plans_are_not_verified_is_not_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = maker()
    found = ours._found

    def spoilt(asked: PlanRequest, search: Any, *worth: Any) -> Any:
        held = found(asked, search, *worth)
        return held if asked.limits[G].fixed_at == 3.0 else replace(held, link="ramp")

    monkeypatch.setattr(ours, "_found", spoilt)  # no solver's answer stands there
    outcome = ours.make(request())
    assert stages(outcome) == [3.0]
    assert outcome.plan is not None
    assert "2 chillers of cool: no plan with it is verified." in outcome.plan.remarks


def test_where_something_is_too_warm_the_stage_stays() -> None:
    x = usual_setpoints(SITE)
    x[[i for i, g in enumerate(SITE.groups) if "fan_speed" in g]] = 30.0
    x[[i for i, g in enumerate(SITE.groups) if "supply_air" in g]] = 27.0
    x[G] = 3.0
    hot = request()
    limits = tuple(
        replace(limit, in_force=float(value)) for limit, value in zip(hot.limits, x, strict=True)
    )
    racks = PLANT.settled(x[None, :], hot.it_power[:1] / 0.6)[0]
    it = tuple(tuple(kw / 0.6 for kw in line) for line in hot.it_power_kw)
    state = PLANT.to_text((NOON_S, racks))
    hot = replace(hot, limits=limits, it_power_kw=it, state=state)
    assert stages(maker().make(hot)) == [3.0]


def test_a_plan_depends_on_its_request_alone_and_so_does_its_stage() -> None:
    asked = request()
    again = from_wire(PlanRequest, json.loads(json.dumps(to_wire(asked))))
    assert again == asked
    first, second = maker().make(asked), maker().make(again)
    assert first.plan is not None
    assert second.plan is not None
    assert dumps(first.plan) == dumps(second.plan)


def test_the_rule_of_last_resort_holds_the_stage() -> None:
    broken = maker()
    broken.solvers = {}
    asked = replace(request(), state="{}")
    outcome = broken.make(asked)
    assert outcome.plan is not None
    assert outcome.plan.link == "ramp"
    assert {line[G] for line in outcome.plan.setpoints} == {3.0}


def test_it_says_what_is_asked_what_it_saves_and_what_kept_others_out() -> None:
    asked = request()
    plan = maker().make(asked).plan
    assert plan is not None
    x = asked.in_force
    seen = snapshot_for(SITE, x, PLANT.settled(x[None, :], asked.it_power[:1])[0])
    proposal = propose(
        plan, SITE, seen, dict(zip(SITE.groups, x, strict=True)), PlanningSettings(), 1
    )
    assert proposal is not None
    assert any(move.actuator == GROUP and move.proposed == 2.0 for move in proposal.moves)
    said = " ".join(proposal.reasons)
    assert "Ask the sequencer of cool to stop a chiller: 2 in place of 3." in said
    assert "2 chillers of cool: 30.0 kW less than with 3; a change must save 5.0 kW." in said
    assert "4 chillers of cool: 30.0 kW more than with 3" in said
    assert "Not 5 chillers of cool: starts (why)." in said


def test_a_proposal_that_waits_is_looked_at_with_its_own_stage() -> None:
    asked = replace(request(options=()), standing={GROUP: 2.0})
    outcome = maker().make(asked)
    assert stages(outcome) == [3.0]
    assert outcome.standing is not None
    assert outcome.standing.saving_kw == pytest.approx(30.0, abs=0.5)
    assert outcome.standing.objection == ""
