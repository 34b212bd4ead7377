"""Plans and the envelope's worst case: no plan is refused for what it could have known."""

from __future__ import annotations

import numpy as np
import pytest

from controller.planning.settings import PlanningSettings
from controller.planning.solve import PlanMaker
from safety.envelope import needs_write
from tests.backup_kit import NOW_S, command, gate, snapshot, state
from tests.planning_plant import AnalyticPlant, reference_site, request_for, usual_setpoints


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
