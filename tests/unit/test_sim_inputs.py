"""Load and weather from files: what is understood, and what is refused in which words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import psychrolib
import pytest

from facility.clock import from_iso
from facility.equipment import RackKind
from facility.loading import parse_site
from facility.site import Site
from sim.plant.jobs import GeneratedLoad
from sim.plant.moist_air import dew_point_c, wet_bulb_c
from sim.plant.reading import InputError
from sim.plant.traces import read_load
from sim.plant.weather import ConstantWeather, MeasuredWetBulb, generated_weather, read_epw
from sim.sites import DESIGNS
from sim.sites.writer import texts

START_S = from_iso("2024-04-07")


@pytest.fixture(scope="module")
def frontier() -> Site:
    files = dict(texts(DESIGNS["frontier"](), 15_000))
    return parse_site(files["site.toml"], files["points.csv"])


@pytest.fixture(scope="module")
def campus() -> Site:
    files = dict(texts(DESIGNS["campus"](), 15_000))
    return parse_site(files["site.toml"], files["points.csv"])


def test_the_frontier_trace_gives_each_cdu_its_heat_and_brings_its_wet_bulb(
    frontier: Site, shared_data: Path
) -> None:
    path = shared_data / "it_load" / "frontier_2024-04-07_cdu_heat_15s.csv"
    raw = pd.read_csv(path)
    load = read_load(path, frontier).starting_at(START_S)
    kw = load.rack_kw(START_S + np.array([0.0, 15.0 * 700]))
    for number, cdu in enumerate(frontier.cdus, start=1):
        mine = [i for i, r in enumerate(frontier.racks.values()) if r.units == (cdu,)]
        heat = raw[f"cdu{number:02d}_heat_W"].to_numpy()[[0, 700]] / 1e3
        assert kw[:, mine].sum(axis=1) == pytest.approx(heat)
    measured = load.wet_bulb()
    assert measured is not None
    assert measured[1] == pytest.approx(raw["outdoor_wet_bulb_C"].to_numpy())


def test_a_trace_that_ends_before_the_run_says_so(frontier: Site, shared_data: Path) -> None:
    path = shared_data / "it_load" / "frontier_2024-04-07_cdu_heat_15s.csv"
    load = read_load(path, frontier).starting_at(START_S)
    with pytest.raises(InputError, match=r"ends at .* run fewer hours"):
        load.rack_kw(np.array([START_S + 25.0 * 3600.0]))


def test_arrivals_of_requests_become_a_load_between_idle_and_rated(
    campus: Site, shared_data: Path
) -> None:
    path = shared_data / "it_load" / "azure_llm_2023_conv.csv"
    load = read_load(path, campus).starting_at(START_S)
    kw = load.rack_kw(START_S + np.arange(0.0, 3000.0, 10.0))
    rated = np.array([r.rated_kw for r in campus.racks.values()])
    assert (kw > 0.1 * rated).all()
    assert (kw <= rated).all()
    assert np.ptp(kw.sum(axis=1)) > 0.1 * rated.sum()


def trace(folder: Path, site: Site, **edits: object) -> Path:
    """A small trace by hall, with edits as column=values."""
    hall = next(iter(site.halls))
    table = {"time_s": [0.0, 60.0, 120.0, 180.0], f"{hall}_MW": [3.0, 4.0, 5.0, 4.0]}
    table.update(edits)  # type: ignore[arg-type]
    path = folder / "load.csv"
    kept = [name for name in table if edits.get(name, ()) is not None]
    pd.DataFrame({name: table[name] for name in kept}).to_csv(path, index=False)
    return path


def test_a_hall_s_load_is_spread_over_its_racks_by_rating(campus: Site, tmp_path: Path) -> None:
    load = read_load(trace(tmp_path, campus), campus).starting_at(START_S)
    kw = load.rack_kw(START_S + np.array([30.0]))[0]
    assert kw.sum() == pytest.approx(3500.0)
    rated = np.array([r.rated_kw for r in campus.racks.values()])
    assert kw / rated == pytest.approx(np.full(len(rated), 3500.0 / rated.sum()))


def test_the_same_trace_by_rack_as_parquet_and_as_csv_is_the_same_load(
    campus: Site, tmp_path: Path
) -> None:
    columns = {
        f"{rack.id}_power_kW": [0.3 * rack.rated_kw, 0.5 * rack.rated_kw, float(i) / 10.0]
        for i, rack in enumerate(campus.racks.values())
    }
    table = pd.DataFrame({"time_s": [0.0, 60.0, 120.0]} | columns)
    table.to_csv(tmp_path / "load.csv", index=False)
    table.to_parquet(tmp_path / "load.parquet")
    moments = START_S + np.array([0.0, 30.0, 100.0])
    found = [
        read_load(tmp_path / name, campus).starting_at(START_S).rack_kw(moments)
        for name in ("load.csv", "load.parquet")
    ]
    assert found[0] == pytest.approx(found[1])
    rated = np.array([rack.rated_kw for rack in campus.racks.values()])
    assert found[0][1] == pytest.approx(0.4 * rated)


@pytest.mark.parametrize(
    ("edits", "words"),
    [
        ({"time_s": [0.0, 60.0, 1200.0, 1260.0]}, r"line \d+.*gap"),
        ({"time_s": [0.0, 60.0, 30.0, 90.0]}, r"line 4|line \d+"),
        ({"hall1_MW": [3.0, None, 5.0, 4.0]}, r"line 3.*hall1_MW"),
        ({"hall1_MW": [3.0, 4.0, -5.0, 4.0]}, r"line 4.*hall1_MW"),
        ({"time_s": None}, "time_s"),
        ({"cdu99_kW": [1.0, 1.0, 1.0, 1.0]}, "cdu99"),
        ({"hall1_MW": None, "hall1_hp": [1.0, 1.0, 1.0, 1.0]}, r"hall1_hp.*W, kW or MW"),
        ({"hall1_MW": None, "hall1": [1.0, 1.0, 1.0, 1.0]}, r"does not end with its unit"),
        ({"time_s": [0.0, 60.0, 60.0, 120.0]}, r"line 4"),
        ({"hall1_MW": None, "cdu1_kW": [1.0, 1.0, 1.0, 1.0]}, r"racks"),
    ],
)
def test_a_bad_trace_is_refused_with_its_place(
    campus: Site, tmp_path: Path, edits: dict[str, object], words: str
) -> None:
    path = trace(tmp_path, campus, **edits)
    with pytest.raises(InputError, match=words) as refused:
        read_load(path, campus)
    assert str(path) in str(refused.value)


def test_epw_hours_stand_for_the_end_of_their_hour_in_local_time(shared_data: Path) -> None:
    path = shared_data / "weather" / "USA_VA_Leesburg.epw"
    lines = path.read_text(encoding="utf-8").splitlines()
    # Row of 15 July, hour 14, in a year of 365 days; Leesburg is five hours behind UTC.
    row = lines[8 + (195 * 24) + 13].split(",")
    assert (int(row[1]), int(row[2]), int(row[3])) == (7, 15, 14)
    at = read_epw(path).at_times(np.array([from_iso("2023-07-15T19:00:00Z")]))[0]
    assert at[0] == pytest.approx(float(row[6]))
    assert at[2] == pytest.approx(float(row[7]))


@pytest.mark.parametrize(("field", "words"), [("x", "dry bulb"), ("99.9", "dry bulb")])
def test_a_gap_in_an_epw_file_is_refused_with_its_line(
    shared_data: Path, tmp_path: Path, field: str, words: str
) -> None:
    lines = (shared_data / "weather" / "USA_VA_Leesburg.epw").read_text().splitlines()
    row = lines[100].split(",")
    row[6] = field
    path = tmp_path / "bad.epw"
    path.write_text("\n".join([*lines[:100], ",".join(row), *lines[101:]]))
    with pytest.raises(InputError, match=rf"line 101.*{words}"):
        read_epw(path)


# ASHRAE Handbook Fundamentals, psychrometric chart 1: 30 °C and 50 % is 22.0 °C wet bulb,
# 18.4 °C dew point at sea level.
def test_wet_bulb_and_dew_point_agree_with_the_chart() -> None:
    assert wet_bulb_c(30.0, 18.4) == pytest.approx(22.0, abs=0.1)
    assert dew_point_c(30.0, 22.0) == pytest.approx(18.4, abs=0.15)
    psychrolib.SetUnitSystem(psychrolib.SI)
    assert wet_bulb_c(12.0, 3.0) == pytest.approx(
        psychrolib.GetTWetBulbFromTDewPoint(12.0, 3.0, 101_325.0), abs=0.05
    )


def test_a_measured_wet_bulb_wins_and_never_lies_above_the_dry_bulb() -> None:
    times = START_S + np.arange(0.0, 3600.0, 60.0)
    measured = np.linspace(5.0, 20.0, len(times))
    air = MeasuredWetBulb(ConstantWeather(12.0, 8.0), times, measured).at_times(times)
    assert air[:, 1] == pytest.approx(measured)
    assert (air[:, 0] >= air[:, 1] - 1e-9).all()
    assert (air[:, 2] <= air[:, 1] + 1e-6).all()


def test_made_up_weather_is_a_climate() -> None:
    air = generated_weather(3).at_times(START_S + 3600.0 * np.arange(0.0, 8760.0, 6.0))
    assert -15.0 < air[:, 0].min() < 0.0
    assert 28.0 < air[:, 0].max() < 42.0
    assert (air[:, 1] <= air[:, 0] + 1e-6).all()


def test_made_up_load_is_the_same_for_the_same_seed_whoever_asks_first(frontier: Site) -> None:
    one = GeneratedLoad(frontier, 5).starting_at(START_S)
    two = GeneratedLoad(frontier, 5).starting_at(START_S)
    later = one.rack_kw(START_S + np.array([40_000.0]))
    two.rack_kw(START_S + np.arange(0.0, 40_000.0, 1000.0))
    assert np.array_equal(later, two.rack_kw(START_S + np.array([40_000.0])))
    other = GeneratedLoad(frontier, 6).starting_at(START_S)
    assert not np.array_equal(later, other.rack_kw(START_S + np.array([40_000.0])))


def test_made_up_load_has_jobs_that_start_and_checkpoints_that_dip(frontier: Site) -> None:
    load = GeneratedLoad(frontier, 1).starting_at(START_S)
    kw = load.rack_kw(START_S + np.arange(0.0, 2.0 * 86_400.0, 10.0))
    rated = np.array([r.rated_kw for r in frontier.racks.values()])
    assert all(r.kind is RackKind.DIRECT_TO_CHIP for r in frontier.racks.values())
    assert (kw <= rated + 1e-9).all()
    assert (kw > 0.0).all()
    total = kw.sum(axis=1) / rated.sum()
    assert np.ptp(total) > 0.2
    # A job's start moves its racks by most of their power within two minutes.
    swing = np.abs(kw[12:] - kw[:-12]).max(axis=0) / rated
    assert (swing > 0.4).mean() > 0.3
