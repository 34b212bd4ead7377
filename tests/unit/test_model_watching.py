"""A model in use, watched hour by hour, and asked why over REST."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from controller.alarms.watch import AlarmBook
from controller.estimation.history import History as Minutes
from controller.lifecycle.watching import DriftWatch, claims_of
from controller.live import Live
from controller.service.context import Model
from controller.storage.ports import TelemetryStore
from controller.storage.records import LocalRecords
from facility.clock import FixedClock
from facility.telemetry import Condition, Priority
from models.drift import FALSE_ALARM_DAYS, HOURS_A_DAY, bound
from models.layout import layout_of, rack_groups
from models.registry import Bundle
from models.state import OffsetNoise
from models.thermal import ThermalModel, ThermalNet
from tests.controller_fakes import CASE, START_S, snapshot
from tests.models_hall import small_history, small_site
from tests.service_world import World, made_world

SITE = small_site()
FRAME = small_history(26.0, seed=6)
BEGIN_S = FRAME.index[0].timestamp()


class Recorded:
    """Telemetry that is a table."""

    def frame(self, tags: Sequence[str], start_s: float, end_s: float) -> pd.DataFrame:
        first, last = (pd.Timestamp(s, unit="s", tz="UTC") for s in (start_s, end_s))
        rows = FRAME[(FRAME.index >= first) & (FRAME.index < last)]
        return rows.reindex(columns=list(tags))


class Learned:
    """What the watch needs of a bundle: a thermal model that was never trained."""

    version = "b" * 64

    def __init__(self) -> None:
        noise = OffsetNoise(1e-6, 0.05)
        layout = layout_of(SITE)
        self.thermal = ThermalModel(layout, ThermalNet(layout, 1), noise, noise)


def watch(claim_k: float) -> DriftWatch:
    claims = dict.fromkeys(rack_groups(SITE), claim_k)
    telemetry = cast(TelemetryStore, Recorded())
    return DriftWatch(SITE, cast(Bundle, Learned()), claims, telemetry)


def test_a_claim_that_is_kept_asks_for_nobody() -> None:
    asked = watch(100.0)
    assert all(asked.look(BEGIN_S + 3600.0 * hour) == () for hour in range(4, 7))


def test_a_claim_that_is_lost_is_told_by_group_and_since_when() -> None:
    asked = watch(1e-6)
    told = [asked.look(BEGIN_S + 3600.0 * hour) for hour in range(4, 18)]
    limit = bound(len(rack_groups(SITE)) * FALSE_ALARM_DAYS * HOURS_A_DAY)
    needed = int(np.ceil(limit / np.log(3.3)))
    assert [bool(conditions) for conditions in told].index(True) == needed - 1
    last = told[-1]
    assert {c.id for c in last} == {f"model-drift:{group}" for group in rack_groups(SITE)}
    assert "isotherm model refit" in last[0].action


def test_hours_without_a_record_count_for_nothing() -> None:
    asked = watch(1e-6)
    late_s = FRAME.index[-1].timestamp() + 86400.0
    assert all(asked.look(late_s + 3600.0 * hour) == () for hour in range(30))


def test_a_model_outside_a_registry_claims_nothing(tmp_path: Path) -> None:
    assert claims_of(tmp_path, "b" * 64) == {}


def test_what_the_watch_finds_is_an_alarm(tmp_path: Path) -> None:
    records, live = LocalRecords(tmp_path / "records.db"), Live(SITE.id, START_S, START_S)
    book = AlarmBook(SITE, records)
    live.model_conditions = (Condition("model-drift:hall1", Priority.MEDIUM, "it errs", "refit"),)
    for seconds in (0.0, 20.0):
        book.update(None, live, START_S + seconds)
    assert [alarm.body["condition"] for alarm in book.open()] == ["model-drift:hall1"]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with made_world(tmp_path) as made:
        yield made


async def test_an_explanation_adds_up_to_the_prediction(world: World) -> None:
    here = world.here
    assert (await world.ask("GET", "/models/explain?rack=nothing")).status_code == 404
    rack = next(iter(here.site.racks))
    assert (await world.ask("GET", f"/models/explain?rack={rack}")).status_code == 409
    learned: Any = Learned()
    world.app.state.context = replace(
        here,
        site=SITE,
        clock=FixedClock(FRAME.index[-1].timestamp()),
        telemetry=cast(TelemetryStore, Recorded()),
        model=Model(learned.version, {}, here.model.predictor, learned),
    )
    answer = await world.ask("GET", "/models/explain?rack=l10&ahead_min=30")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    total = found["reference_c"] + sum(found["contributions_k"].values())
    assert total == pytest.approx(found["predicted_c"], abs=1e-6)
    assert set(found["contributions_k"]) == set(found["terms"])


def test_readings_of_a_minute_are_averaged() -> None:
    tags = (CASE, "nothing")
    minutes = Minutes(tags)
    for second, value in ((0.0, 50.0), (5.0, 52.0), (10.0, 57.0), (60.0, 60.0)):
        minutes = minutes.seen(snapshot(START_S + second, {}, {CASE: value}))
    values = [row[0] for row in minutes.rows]
    assert values == pytest.approx([53.0, 60.0])
    assert all(np.isnan(row[1]) for row in minutes.rows)
