"""What every telemetry store promises."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from controller.storage.engines import postgres_engine
from controller.storage.fleet import FleetTelemetry
from controller.storage.parquet import SCHEMA
from controller.storage.ports import Retention, TelemetryStore
from controller.storage.telemetry import LocalTelemetry
from facility.telemetry import Quality, Reading, Snapshot
from tests.postgres import new_database

START_S = 1_712_448_000.0  # 2024-04-07T00:00:00Z


Open = Callable[..., TelemetryStore]


@pytest.fixture(params=["local", "postgres"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the store of a name, a new one where there is none yet."""
    places: dict[str, str] = {}
    opened: list[TelemetryStore] = []

    def opening(name: str = "telemetry", dead_bands: Mapping[str, float] | None = None) -> Any:
        if request.param == "local":
            opened.append(LocalTelemetry(tmp_path / name, dead_bands, durable=False))
        else:
            if name not in places:
                places[name] = new_database(request.getfixturevalue("postgres"))
            opened.append(FleetTelemetry(postgres_engine(places[name]), dead_bands))
        return opened[-1]

    yield opening
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Open) -> TelemetryStore:
    return open_store(dead_bands={"slow": 0.5})


def snapshot(at_s: float, **values: float | None) -> Snapshot:
    return Snapshot(
        at_s,
        {
            tag: Reading(value, Quality.ABSENT if value is None else Quality.GOOD, at_s)
            for tag, value in values.items()
        },
    )


def fill(store: TelemetryStore, seconds: int, start_s: float = START_S) -> None:
    for t in range(0, seconds, 5):
        store.append(snapshot(start_s + t, ramp=float(t), flat=7.0))


def test_a_frame_shows_the_value_in_force_at_each_grid_moment(store: TelemetryStore) -> None:
    fill(store, 301)
    frame = store.frame(["ramp", "flat"], START_S, START_S + 300, every_s=60)
    assert list(frame.columns) == ["ramp", "flat"]
    assert str(frame.index[0]) == "2024-04-07 00:00:00+00:00"
    assert frame["ramp"].tolist() == [0.0, 60.0, 120.0, 180.0, 240.0, 300.0]
    assert frame["flat"].tolist() == [7.0] * 6


def test_frames_are_the_same_after_compaction_and_reopening(open_store: Open) -> None:
    store = open_store()
    fill(store, 3 * 3600)
    before = store.frame(["flat", "ramp"], START_S - 60, START_S + 3 * 3600, every_s=30)
    assert store.compact(START_S + 2.5 * 3600) > 0
    assert before.equals(store.frame(["flat", "ramp"], START_S - 60, START_S + 3 * 3600, 30))
    store.close()
    again = open_store()
    assert before.equals(again.frame(["flat", "ramp"], START_S - 60, START_S + 3 * 3600, 30))
    assert again.extent() == (START_S, START_S + 3 * 3600 - 5)


def test_finished_days_become_one_file(tmp_path: Path) -> None:
    store = LocalTelemetry(tmp_path, durable=False)
    for hour in range(26):
        store.append(snapshot(START_S + hour * 3600.0, ramp=float(hour)))
    store.compact(START_S + 26 * 3600)
    store.compact(START_S + 26 * 3600)  # removes what the first one replaced
    names = sorted(path.name.rsplit(".", 2)[0] for path in tmp_path.glob("*.parquet"))
    days = ["2024-04-07", "2024-04-08T00", "2024-04-08T01"]
    assert names == sorted([*days, "2024-04-07.trends", "2024-04-08T00.trends"])
    values = store.frame(["ramp"], START_S, START_S + 25 * 3600, every_s=3600)["ramp"].tolist()
    assert values == [float(hour) for hour in range(26)]


def test_a_bad_reading_is_a_gap_at_once(store: TelemetryStore) -> None:
    store.append(snapshot(START_S, a=1.0))
    store.append(snapshot(START_S + 30, a=None))
    store.append(snapshot(START_S + 50, a=2.0))
    values = store.frame(["a"], START_S, START_S + 60, every_s=10)["a"].tolist()
    assert values[:3] == [1.0, 1.0, 1.0]
    assert math.isnan(values[3])
    assert math.isnan(values[4])
    assert values[5:] == [2.0, 2.0]


def test_a_stale_reading_keeps_its_value_but_is_a_gap(store: TelemetryStore) -> None:
    store.append(snapshot(START_S, a=1.0))
    stale = Reading(1.0, Quality.STALE, START_S, "three scans missed")
    store.append(Snapshot(START_S + 20, {"a": stale}))
    values = store.frame(["a"], START_S, START_S + 20, every_s=10)["a"].tolist()
    assert values[:2] == [1.0, 1.0]
    assert math.isnan(values[2])


def test_silence_becomes_a_gap_and_never_a_flat_line(store: TelemetryStore) -> None:
    store.append(snapshot(START_S, a=1.0))
    values = store.frame(["a"], START_S, START_S + 600, every_s=60)["a"]
    assert values.iloc[1] == 1.0
    assert values.iloc[3:].isna().all()


def test_changes_within_the_dead_band_cost_nothing_and_stand_for_the_hold(
    store: TelemetryStore,
) -> None:
    rows = [
        store.append(snapshot(START_S + t, slow=20.0 + 0.1 * (t % 3))) for t in range(0, 121, 5)
    ]
    assert sum(rows) == 3
    assert rows[0] == rows[12] == rows[24] == 1
    frame = store.frame(["slow"], START_S, START_S + 120, every_s=5)
    assert frame["slow"].notna().all()
    assert (frame["slow"] - 20.1).abs().max() <= 0.5


def test_a_reading_that_was_not_renewed_is_not_stored_again(store: TelemetryStore) -> None:
    old = Reading(3.0, Quality.GOOD, START_S)
    assert store.append(Snapshot(START_S, {"a": old})) == 1
    assert store.append(Snapshot(START_S + 90, {"a": old})) == 0


def test_a_trend_has_mean_lowest_and_highest_and_gaps(store: TelemetryStore) -> None:
    fill(store, 600)
    fill(store, 300, START_S + 1200)
    trend = store.trend(["ramp"], START_S, START_S + 1500, every_s=300)
    assert trend[("ramp", "min")].iloc[0] == 0.0
    assert trend[("ramp", "max")].iloc[0] == 295.0
    assert trend[("ramp", "mean")].iloc[0] == pytest.approx(147.5)
    assert trend[("ramp", "mean")].iloc[3:4].isna().all()
    assert trend[("ramp", "mean")].iloc[4] == pytest.approx(147.5)


def test_a_mean_counts_each_value_for_as_long_as_it_stood(store: TelemetryStore) -> None:
    for t in range(0, 240, 5):
        store.append(snapshot(START_S + t, a=10.0))
    for t in range(240, 300, 5):
        store.append(snapshot(START_S + t, a=20.0 + t / 1e6))
    mean = store.trend(["a"], START_S, START_S + 300, every_s=300)[("a", "mean")].iloc[0]
    assert mean == pytest.approx(12.0, abs=1e-3)


def test_nothing_is_shown_from_after_the_moment_of_knowledge(store: TelemetryStore) -> None:
    store.append(snapshot(START_S, a=1.0))
    store.append(Snapshot(START_S + 40, {"a": Reading(9.0, Quality.GOOD, START_S + 20)}))
    known = store.frame(["a"], START_S, START_S + 30, every_s=10, known_by_s=START_S + 30)
    assert known["a"].tolist() == [1.0, 1.0, 1.0, 1.0]
    later = store.frame(["a"], START_S, START_S + 30, every_s=10)
    assert later["a"].tolist() == [1.0, 1.0, 9.0, 9.0]


def test_a_run_that_starts_anew_over_the_same_hours_adds_to_them(open_store: Open) -> None:
    store = open_store()
    store.append(snapshot(START_S, a=1.0))
    store.compact(START_S + 3600)
    store.append(snapshot(START_S, b=2.0))
    store.append(snapshot(START_S + 60, b=3.0))
    store.compact(START_S + 3600)
    frame = store.frame(["a", "b"], START_S, START_S + 60, every_s=60)
    assert frame.iloc[0].tolist() == [1.0, 2.0]
    assert frame["b"].tolist() == [2.0, 3.0]


def test_trends_are_the_same_from_readings_and_as_kept(open_store: Open) -> None:
    store = open_store(dead_bands={"b": 0.4})
    for t in range(0, 8000, 10):
        good = None if 3000 <= t < 3100 else math.sin(t / 500.0)
        late = Reading(math.cos(t / 700.0), Quality.GOOD, START_S + t - 7.3)
        store.append(Snapshot(START_S + t, {**snapshot(START_S + t, a=good).readings, "b": late}))
    asked = (["a", "b", "nobody"], START_S - 600, START_S + 9000)
    before = {every: store.trend(*asked, every) for every in (300, 900, 3600, 60, 450)}
    store.compact(START_S + 7300)
    assert store.usage().trends_to_s == START_S + 6900
    for every, trend in before.items():
        after = store.trend(*asked, every)
        assert after.index.equals(trend.index)
        assert (after.notna() == trend.notna()).all(axis=None)
        assert ((after - trend).abs().fillna(0.0) < 1e-12).all(axis=None)


def test_readings_that_come_to_summed_up_times_are_summed_up_again(open_store: Open) -> None:
    store = open_store()
    fill(store, 7300)
    store.compact(START_S + 7300)
    store.append(snapshot(START_S + 3602, other=50.0))
    other = store.trend(["other"], START_S, START_S + 7200, 3600)
    assert other[("other", "mean")].tolist()[1] == 50.0
    store.compact(START_S + 7300)
    assert store.usage().trends_to_s == START_S + 6900
    assert store.trend(["other"], START_S, START_S + 7200, 3600).equals(other)
    ramp = store.trend(["ramp"], START_S, START_S + 7200, 3600)["ramp"]
    assert ramp["mean"].tolist() == [1797.5, 5397.5]


def test_retention_leaves_trends_where_it_takes_readings(open_store: Open) -> None:
    store = open_store()
    for hour in range(0, 24 * 6, 6):
        fill(store, 300, START_S + hour * 3600)
    now_s = START_S + 6 * 86400
    store.compact(now_s)
    before = store.trend(["ramp"], START_S, now_s, 21600)
    tables = store.usage()
    assert store.retain(Retention(readings_days=2), now_s) == 16 * 65
    kept = store.usage()
    assert kept.readings_from_s == START_S + 4 * 86400
    assert (kept.trends, kept.readings) == (tables.trends, tables.readings - 16 * 65)
    assert store.trend(["ramp"], START_S, now_s, 21600).equals(before)
    fine = store.trend(["ramp"], START_S, START_S + 300, 60)["ramp"]["mean"]
    assert fine.tolist() == [147.5] * 5
    assert store.frame(["ramp"], START_S, START_S + 300)["ramp"].isna().all()
    assert store.extent() == (START_S, kept.last_s)
    store.retain(Retention(readings_days=2, trends_days=3), now_s)
    first = store.trend(["ramp"], START_S, now_s, 21600)["ramp"]["mean"]
    assert first.isna().tolist() == [True] * 12 + [False] * 12
    with pytest.raises(ValueError, match="at least as long"):
        Retention(readings_days=9, trends_days=3)


def test_rows_come_back_and_go_in_once(open_store: Open) -> None:
    store = open_store("one")
    for t in range(0, 3700, 100):
        store.append(snapshot(START_S + t, a=float(t), b=None if t == 200 else 1.0))
    store.compact(START_S + 3700)
    table = store.rows(store.tags(), START_S, START_S + 3700)
    assert table.num_rows == 37 + 37
    assert table.schema == SCHEMA
    other = open_store("other")
    other.append(snapshot(START_S + 300, a=300.0))
    assert other.put(table) == 73
    assert other.put(table) == 0
    assert other.rows(other.tags(), START_S, START_S + 3700).equals(table)
    asked = (["a", "b"], START_S, START_S + 3600)
    assert other.frame(*asked).equals(store.frame(*asked))
    assert other.put(SCHEMA.empty_table()) == 0


def test_an_unknown_tag_is_a_column_of_gaps(store: TelemetryStore) -> None:
    fill(store, 60)
    assert store.frame(["nobody"], START_S, START_S + 60)["nobody"].isna().all()


def test_an_empty_store_answers(store: TelemetryStore) -> None:
    assert store.extent() is None
    assert store.frame(["a"], START_S, START_S + 60)["a"].isna().all()
    assert store.compact(START_S) == 0
