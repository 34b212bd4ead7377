"""Plans and the envelope's worst case: no plan is refused for what it could have known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from controller.planning.backup import WET_BULB_RESERVE_K, BackupRule
from controller.planning.corridor import Corridor
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

    def at_least(told: WorstCase, a: str, value: float) -> float:
        lower = told.interval(a).lower
        return value if lower is None else max(value, units(lower))

    def at_most(told: WorstCase, a: str, value: float) -> float:
        upper = told.interval(a).upper
        return value if upper is None else min(value, units(upper))

    for _ in range(40):
        wet_bulb_c = float(draw.uniform(0.0, 28.0))
        sets = [low + draw.uniform(0.0, 1.0, len(low)) * (high - low) for _ in range(2)]
        expected = sets[1].copy()
        told = worst_case(sets, wet_bulb_c)
        for a, g in place.items():
            expected[g] = at_least(told, a, expected[g])
        # Flows are in force before anything colder is judged.
        flows = [a.endswith((".tcs_flow_setpoint", ".fan_speed_setpoint")) for a in site.groups]
        told = worst_case([np.where(flows, expected, sets[0]), expected], wet_bulb_c)
        for a, g in place.items():
            expected[g] = at_most(told, a, expected[g])
        found = rule.admit(sets[0], sets[1], wet_bulb_c, (low, high))
        np.testing.assert_allclose(found, expected, atol=1.5e-4)
        bound += int(np.sum(expected != sets[1]))
        alone = worst_case(sets[:1], wet_bulb_c)
        worst_k = max(alone.excess_k(i) for i in range(len(backup.circuits)))
        assert rule.excess_k(sets[0], wet_bulb_c).max() == pytest.approx(worst_k, abs=1e-9)
    assert bound > 100


def test_flow_comes_up_before_anything_is_made_colder() -> None:
    """Fans that local control leaves at their least: what they can mend no water has to."""
    site = reference_site("campus")
    rule = BackupRule(site)
    groups = list(site.groups.items())
    low, high = (
        np.array([getattr(m[0], end) for _, m in groups]) for end in ("minimum", "maximum")
    )
    flows = np.array([name.endswith("fan_speed_setpoint") for name, _ in groups])
    before = np.where(flows, low, usual_setpoints(site))
    found = rule.admit(before, before, 16.0, (low, high))
    assert np.all(found[flows] > before[flows])
    np.testing.assert_array_equal(found[~flows], before[~flows])
    assert rule.excess_k(found, 16.0).max() <= 0.02
    # Where they cannot come up far enough at once, air and water make up for the rest.
    slow = np.where(flows, before + 0.25 * (found - before), high)
    rest = rule.admit(before, before, 16.0, (low, slow))
    np.testing.assert_array_equal(rest[flows], slow[flows])
    assert np.any(rest[~flows] < before[~flows])


@pytest.mark.parametrize(
    "held",
    [
        {"fixed_until_s": 1e12, "fixed_at": 30.0},  # by a person, or off
        {"upper": 31.0, "upper_name": "hand-back jump"},
    ],
)
def test_where_fans_may_not_come_up_air_and_water_make_up_for_them(held: dict[str, Any]) -> None:
    plant = AnalyticPlant(reference_site("campus"))
    names = list(plant.site.groups)
    fans = np.array([name.endswith("fan_speed_setpoint") for name in names])
    before = np.where(fans, 30.0, usual_setpoints(plant.site))
    limits = {name: held for name, fan in zip(names, fans, strict=True) if fan}
    request = request_for(plant, wet_bulb_c=16.0, setpoints=before, limits=limits)
    rule = BackupRule(plant.site)
    settled = Corridor(request, PlanningSettings(), rule).holding()
    assert np.all(settled[:, fans] <= 31.0)
    assert np.any(settled[-1, ~fans] < before[~fans])
    freed = Corridor(
        request_for(plant, wet_bulb_c=16.0, setpoints=before), PlanningSettings(), rule
    ).holding()
    assert np.all(freed[0, fans] > 31.0)
    np.testing.assert_allclose(freed[:, ~fans], np.tile(before[~fans], (len(freed), 1)))
