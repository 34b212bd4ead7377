"""The linear model in the place of the learned one: a known one is found again, and is its own
slope."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from benchmarks.arx import STEP_S, Arx, ArxEstimator, ArxPredictor, ArxState, fit, mates_of
from benchmarks.scaled import reference_site
from benchmarks.sized import START_S, loads_kw, untrained, usual_setpoints
from controller.estimation.learned import minutes_of
from facility.site import Site
from models.contract import Inputs
from models.layout import layout_of
from models.registry import Bundle
from models.uncertainty import ErrorModel

STEPS = 6
BLOCKS = (1, 2, 3)
HOURS = 30


@cache
def site() -> Site:
    return reference_site("campus")


@cache
def bundle() -> Bundle:
    return untrained(site())


def known() -> Arx:
    """A stable model in which racks follow their own units' setpoints."""
    racks, groups = list(site().racks.values()), list(site().groups.values())
    keep = np.linspace(0.2, 0.8, len(racks))
    gain = np.zeros((len(racks), len(groups)))
    for r, rack in enumerate(racks):
        for g, members in enumerate(groups):
            if members[0].equipment in rack.units:
                warm = members[0].unit == "degC"
                gain[r, g] = (0.9 if warm else -0.05) * (1.0 - keep[r]) / len(rack.units)
    rated = np.array([rack.rated_kw for rack in racks])
    return Arx(
        keep=keep,
        gain=gain,
        per_load=8.0 / rated * (1.0 - keep),
        per_mate=2.0 / rated * (1.0 - keep),
        per_wet_bulb=0.02 * (1.0 - keep),
        constant=5.0 * (1.0 - keep),
        errors=ErrorModel({}),
    )


def moved(steps: int, step_s: float, seed: int = 1) -> Inputs:
    """Setpoints and loads that go their own ways."""
    rng = np.random.default_rng(seed)
    x = usual_setpoints(site())
    load = loads_kw(site(), START_S)
    return Inputs(
        start_s=START_S,
        step_s=step_s,
        setpoints=x + rng.normal(0.0, 1.0, (steps, len(x))),
        it_power_kw=load * rng.uniform(0.5, 1.0, (steps, len(load))),
        wet_bulb_c=10.0 + rng.normal(0.0, 3.0, steps),
        dry_bulb_c=np.full(steps, 15.0),
    )


def history(arx: Arx) -> pd.DataFrame:
    """What sensors would read were that model the plant; a row a minute, steps of five."""
    inputs = moved(HOURS * 12, STEP_S)
    settled = arx.settled(inputs, mates_of(site()))
    now, lines = settled[0], []
    keep = arx.keep**0.2
    for line in settled:
        for _ in range(5):
            now = keep * now + (1.0 - keep) * line
            lines.append(now)
    layout = layout_of(site())
    spread = np.repeat(np.arange(HOURS * 12), 5)
    columns = dict(zip(layout.limited_tags, np.array(lines).T, strict=True))
    tags = [site().tag(rack, "it_power") for rack in site().racks]
    columns |= dict(zip(tags, inputs.it_power_kw[spread].T, strict=True))
    columns["outdoor.wet_bulb_temperature"] = inputs.wet_bulb_c[spread]
    columns["outdoor.dry_bulb_temperature"] = inputs.dry_bulb_c[spread]
    for members, values in zip(site().groups.values(), inputs.setpoints[spread].T, strict=True):
        columns |= dict.fromkeys((a.read_back for a in members), values)
    for node in layout.nodes:
        if node.tag:
            columns.setdefault(node.tag, np.full(len(spread), 20.0))
    index = pd.to_datetime(START_S + 60.0 * np.arange(len(spread)), unit="s", utc=True)
    return pd.DataFrame(columns, index=index)


@pytest.fixture(scope="module")
def found() -> Arx:
    return fit(site(), history(known()))


def test_a_model_that_made_a_history_is_found_again(found: Arx) -> None:
    truth = known()
    assert found.keep == pytest.approx(truth.keep, abs=0.02)
    strong = np.abs(truth.gain) > 0.0
    assert np.abs(found.gain - truth.gain)[strong].max() < 0.03
    assert np.abs(found.gain)[~strong].max() < 0.03
    margins = found.errors.margins(np.array([300.0, 14_400.0]), next(iter(found.errors.groups)))
    assert margins.max() < 0.5


def test_it_is_kept_as_plain_numbers(found: Arx) -> None:
    again = Arx.from_json(json.loads(json.dumps(found.to_json())))
    assert np.array_equal(again.gain, found.gain)
    assert again.errors == found.errors


def test_finer_steps_end_where_coarse_ones_do(found: Arx) -> None:
    predictor = ArxPredictor(site(), bundle(), found)
    inputs = moved(STEPS, STEP_S)
    count = len(site().racks)
    state = ArxState(START_S, np.full(count, 40.0), np.linspace(-1.0, 1.0, count))
    coarse = predictor.roll_out(state, inputs).limited_c
    fine_s = np.concatenate([np.full(90, 10.0), np.full(15, 60.0)])
    fine = predictor.trace(state, inputs, fine_s)
    ends = np.searchsorted(np.cumsum(fine_s), STEP_S * np.arange(1, STEPS + 1) - 1e-6)
    assert fine[ends] == pytest.approx(coarse, abs=1e-9)


def test_its_slopes_are_its_differences(found: Arx) -> None:
    predictor = ArxPredictor(site(), bundle(), found)
    inputs, count = moved(STEPS, STEP_S), len(site().racks)
    state = ArxState(START_S, np.full(count, 40.0), np.zeros(count))
    base = predictor.roll_out(state, inputs).limited_c
    weight = np.random.default_rng(3).uniform(size=base.shape)
    slopes, total = predictor.linearise(state, inputs, BLOCKS, range(0, count, 7), weight)
    block, group = 1, int(slopes.group[0])
    held = inputs.setpoints.copy()
    held[1:3, group] += 1.0
    change = predictor.roll_out(state, replace(inputs, setpoints=held)).limited_c - base
    for i in np.flatnonzero(slopes.group == group):
        assert slopes.gain[i, :, block] == pytest.approx(change[:, slopes.rack[i]], abs=1e-9)
    assert total[block, group] == pytest.approx(float((weight * change).sum()), abs=1e-6)
    assert set(slopes.rack.tolist()) <= set(range(0, count, 7))


def test_the_state_follows_readings_and_takes_up_a_lasting_error(found: Arx) -> None:
    frame = history(known()).iloc[:120].copy()
    layout = layout_of(site())
    tags = [tag for tag in layout.limited_tags if tag]
    frame[tags] += 2.0  # sensors, or a plant, that lie above the model
    estimator = ArxEstimator(site(), bundle(), found)
    state = estimator.start(frame.iloc[:60])
    state = estimator.follow(state, frame.iloc[60:61])  # a single row too
    state = estimator.follow(state, frame.iloc[61:])
    measured = minutes_of(site(), frame, layout).limited_c[-1]
    assert np.abs(state.racks_c - measured).max() < 0.3
    assert state.bias_k == pytest.approx(np.full(len(tags), 2.0), abs=0.6)
    kept = ArxPredictor(site(), bundle(), found).state(estimator.to_text(state))
    assert kept.bias_k == pytest.approx(state.bias_k)
    assert estimator.time_s(state) == START_S + 120 * 60.0
