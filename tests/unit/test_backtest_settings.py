"""Settings of a backtest: what is written down for a run is what is read back for it."""

from __future__ import annotations

from typing import Any

import pytest

from controller.backtest import BacktestError
from controller.backtest.settings import plain, settings_of
from controller.planning.settings import PlanningSettings


@pytest.mark.parametrize(
    "settings",
    [PlanningSettings(), PlanningSettings(staging=False), PlanningSettings(stage_time_s=None)],
)
def test_all_settings_of_the_planner_come_back(settings: PlanningSettings) -> None:
    assert settings_of(plain(settings), "settings") == settings


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"staging": 1}, "staging has to be true or false"),
        ({"rounds": True}, "rounds has to be an integer above 0"),
        ({"rounds": None}, "rounds has to be an integer above 0"),
        ({"stage_time_s": -1.0}, "stage_time_s has to be a number, not below 0"),
        ({"stages": 1}, "stages is no setting of the planner"),
    ],
)
def test_a_setting_of_another_kind_is_named(given: dict[str, Any], told: str) -> None:
    with pytest.raises(BacktestError, match=told):
        settings_of(given, "settings")
