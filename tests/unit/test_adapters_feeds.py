"""Feeds: files read in their own words, nothing seen before its time, mistakes named."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.feeds import (
    EnergyPrices,
    FeedError,
    FirstThatKnows,
    Persistence,
    Series,
    SeriesFeed,
    read_csv,
    read_epw,
    wet_bulb_c,
)
from facility.clock import from_iso

DAY_S = 86_400.0


@pytest.mark.parametrize(
    ("dry_c", "humidity_pct", "pressure_pa", "expected_c"),
    [
        # psychrolib 2.5.0, GetTWetBulbFromRelHum; not called here, for it compiles for seconds.
        (-15.0, 35.0, 101_325.0, -16.491),
        (-15.0, 99.0, 84_000.0, -15.026),
        (-1.0, 70.0, 101_325.0, -2.663),
        (0.5, 8.0, 84_000.0, -6.094),
        (0.5, 99.0, 101_325.0, 0.443),
        (12.0, 35.0, 101_325.0, 5.595),
        (12.0, 70.0, 84_000.0, 8.970),
        (25.0, 50.0, 101_325.0, 17.889),
        (25.0, 8.0, 84_000.0, 8.774),
        (38.0, 8.0, 101_325.0, 16.815),
        (38.0, 35.0, 101_325.0, 24.999),
        (38.0, 99.0, 101_325.0, 37.843),
    ],
)
def test_wet_bulb_agrees_with_psychrolib(
    dry_c: float, humidity_pct: float, pressure_pa: float, expected_c: float
) -> None:
    assert wet_bulb_c(dry_c, humidity_pct, pressure_pa) == pytest.approx(expected_c, abs=0.005)


def test_epw_values_stand_for_the_end_of_their_local_hour(shared_data: Path) -> None:
    weather = read_epw(shared_data / "weather" / "USA_VA_Leesburg.epw")
    # The file's first row, hour 1 of 1 January at UTC-5: 06:00 UTC, 1.1 °C at 100 %.
    (dry,) = weather.dry_bulb([from_iso("2024-01-01T06:00:00Z")])
    (wet,) = weather.wet_bulb([from_iso("2024-01-01T06:00:00Z")])
    assert dry == pytest.approx(1.1)
    assert wet == pytest.approx(1.1, abs=0.02)
    years = [from_iso(f"{year}-07-04T18:30:00Z") for year in (2023, 2024, 2025)]
    assert len(set(weather.dry_bulb(years))) == 1
    assert all(w <= d + 1e-9 for w, d in zip(weather.wet_bulb_c, weather.dry_bulb_c, strict=True))


def test_prices_and_carbon_come_from_files_in_their_own_units(shared_data: Path) -> None:
    carbon = read_csv(shared_data / "grid" / "carbon_VA_2022_hourly.csv", "avg_CI", low=0.0)
    start_s = from_iso("2022-01-01T00:00:00Z")
    assert carbon.at(start_s + 60.0) == pytest.approx(341.4337498507268)
    assert carbon.at(start_s - 1.0) is None
    moved = carbon.in_year(2024)
    assert moved.at(from_iso("2024-01-01T00:30:00Z")) == carbon.at(start_s)
    price = read_csv(
        shared_data / "grid" / "price_boptest_complex_air.csv",
        "PriceElectricPowerDynamic",
        time_column="time",
        epoch_s=start_s,
    )
    assert price.at(start_s + 1800.0) == 0.05871
    prices = EnergyPrices(SeriesFeed(price), SeriesFeed(carbon), lambda: start_s)
    assert prices.energy_per_kwh([start_s, start_s + 3600.0]) == (0.05871, 0.05871)
    assert prices.carbon_g_per_kwh([start_s]) == (carbon.at(start_s),)


def test_nothing_is_known_before_it_is_published() -> None:
    series = Series(tuple(3600.0 * i for i in range(96)), tuple(map(float, range(96))), 3600.0)
    feed = SeriesFeed(series, known_ahead_s=DAY_S)
    assert feed.known([DAY_S], now_s=0.0) == (24.0,)
    assert feed.known([DAY_S, DAY_S + 3600.0], now_s=0.0) is None
    assert SeriesFeed(series, known_ahead_s=0.0).known([60.0], now_s=0.0) is None


def test_a_gap_is_unknown_rather_than_bridged() -> None:
    series = Series((0.0, 3600.0, 36_000.0), (1.0, 2.0, 3.0), 3600.0)
    assert series.at(3 * 3600.0) == 2.0
    assert series.at(5 * 3600.0) is None
    assert series.at(36_000.0 + 3600.0) is None


def test_the_first_feed_that_knows_answers_and_persistence_comes_last() -> None:
    live = SeriesFeed(Series((0.0, 3600.0), (1.0, 2.0), 3600.0))
    held = Persistence(worth_s=DAY_S)
    row = FirstThatKnows(market=live, held=held)
    assert row.known([10.0], now_s=10.0) == (1.0,)
    assert row.last_used == "market"
    assert row.known([DAY_S], now_s=DAY_S) is None
    held.saw(2.0, 7200.0)
    held.saw(9.0, 0.0)  # older: changes nothing
    assert row.known([DAY_S, DAY_S + 60.0], now_s=DAY_S) == (2.0, 2.0)
    assert row.last_used == "held"
    assert row.known([3 * DAY_S], now_s=3 * DAY_S) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("timestamp,price\n2024-01-01,1\n", "at least two rows"),
        ("time,price\n0,1\n1,2\n", "no column 'timestamp'; it has time, price"),
        ("timestamp,price\n2024-01-01,1\n2024-01-02,x\n", "row 3, price: 'x' is not a number"),
        ("timestamp,price\nsoon,1\n2024-01-02,2\n", "row 2, timestamp: 'soon' is neither"),
        ("timestamp,price\n2024-01-02,1\n2024-01-01,2\n", "row 3, timestamp: times must ascend"),
        ("timestamp,price\n2024-01-01,nan\n2024-01-02,2\n", "row 2, price: nan is outside"),
        ("", "no column 'timestamp'; it has none"),
    ],
)
def test_a_mistake_in_a_file_is_named_by_row_and_column(
    tmp_path: Path, text: str, words: str
) -> None:
    path = tmp_path / "prices.csv"
    path.write_text(text)
    with pytest.raises(FeedError, match=words):
        read_csv(path, "price", low=-10.0, high=10.0)


@pytest.mark.parametrize("text", ["", "DATE,1\n", "LOCATION,a,b,c,d,e,1,2,-5\n" + "x\n" * 20])
def test_what_is_no_weather_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.epw"
    path.write_text(text)
    with pytest.raises(FeedError, match=r"not an EPW|hours of data"):
        read_epw(path)
    with pytest.raises(FeedError, match="cannot be read"):
        read_epw(tmp_path / "none.epw")
