"""The library of scenarios: all of them can be read, named, built; what is wrong is said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from controller.cli import main
from sim.faults import FaultError
from sim.plant.reading import InputError
from sim.scenarios import ScenarioError, find, library, names, prepare, read, run_scenario
from sim.scenarios.files import LIBRARY

MINUTE_S = 60.0


def test_the_library_has_every_kind_of_scenario_that_was_promised() -> None:
    tags = {tag for scenario in library() for tag in scenario.tags}
    assert {"season", "climate", "weather", "grid", "load", "fault", "commissioning"} <= tags
    assert len(names()) >= 14
    assert {s.site for s in library()} == {"campus", "frontier", "campus-stages"}


@pytest.mark.parametrize("name", names())
def test_every_scenario_describes_itself_and_builds_or_names_its_missing_data(
    name: str, tmp_path: Path
) -> None:
    scenario = find(name)
    assert scenario.title
    assert len(scenario.description) > 40
    if scenario.data_files:
        with pytest.raises(ScenarioError, match=scenario.data_files[0]):
            prepare(scenario, data=tmp_path)
        return
    ready = prepare(scenario)
    times_s = ready.start_s + np.arange(0.0, 3600.0 * min(ready.hours, 24.0), 60.0)
    kw = ready.load.starting_at(ready.start_s).rack_kw(times_s)
    rated = np.array([rack.rated_kw for rack in ready.site.racks.values()])
    assert np.isfinite(kw).all()
    assert (kw > 0.0).all()
    assert (kw <= rated + 1e-9).all()
    air = ready.weather.at_times(times_s)
    assert (air[:, 0] >= air[:, 1] - 0.05).all()
    assert (air[:, 1] >= air[:, 2] - 0.05).all()
    assert (ready.grid.price.at(times_s) > 0.0).all()
    assert (ready.grid.carbon.at(times_s) > 0.0).all()


@pytest.mark.parametrize("name", [s.name for s in library() if s.data_files])
def test_scenarios_with_data_build_from_the_given_files(name: str, shared_data: Path) -> None:
    ready = prepare(find(name), data=shared_data)
    times_s = ready.start_s + np.arange(0.0, 3000.0, 60.0)
    assert (ready.load.starting_at(ready.start_s).rack_kw(times_s) > 0.0).all()
    assert np.isfinite(ready.weather.at_times(times_s)).all()
    assert (ready.grid.carbon.at(times_s) > 0.0).all()


@pytest.mark.parametrize(
    ("name", "megawatts"), [("campus-job-start", 3.0), ("frontier-job-start", 8.0)]
)
def test_a_job_start_raises_the_site_by_its_power_within_a_minute(
    name: str, megawatts: float
) -> None:
    ready = prepare(find(name))
    load = ready.load.starting_at(ready.start_s)
    total = load.rack_kw(ready.start_s + 3600.0 + np.array([-1.0, 0.0, 30.0, 60.0, 61.0])).sum(
        axis=1
    )
    assert total[3] - total[1] == pytest.approx(1000.0 * megawatts)
    assert total[2] - total[1] == pytest.approx(500.0 * megawatts)
    assert total[0] == total[1]
    assert total[4] == total[3]


def test_a_heat_wave_lifts_dry_and_wet_bulb_for_its_days_only() -> None:
    scenario = find("campus-heat-wave")
    ready = prepare(scenario)
    calm = prepare(find("campus-summer"), seed=scenario.seed, start=scenario.start)
    hours = ready.start_s + 3600.0 * np.array([6.0, 36.0, 70.0])
    more = ready.weather.at_times(hours) - calm.weather.at_times(hours)
    assert more[1, 0] == pytest.approx(8.0, abs=0.1)
    assert more[1, 1] > 3.0
    assert more[[0, 2], 0] == pytest.approx([0.0, 0.0], abs=0.1)


def test_the_time_of_use_price_is_highest_in_the_afternoon_of_its_own_clock() -> None:
    ready = prepare(find("campus-price-day"))
    # 14 to 19 h of local standard time, five hours behind UTC.
    price = ready.grid.price.at(ready.start_s + 3600.0 * np.arange(24.0))
    assert np.flatnonzero(price == price.max()).tolist() == [19, 20, 21, 22, 23]


def test_the_same_seed_gives_the_same_tables_and_accounts_and_another_seed_others() -> None:
    one, two = (run_scenario(find("campus-winter"), hours=0.2, seed=7) for _ in range(2))
    other = run_scenario(find("campus-winter"), hours=0.2, seed=8)
    assert one.summary() == two.summary()
    assert one.truth.equals(two.truth)
    assert one.measured.equals(two.measured)
    assert not one.truth.equals(other.truth)


def test_cost_and_carbon_are_the_metered_energy_at_the_hours_prices() -> None:
    done = run_scenario(find("campus-summer"), hours=0.25)
    tariff = done.prepared.site.tariff
    accounts = done.accounts
    assert done.cooling_cost == pytest.approx(tariff.energy_per_kwh * accounts.cooling_energy_kwh)
    energy_kwh = accounts.cooling_energy_kwh + accounts.it_energy_kwh
    assert done.facility_carbon_kg == pytest.approx(tariff.carbon_g_per_kwh * energy_kwh / 1000.0)
    assert accounts.seconds == 900.0


def test_excitation_moves_every_setpoint_that_local_control_would_leave() -> None:
    # longer than an experiment leaves a plant alone to come to rest
    done = run_scenario(find("commissioning-week"), local_control="fixed", hours=6.0)
    still = run_scenario(find("campus-summer"), local_control="fixed", hours=0.1)
    in_force = [a.read_back for a in done.prepared.site.actuators.values()]
    assert done.truth[in_force].iloc[1:].nunique().min() >= 3
    assert still.truth[in_force].iloc[1:].nunique().max() == 1  # the first is the warm-up's


def test_a_chiller_trip_strikes_at_its_second_and_another_machine_takes_over() -> None:
    done = run_scenario(find("campus-chiller-trip"), hours=1.75)
    power = done.truth[[f"chiller{i}.power" for i in (1, 2, 3)]]
    minutes = (power.index - power.index[0]).total_seconds() / 60.0
    assert power["chiller1.power"][minutes == 59.0].item() > 100.0
    assert power["chiller1.power"][(minutes > 61.0)].max() < 1.0
    others = power[["chiller2.power", "chiller3.power"]].sum(axis=1)
    assert others[minutes == 100.0].item() > 1.2 * others[minutes == 59.0].item()


def test_a_fault_at_a_place_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    fault = '[[faults]]\nkind = "pump_trip"\nplace = "cdu9"\nstart = 60\n'
    path.write_text(BASE + fault, encoding="utf-8")
    with pytest.raises(FaultError, match=r"scenario mine: fault 1: .*cdu9"):
        prepare(read(path))


BASE = (LIBRARY / "campus-summer.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('site = "campus"', 'site = "moon"', "site 'moon' is unknown; there are campus"),
        ('start = "2024-07-15"', 'start = "July"', "start 'July' is not a date"),
        ("hours = 24.0", "hours = 0.0", "hours must be above 0"),
        ("hours = 24.0", "hour = 24.0", "no field 'hour'; did you mean hours"),
        ("hours = 24.0\n", "", "hours missing"),
        ("seed = 41", 'seed = "one"', "seed has to be a int"),
        ('kind = "generated"', 'kind = "guessed"', "load.kind 'guessed' is unknown"),
        ("[weather]", '[weather]\nclimate = "lunar"', "weather.climate 'lunar' is unknown"),
        ("[weather]", "[grid]\nprice.hours = [1.0]\n[weather]", "1 values, not 24"),
        ("[weather]", '[grid]\nprice.file = "x"\n[weather]', "a file needs its column"),
        ("[weather]", "[grid]\nwater = 1\n[weather]", "price and carbon, not water"),
    ],
)
def test_a_wrong_scenario_file_is_refused_with_its_field(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(BASE.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ScenarioError, match=words) as refused:
        read(path)
    assert str(path) in str(refused.value)


def test_a_run_longer_than_its_trace_is_refused(shared_data: Path) -> None:
    with pytest.raises(InputError, match=r"0\.9\d h long and the run 5 h"):
        prepare(find("campus-requests"), hours=5.0, data=shared_data)


# -- the command ----------------------------------------------------------------------------------


def test_list_needs_no_data_and_names_every_scenario(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["sim", "list"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in names())
    assert main(["sim", "list", "--json", "--tag", "grid"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"campus-price-day", "campus-carbon-day"} <= {item["name"] for item in found}


def test_show_says_what_a_scenario_is_made_of(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sim", "show", "frontier-job-start"]) == 0
    text = capsys.readouterr().out
    assert "8000 kW within 60 s after 1 h" in text
    assert "23 °C wet bulb" in text


def test_a_bad_name_suggests_near_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sim", "run", "campus-sumer", "--out", "nowhere"]) == 2
    assert "campus-summer" in capsys.readouterr().err
    assert not Path("nowhere").exists()


def test_run_writes_tables_and_accounts_and_prints_the_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    arguments = ["sim", "run", "design-day", "--hours", "0.1", "--local", "fixed"]
    assert main([*arguments, "--format", "csv", "--out", str(out)]) == 0
    shown = capsys.readouterr()
    assert "cooling energy" in shown.out
    assert "100 %" in shown.err
    accounts = json.loads((out / "accounts.json").read_text())
    assert accounts["local_control"] == "fixed"
    assert accounts["scenario"] == "design-day"
    assert accounts["seconds"] == 360.0
    for name in ("truth.csv", "measured.csv"):
        lines = (out / name).read_text().splitlines()
        assert len(lines) == 8  # a head, and a row a minute from 0 to 6
    assert main([*arguments, "--hours", "-1", "--out", str(out)]) == 2
    assert "--hours must be above 0" in capsys.readouterr().err
