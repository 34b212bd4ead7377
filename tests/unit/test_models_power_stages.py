"""Chillers that run, as the power model is given them: at sites with stage requests alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from models.contract import Array, Inputs, Leakage
from models.dataset import History
from models.layout import layout_of
from models.power import SIGNS, PowerModel, new_plant
from models.power_features import EXOGENOUS, FEATURES, STAGE, PowerLayout
from tests.planning_plant import reference_site

SITE = reference_site("campus-stages")
LAYOUT = layout_of(SITE)
GROUP = "cool.chiller_stage_setpoint"
G = LAYOUT.groups.index(GROUP)
ROWS = 10


def power_of(seed: int) -> PowerModel:
    """Untrained: what holds must not depend on the fit."""
    own = PowerLayout.of(SITE, LAYOUT)
    plant = nn.ModuleDict({name: new_plant(name, own, seed + i) for i, name in enumerate(SIGNS)})
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in plant.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=draw, dtype=torch.float64))
    none = np.zeros(len(LAYOUT.racks))
    return PowerModel(own, plant, (), Leakage(none, none, none), {})


def inputs_at(stage: float) -> Inputs:
    rng = np.random.default_rng(7)
    members = [members[0] for members in SITE.groups.values()]
    setpoints = np.array([rng.uniform(a.minimum, a.maximum, ROWS) for a in members]).T
    setpoints[:, G] = stage
    rated = np.array([rack.rated_kw for rack in SITE.racks.values()])
    return Inputs(
        start_s=0.0,
        step_s=300.0,
        setpoints=setpoints,
        it_power_kw=np.tile(0.7 * rated, (ROWS, 1)),
        wet_bulb_c=np.full(ROWS, 18.0),
        dry_bulb_c=np.full(ROWS, 25.0),
    )


@pytest.mark.parametrize("name", ["campus", "frontier"])
def test_a_site_without_requests_has_the_features_and_the_load_that_it_had(name: str) -> None:
    site = reference_site(name)
    layout = layout_of(site)
    own = PowerLayout.of(site, layout)
    assert own.exogenous_names == EXOGENOUS
    assert own.stages == ()
    rng = np.random.default_rng(1)
    load, setpoints = rng.random((3, len(layout.racks))), rng.random((3, len(layout.groups)))
    given = own.exogenous(load, setpoints)
    assert given.shape == (3, 2)
    assert np.array_equal(given, own.exogenous(load, setpoints + 1.0))
    assert set(own.cooling.tolist()) == {-1.0, 1.0}


def test_chillers_that_run_are_given_from_one_to_all_and_no_feature() -> None:
    own = PowerLayout.of(SITE, LAYOUT)
    assert own.exogenous_names == (*EXOGENOUS, STAGE)
    assert own.matrix.shape == (len(FEATURES), len(LAYOUT.groups))
    assert not own.matrix[:, G].any()
    assert own.cooling[G] == 0.0
    shares = [own.features(inputs_at(stage))[1][0, -1] for stage in (1.0, 3.0, 5.0)]
    assert shares == pytest.approx([-1.0, 0.0, 1.0])


def test_power_depends_on_the_stage_and_its_tangents_do_not_lean_on_it() -> None:
    power = power_of(3)
    two, three = power.predict(inputs_at(2.0)), power.predict(inputs_at(3.0))
    assert all(np.abs(two[name] - three[name]).max() > 1e-6 for name in SIGNS)
    cuts = power.cuts(inputs_at(3.0))
    assert not cuts.slope[:, G].any()
    at = inputs_at(3.0).setpoints
    for index, name in enumerate(cuts.components):
        own = cuts.component == index
        values = cuts.constant[own] + (cuts.slope[own] * at[cuts.step[own]]).sum(axis=1)
        below = values <= three[name][cuts.step[own]] + 1e-9
        assert below.all()
        np.testing.assert_allclose(values[:ROWS], three[name], rtol=1e-9)


def history(run: Array, asked: float) -> History:
    n = len(run)
    nodes, racks = len(LAYOUT.nodes), len(LAYOUT.racks)
    setpoints = np.ones((n, len(LAYOUT.groups)))
    setpoints[:, G] = asked
    return History(
        layout=LAYOUT,
        time_s=np.arange(n, dtype=np.float64) * 60.0,
        setpoints=setpoints,
        it_power_kw=np.ones((n, racks)),
        wet_bulb_c=np.zeros(n),
        dry_bulb_c=np.zeros(n),
        limited_c=np.ones((n, racks)),
        supply_c=np.full((n, nodes), np.nan),
        meters={"cool.chiller_stage": run},
        usable=np.ones(n, dtype=bool),
        notes=(),
    )


def test_what_ran_counts_and_not_what_was_asked_for() -> None:
    own = PowerLayout.of(SITE, LAYOUT)
    run = np.array([0.0, 1.0, 2.0, np.nan, 5.0])
    seen = own.staged_as_run(history(run, 3.0))[:, G]
    assert seen.tolist() == [1.0, 1.0, 2.0, 3.0, 5.0]  # none counts as one, unread as asked
    assert own.reached(history(run, 3.0))[:, G].tolist() == seen.tolist()
    silent = replace(history(run, 3.0), meters={})
    assert own.staged_as_run(silent)[:, G].tolist() == [3.0] * 5
