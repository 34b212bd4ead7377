"""A record as it is read from a file, and the planner that a shadow run is given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from controller.evaluation.shadow import ShadowError
from controller.evaluation.shadow.inputs import learned_parts, read_record
from controller.evaluation.shadow.replica import modes_beside
from controller.planning.settings import PlanningSettings
from facility.commands import Mode
from facility.quantities import CHARGE, STAGE_REQUEST
from models import registry
from tests.models_hall import small_bundle, small_history, small_site
from tests.planning_plant import reference_site

SITE = small_site()
HEAD = small_history(1.0).head(3)


@pytest.mark.parametrize("day", [None, "2024-04-07"])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_record_without_moments_is_refused_in_words(
    kind: str, day: str | None, tmp_path: Path
) -> None:
    numbered = HEAD.reset_index(drop=True)
    local = HEAD.tz_localize(None)
    for frame in (numbered, local):
        path = tmp_path / f"record.{kind}"
        if kind == "csv":
            frame.to_csv(path)
        else:
            frame.to_parquet(path)
        with pytest.raises(ShadowError, match="no column time in UTC"):
            read_record(SITE, data=path, start=day)


def test_a_column_time_that_holds_none_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "record.parquet"
    HEAD.assign(time=True).to_parquet(path)
    with pytest.raises(ShadowError, match="column time: "):
        read_record(SITE, data=path)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_moments_are_read_in_whatever_zone_they_are_told(zone: str, tmp_path: Path) -> None:
    told = HEAD.tz_convert(zone)
    told.to_parquet(tmp_path / "index.parquet")
    told.rename_axis("time").reset_index().to_csv(tmp_path / "column.csv", index=False)
    for name in ("index.parquet", "column.csv"):
        found = read_record(SITE, data=tmp_path / name, start="2024-04-07T00:01:00Z")
        assert list(found.index) == list(HEAD.index[1:])
        np.testing.assert_allclose(found[HEAD.columns].to_numpy(), HEAD.iloc[1:].to_numpy())


def test_how_fast_the_machine_is_decides_nothing_in_a_shadow_run_or_a_backtest(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(registry.Bundle, "load", lambda *_: small_bundle())
    assert learned_parts(SITE, tmp_path).settings.stage_time_s is None
    given = PlanningSettings(rounds=1, stage_time_s=8.0)
    assert learned_parts(SITE, tmp_path, given).settings == replace(given, stage_time_s=None)


def test_tanks_and_stages_stay_with_the_recorded_plant() -> None:
    for name in ("campus-storage", "campus-stages"):
        site = reference_site(name)
        modes = modes_beside(site)
        off = {site.actuators[tag].quantity for tag, mode in modes.items() if mode is Mode.OFF}
        assert off == {CHARGE if name == "campus-storage" else STAGE_REQUEST}
        assert set(modes) == set(site.actuators)
