"""The tick over a trained model: history in, a verified plan out."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

from controller.authority.automatic import ModeAlone
from controller.estimation.forecasts import Outlook, outlook
from controller.estimation.learned import LearnedEstimator, LearnedForecaster
from controller.planning.predictor import LearnedPredictor
from controller.planning.settings import PlanningSettings
from controller.planning.solve import PlanMaker
from controller.planning.worker import InProcessPlanner
from controller.records import TickRecord
from controller.tick import Parts, TickState, tick
from facility.commands import Mode
from facility.telemetry import Quality, Reading, Snapshot
from facility.wire import from_wire, to_wire
from tests.models_hall import small_bundle, small_history, small_site
from tests.planning_ports import TakesAll

SETTINGS = PlanningSettings()


@cache
def lately() -> pd.DataFrame:
    """Two hours and a half that the model was not trained on, in canonical units."""
    return small_history(40.0, seed=5).iloc[-150:]


def shot(moment: pd.Timestamp, row: pd.Series) -> Snapshot:
    site, now_s = small_site(), moment.timestamp() + 59.0
    readings = {str(tag): Reading(float(v), Quality.GOOD, now_s) for tag, v in row.items()}
    for actuator in site.actuators.values():
        readings[actuator.read_back] = readings[actuator.id]
    for tag in site.tags("dew_point_temperature"):
        readings[tag] = Reading(10.0, Quality.GOOD, now_s)
    return Snapshot(now_s, readings, {}, dict.fromkeys(site.actuators, Mode.AUTOMATIC))


@cache
def maker() -> PlanMaker:
    return PlanMaker(small_site(), LearnedPredictor(small_site(), small_bundle()), SETTINGS)


def parts() -> Parts:
    site, bundle = small_site(), small_bundle()
    return Parts(
        site=site,
        model_version=bundle.version,
        estimator=LearnedEstimator(site, bundle),
        forecaster=LearnedForecaster(site, bundle),
        planner=InProcessPlanner(maker()),
        authority=ModeAlone(),
        gateway=TakesAll(),
        settings=SETTINGS,
    )


async def run(rows: pd.DataFrame, every: int = 5) -> list[TickRecord]:
    state, records, wired = TickState.start(small_site()), [], parts()
    for number, (moment, row) in enumerate(rows.iterrows()):
        assert isinstance(moment, pd.Timestamp)
        snapshot = shot(moment, row)
        if number >= 120 and number % every == 0:
            state, record = await tick(state, snapshot, wired)
            records.append(record)
        else:
            state = state.seen(snapshot)
    return records


async def test_ticks_over_a_trained_model_plan_and_are_kept_whole() -> None:
    records = await run(lately())
    assert len(records) == 6
    for record in records:
        assert record.note == ""
        assert record.outcome is not None
        assert record.outcome.plan is not None, record.outcome.attempts
        assert not record.fallback, record.outcome.attempts
        assert record.model_version == small_bundle().version
    last = records[-1]
    back = from_wire(TickRecord, to_wire(last))
    assert back == last
    assert back.request is not None
    assert last.outcome is not None
    assert last.outcome.plan is not None
    again = maker().make(back.request).plan
    assert again is not None
    assert again.hash == last.outcome.plan.hash


def test_a_forecast_is_refused_a_history_that_goes_beyond_its_start() -> None:
    site, rows = small_site(), lately()
    forecaster = LearnedForecaster(site, small_bundle())
    start_s = rows.index[100].timestamp()

    def ahead(frame: pd.DataFrame) -> Outlook:
        return outlook(frame, site, forecaster, start_s=start_s, step_s=300.0, steps=24)

    with pytest.raises(ValueError, match="beyond its start"):
        ahead(rows)
    found = ahead(rows.iloc[:100])
    rated = np.array([rack.rated_kw for rack in site.racks.values()])
    assert np.all((found.it_power_kw >= 0.0) & (found.it_power_kw <= rated))
    assert np.all(found.wet_bulb_c <= found.dry_bulb_c)


async def test_a_plan_tells_temperatures_and_power_with_their_bands() -> None:
    outcome = (await run(lately().iloc[:122]))[0].outcome
    assert outcome is not None
    assert outcome.plan is not None
    for bands in (outcome.plan.bands, outcome.plan.bands_now):
        assert [(band.name, band.unit) for band in bands] == [
            ("hottest case temperature", "degC"),
            ("hottest inlet temperature", "degC"),
            ("electric power of cooling", "kW"),
        ]
        for band in bands:
            assert len(band.times_s) == SETTINGS.steps
            assert np.all(np.array(band.lower) < np.array(band.expected))
            assert np.all(np.array(band.expected) < np.array(band.upper))
