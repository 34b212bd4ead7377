"""Plans and the envelope's worst case: no plan is refused for what it could have known."""

from __future__ import annotations

import numpy as np
import pytest

from controller.planning.backup import WET_BULB_RESERVE_K, BackupRule
from controller.planning.settings import PlanningSettings
from controller.planning.solve import PlanMaker
from models.contract import Array
from safety.arithmetic import units
from safety.backup_held import WorstCase
from safety.backup_site import backup_of
from safety.envelope import needs_write
from tests.backup_kit import NOW_S, command, gate, snapshot, state
from tests.planning_plant import AnalyticPlant, reference_site
from tests.planning_requests import request_for, usual_setpoints


@pytest.mark.parametrize("name", ["campus", "frontier"])
@pytest.mark.parametrize("load", [0.2, 0.9])
def test_what_is_planned_passes_the_worst_case(name: str, load: float) -> None:
    plant = AnalyticPlant(reference_site(name))
    asked = request_for(plant, load=load, setpoints=usual_setpoints(plant.site))
    plan = PlanMaker(plant.site, plant, PlanningSettings()).make(asked).plan
    assert plan is not None
    held = {
        a.id: float(asked.in_force[g]) for g, m in enumerate(plant.site.groups.values()) for a in m
    }
    first = dict(zip(plan.groups, plan.setpoints[0], strict=True))
    commands = [command(a.id, first[a.group]) for a in plant.site.actuators.values()]
    before = state(held, name)
    telemetry = snapshot(held, asked.wet_bulb_c[0], name)
    _, verdicts = gate(name).judge_all(before, commands, telemetry, NOW_S)
    assert [v for v in verdicts if v.check == "backup"] == []
    assert any(needs_write(v) for v in verdicts)
    assert np.isfinite(plan.saving_kw)


@pytest.mark.parametrize("name", ["campus", "frontier"])
def test_all_circuits_at_once_are_bounded_as_the_envelope_bounds_each(name: str) -> None:
    site = reference_site(name)
    rule, backup = BackupRule(site), backup_of(site)
    groups = list(site.groups.values())
    low = np.array([members[0].minimum for members in groups])
    high = np.array([members[0].maximum for members in groups])
    place = {a.id: g for g, members in enumerate(groups) for a in members}
    draw, bound = np.random.default_rng(7), 0

    def worst_case(values: list[Array], wet_bulb_c: float) -> WorstCase:
        def candidates(actuator: str) -> tuple[float, ...]:
            return tuple(float(x[place[actuator]]) for x in values)

        return WorstCase(backup, candidates, wet_bulb_c + WET_BULB_RESERVE_K)

    for _ in range(40):
        wet_bulb_c = float(draw.uniform(0.0, 28.0))
        sets = [low + draw.uniform(0.0, 1.0, len(low)) * (high - low) for _ in range(2)]
        told = worst_case(sets, wet_bulb_c)
        expected = sets[1].copy()
        for g, members in enumerate(groups):
            for actuator in members:
                interval = told.interval(actuator.id)
                if interval.lower is not None:
                    expected[g] = max(expected[g], units(interval.lower))
                if interval.upper is not None:
                    expected[g] = min(expected[g], units(interval.upper))
        found = rule.admit(sets[0], sets[1], wet_bulb_c)
        np.testing.assert_allclose(found, expected, atol=1.5e-4)
        bound += int(np.sum(expected != sets[1]))
        alone = worst_case(sets[:1], wet_bulb_c)
        worst_k = max(alone.excess_k(i) for i in range(len(backup.circuits)))
        assert rule.excess_k(sets[0], wet_bulb_c).max() == pytest.approx(worst_k, abs=1e-9)
    assert bound > 100
