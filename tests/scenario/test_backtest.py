"""A backtest: what was known then and nothing later, the envelope beside it, days that add up."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from controller.backtest import (
    BacktestError,
    KnownThen,
    keep_days,
    read_rows,
    read_settings,
    summarise,
    table,
)
from controller.backtest.day import live_through, step_of
from controller.backtest.record import AFTER_S, BEFORE_S
from controller.backtest.report import backtest_report, page
from controller.backtest.score import score
from controller.backtest.summary import proposals
from controller.cli import main
from controller.evaluation.shadow.inputs import LearnedParts
from controller.planning.settings import PlanningSettings
from controller.planning.worker import InProcessPlanner
from controller.storage.parquet import SCHEMA
from facility.telemetry import Quality
from tests.models_hall import small_bundle, small_history, small_site
from tests.scenario.test_tick_learned import maker

TAG = "cdu1.tcs_supply_temperature"
START_S = 1_720_000_800.0


def reading(
    at_s: float, seen_s: float, value: float | None, quality: str = "good"
) -> tuple[Any, ...]:
    moments = [np.datetime64(round(t * 1000.0), "ms") for t in (START_S + at_s, START_S + seen_s)]
    return (TAG, *moments, value, quality)


def known(rows: list[tuple[Any, ...]], minutes: int) -> KnownThen:
    columns = [list(column) for column in zip(*rows, strict=True)]
    rows_table = pa.table(columns, schema=SCHEMA)
    return KnownThen(small_site(), rows_table, START_S, START_S + 60.0 * minutes)


def test_a_reading_is_not_known_before_it_was_received_and_stands_a_while() -> None:
    shown = known(
        [reading(0.0, 0.0, 20.0), reading(30.0, 70.0, 21.0), reading(60.0, 61.0, 22.0)], 5
    )
    seen = [snapshot.good(TAG) for snapshot in shown.snapshots()]
    # The one of 30 s came at 70 s, after the newer one of 60 s: it is never the newest.
    assert seen == [20.0, 20.0, 22.0, None, None]
    late = [s.reading(TAG).quality for s in shown.snapshots()][3]
    assert late is Quality.STALE
    frame = shown.frame()[TAG]
    assert frame.tolist()[:3] == [20.0, 20.0, 22.0]
    assert frame.isna().tolist() == [False, False, False, True, True]


def test_a_bad_reading_is_shown_as_bad_and_not_as_its_last_value() -> None:
    shown = known([reading(0.0, 0.0, 20.0), reading(60.0, 60.0, None, "bad")], 3)
    found = [snapshot.reading(TAG) for snapshot in shown.snapshots()]
    assert [one.quality for one in found] == [Quality.GOOD, Quality.BAD, Quality.BAD]
    assert found[1].good is None


def rows_of(frame: pd.DataFrame, folder: Path) -> pa.Table:
    site = small_site()
    frame = frame.copy()
    for actuator in site.actuators.values():
        frame[actuator.read_back] = frame[actuator.id]
    for tag in site.tags("dew_point_temperature"):
        frame[tag] = 10.0
    path = folder / "record.parquet"
    frame.rename_axis("time").reset_index().to_parquet(path)
    return read_rows(site, data=path).table


def lived(rows: pa.Table, first: pd.Timestamp) -> tuple[list[Any], dict[str, Any], dict[str, Any]]:
    site, start_s = small_site(), first.timestamp() + 7200.0
    shown = KnownThen(site, rows, start_s - BEFORE_S, start_s + 1800.0 + AFTER_S)
    parts = LearnedParts(small_bundle(), InProcessPlanner(maker()), PlanningSettings())
    done = asyncio.run(
        live_through(site, parts, shown, start_s=start_s, end_s=start_s + 1800.0, every_s=600.0)
    )
    errors = score(site, parts.bundle, shown.frame(), done.ticks)
    return [step_of(one) for one in done.ticks], done.envelope, errors


def test_what_comes_later_changes_no_step_and_every_error(tmp_path: Path) -> None:
    frame = small_history(40.0, seed=5).iloc[-300:]
    steps, envelope, errors = lived(rows_of(frame, tmp_path), frame.index[0])
    changed = frame.copy()
    later = changed.index >= frame.index[0] + pd.Timedelta(seconds=7200 + 600)
    changed.loc[later, [t for t in changed.columns if str(t).endswith("temperature")]] += 3.0
    others, _, other_errors = lived(rows_of(changed, tmp_path), frame.index[0])
    assert len(steps) == 3
    assert [step["note"] for step in steps] == ["", "", ""]
    assert steps[:2] == others[:2]
    assert steps[2] != others[2]
    hour = errors["temperature_k"]["3600"]
    assert hour["count"] == 3 * len(small_site().racks)
    assert hour["square"] < other_errors["temperature_k"]["3600"]["square"]
    assert sum(envelope[name] for name in ("allowed", "limited", "refused", "unchanged")) > 0

    results = {
        f"model_2024-07-0{n}": {"steps": steps, "envelope": envelope, "errors": errors}
        for n in (1, 2)
    }
    one = summarise({"model_2024-07-01": results["model_2024-07-01"]}, "model", "2024-07-01")
    both = summarise(results, "model", "both")
    assert (both.steps, both.planned) == (6, 6)
    assert both.judged == 2 * one.judged
    assert both.rms("temperature_k", 3600.0) == pytest.approx(one.rms("temperature_k", 3600.0))
    assert both.saving_kw == pytest.approx(one.saving_kw)
    assert table([one, both])["steps"].tolist() == [3, 6]
    moved = proposals(results)
    assert set(moved["variant"]) == {"model"}
    assert len(moved) == 2 * sum(len(step["moves"]) for step in steps)
    asked = {"from": "2024-07-01", "to": "2024-07-02", "every_s": 600.0}
    html = page(backtest_report(small_site(), [both], [one], asked), [both])
    assert "6 of 6 steps planned" in html


def test_a_record_is_cut_into_days_of_known_content(tmp_path: Path) -> None:
    frame = small_history(40.0, seed=5).iloc[-300:]
    site = small_site()
    rows_of(frame, tmp_path)
    rows = read_rows(site, data=tmp_path / "record.parquet")
    days = keep_days(rows, tmp_path / "days")
    assert keep_days(rows, tmp_path / "days") == days
    assert days[0].end_s - days[0].start_s <= 86_400.0
    assert len(list((tmp_path / "days").iterdir())) == len(days)
    with pytest.raises(BacktestError, match="nothing of this site"):
        read_rows(site, data=tmp_path / "record.parquet", start="2031-01-01T00:00:00Z")
    (tmp_path / "text.csv").write_text("time,what\n2024-01-01T00:00:00Z,1\n")
    with pytest.raises(BacktestError, match="two rows"):
        read_rows(site, data=tmp_path / "text.csv")


def test_settings_are_read_with_every_mistake_at_once(tmp_path: Path) -> None:
    path = tmp_path / "calm.toml"
    path.write_text("turn_kwh = 0.1\nblocks = [1, 1, 2, 4, 8, 8]\nrounds = 3\n")
    found = read_settings(path)
    assert (found.turn_kwh, found.blocks, found.rounds) == (0.1, (1, 1, 2, 4, 8, 8), 3)
    path.write_text('turn = 1\nrounds = 0\nblocks = "all"\n')
    with pytest.raises(BacktestError) as caught:
        read_settings(path)
    for words in ("turn is no setting", "rounds has to be an integer", "blocks has to be a list"):
        assert words in str(caught.value)
    path.write_text("blocks = [1, 2]\n")
    with pytest.raises(BacktestError, match="add steps"):
        read_settings(path)


def test_what_is_asked_wrongly_is_said_before_anything_is_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["backtest", "--site", str(tmp_path), "--model", str(tmp_path), "--out", str(tmp_path)]
    assert main([*asked, "--state", str(tmp_path), "--every", "0"]) == 2
    assert "--every has to be from 1 to 120" in capsys.readouterr().err
    assert main([*asked, "--state", str(tmp_path)]) == 2
    assert "site.toml" in capsys.readouterr().err
