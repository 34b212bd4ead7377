"""A shadow run over a record of a small hall whose physics the model did not write."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from controller.evaluation.shadow import (
    Replica,
    ShadowError,
    estimate,
    reasons,
    run_shadow,
)
from controller.evaluation.shadow.report import page, shadow_report
from controller.planning.settings import PlanningSettings
from controller.planning.words import PlanOutcome, PlanRequest
from tests.models_hall import small_bundle, small_history, small_site

HOURS = 3.0


class Still:
    """A planner without an answer: nothing is ever moved."""

    async def plan(self, request: PlanRequest) -> PlanOutcome:
        """Nothing."""
        return PlanOutcome(None, ())

    async def close(self) -> None:
        """Nothing to let go of."""


def record() -> pd.DataFrame:
    return small_history(HOURS, seed=21)


def lived(frame: pd.DataFrame, moves: Sequence[tuple[str, float]] = ()) -> Replica:
    replica = Replica(small_site(), small_bundle(), frame)
    for actuator, value in moves:
        replica.hold(actuator, value)
    while not replica.ended:
        replica.minute()
    return replica


def test_without_moves_the_second_hall_is_the_recorded_one() -> None:
    replica = lived(record())
    assert np.array_equal(replica.setpoints, replica.history.setpoints)
    measured = replica.history.limited_c[-1]
    assert np.abs(replica.limited_c - measured).max() < 1.0


def test_warmer_water_warms_the_second_hall_alone() -> None:
    frame = record()
    tag = "cdu1.tcs_supply_temperature_setpoint"
    frame[tag] = 24.0
    plain, warmer = lived(frame), lived(frame, [(tag, 30.0)])
    racks = [i for i, r in enumerate(small_site().racks.values()) if "cdu1" in r.units]
    others = [i for i in range(len(plain.limited_c)) if i not in racks]
    assert (warmer.limited_c[racks] > plain.limited_c[racks]).all()
    assert np.allclose(warmer.limited_c[others], plain.limited_c[others])
    assert np.array_equal(warmer.history.limited_c, plain.history.limited_c, equal_nan=True)


def test_power_is_of_what_each_hall_reaches_and_not_of_what_it_asks_for() -> None:
    frame = record()
    tag = "cdu1.tcs_supply_temperature_setpoint"
    frame[tag] = small_site().actuators[tag].maximum
    out_of_reach_c = small_site().actuators[tag].minimum
    replica = lived(frame, [(tag, out_of_reach_c)])
    column = list(small_site().groups).index(small_site().actuators[tag].group)
    ours, plant = replica.reached[-60:, column], replica.reached_plant[-60:, column]
    assert (replica.setpoints[-60:, column] == out_of_reach_c).all()
    assert (ours > out_of_reach_c + 1.0).all()
    assert (ours < plant).all()
    flows = [g for g, name in enumerate(small_site().groups) if "flow" in name or "fan" in name]
    assert np.array_equal(replica.reached[:, flows], replica.setpoints[:, flows])


def test_the_snapshot_shows_our_values_and_names_the_gaps() -> None:
    frame = record()
    tag = "cdu1.tcs_supply_temperature_setpoint"
    frame.loc[frame.index[-1], "chiller1.power"] = np.nan
    replica = lived(frame, [(tag, 30.0)])
    snapshot = replica.snapshot()
    assert snapshot.good(tag) == 30.0
    assert snapshot.good("chiller1.power") is None
    assert snapshot.reading("chiller1.power").note == "not in the record"
    assert len(replica.recent()) == 45


def test_a_gap_is_left_out_and_the_run_goes_on() -> None:
    frame = record()
    frame.iloc[90:110] = np.nan  # longer than what is bridged
    study = asyncio.run(
        run_shadow(small_site(), small_bundle(), frame, Still(), PlanningSettings())
    )
    assert study.absent >= 9
    assert len(study.times_s) + study.absent == len(frame) - 30


def test_who_moves_nothing_saves_nothing_and_gets_no_go(tmp_path: Path) -> None:
    bundle = small_bundle()
    study = asyncio.run(run_shadow(small_site(), bundle, record(), Still(), PlanningSettings()))
    found = estimate(study, bundle)
    assert found.saved_share == pytest.approx(0.0, abs=1e-6)
    assert found.interval_share is None  # three hours: two stretches at most
    assert found.blocks is None
    assert study.would_be.judged == 0
    weighed = reasons(study, found)
    failed = {reason.name for reason in weighed if not reason.holds}
    assert {"saving", "planner", "length"} <= failed
    report = shadow_report(study, found, weighed, bundle.version)
    assert json.loads(json.dumps(report, allow_nan=False))["go"] is False
    html = page(report, study)
    assert "NO-GO" in html
    assert "too short to say how sure that is" in html
    assert "What happens if it fails?" in html
    failure = report["failure"]
    assert failure["moments"] == failure["steps"] == study.ticks
    assert failure["unsafe_moments"] <= failure["moments"]
    devices = small_site().devices.values()
    assert sum(each["devices"] for each in failure["classes"]) == len(devices)
    assert failure["jumps"] == [d.id for d in devices if d.release.value == "jump"]


def test_a_record_without_load_or_too_short_is_refused() -> None:
    frame = record()
    with pytest.raises(ShadowError, match="columns are missing"):
        Replica(small_site(), small_bundle(), frame.drop(columns=["l10.it_power"]))
    with pytest.raises(ShadowError, match="30 minutes on end"):
        Replica(small_site(), small_bundle(), frame.iloc[:20])
