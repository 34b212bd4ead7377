"""The experiment that a model learns from: rests, and each quantity at a level of its own."""

from __future__ import annotations

import random

import numpy as np
import pytest

from facility.excitation import COVER, CW, FWS, RESTS, TCS, Targets
from facility.loading import parse_site
from sim import history
from sim.scenarios.build import reference
from sim.sites import DESIGNS
from sim.sites.writer import texts

STEP_S = 300.0
WEEK = 2016
HOUR = 12
WET_BULB_C = 12.0


def _week() -> tuple[list[str], np.ndarray]:
    """Targets of one actuator of each quantity over a week, (steps, quantities)."""
    files = dict(texts(DESIGNS["campus"](), 15_000))
    site = parse_site(files["site.toml"], files["points.csv"])
    actuators = {a.quantity: a for a in site.actuators.values()}
    targets = Targets(site, random.Random(7).uniform, 0.0, COVER, RESTS)
    rows = []
    for step in range(WEEK):
        targets.at(step * STEP_S, WET_BULB_C)
        rows.append([targets.of(a) for a in actuators.values()])
    return list(actuators), np.array(rows)


def test_the_plant_is_left_alone_long_enough_to_come_to_rest_dozens_of_times() -> None:
    _, rows = _week()
    moved = np.any(np.diff(rows, axis=0) != 0.0, axis=1)
    rests = np.diff(np.flatnonzero(np.concatenate([[True], moved, [True]])))
    assert (rests > HOUR).sum() > 60
    assert rests.max() * STEP_S <= 2.0 * RESTS.still_s[1]


def test_at_rest_quantities_stand_apart_from_one_another_and_water_over_what_cools_it() -> None:
    names, rows = _week()
    rest = np.zeros(WEEK, dtype=bool)
    for step in range(HOUR, WEEK):
        rest[step] = bool(np.all(rows[step - HOUR : step] == rows[step]))
    levels = np.unique(rows[rest], axis=0)
    alone = [n for n, name in enumerate(names) if name not in {CW, FWS, TCS}]
    related = np.corrcoef(levels[:, alone].T) - np.eye(len(alone))
    assert np.abs(related).max() < 0.4
    cw, fws = (levels[:, names.index(name)] for name in (CW, FWS))
    assert (cw >= WET_BULB_C + 2.0 - 1e-9).all()
    assert (fws >= cw - 2.0 - 1e-9).all()


def test_a_model_is_taught_by_both_experiments_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(history, "MOVED_HOURS", 0.5)
    monkeypatch.setattr(history, "REST_HOURS", 0.25)
    site, parameters = reference("campus")
    told: list[float] = []
    frame = history.record_commissioning(site, parameters, seed=1, progress=told.append)
    spacing = np.diff(frame.index.to_numpy()) / np.timedelta64(1, "s")
    assert len(frame) == 45
    assert (spacing == 60.0).all()
    assert told == sorted(told)
    assert 0.0 <= told[0] <= told[-1] <= 1.0
