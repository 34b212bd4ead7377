"""Made-up load against what was measured, and against what was published of jobs."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from facility.clock import from_iso
from facility.equipment import RackKind
from facility.site import Site
from sim.fitting import (
    autocorrelation,
    fit_climate,
    fit_jobs,
    fit_service,
    frontier_share,
    main,
    request_rate,
)
from sim.plant.climates import CLIMATES
from sim.plant.jobs import BLOCK_S, GeneratedLoad
from sim.plant.shapes import FRONTIER_JOBS, MIXES, LoadMix, Serving, Training
from sim.plant.weather import generated_weather, read_epw
from sim.scenarios.build import reference

START_S = from_iso("2024-05-06")
DAY_S = 86_400.0
QUARTER_S = 15.0


@cache
def site(name: str) -> Site:
    return reference(name)[0]


def total_share(name: str, mix: LoadMix, seed: int, days: float, every_s: float) -> np.ndarray:
    times_s = START_S + np.arange(0.0, days * DAY_S, every_s)
    kw = GeneratedLoad(site(name), seed, mix=mix).rack_kw(times_s).sum(axis=1)
    return np.asarray(kw / sum(rack.rated_kw for rack in site(name).racks.values()))


def statistics(share: np.ndarray) -> dict[str, float]:
    """Of a total every 15 s; steps are those within a minute, over the rating."""
    steps = np.abs(share[4:] - share[:-4])
    return {
        "mean": float(share.mean()),
        "peak_to_mean": float(share.max() / share.mean()),
        "spread": float(share.std() / share.mean()),
        "step_99": float(np.quantile(steps, 0.99)),
        "step_max": float(steps.max()),
        "after_5_min": autocorrelation(share, 20),
        "after_30_min": autocorrelation(share, 120),
    }


@cache
def made_up_days() -> list[dict[str, float]]:
    return [
        statistics(total_share("frontier", MIXES["supercomputer"], seed, 1.0, QUARTER_S))
        for seed in range(16)
    ]


@pytest.mark.parametrize("name", statistics(np.sin(np.arange(1000.0))))
def test_frontier_s_day_could_be_one_of_the_made_up_days(shared_data: Path, name: str) -> None:
    path = shared_data / "it_load" / "frontier_2024-04-07_cdu_heat_15s.csv"
    measured = statistics(frontier_share(path)[1])[name]
    made_up = [day[name] for day in made_up_days()]
    assert min(made_up) <= measured <= max(made_up)
    # And that says something: they do not take in just anything.
    assert np.median(made_up) == pytest.approx(measured, rel=0.45)


def test_all_cdus_move_together_under_whole_machine_jobs_as_they_did_at_frontier() -> None:
    times_s = START_S + np.arange(0.0, DAY_S, 60.0)
    kw = GeneratedLoad(site("frontier"), 1, mix=MIXES["supercomputer"]).rack_kw(times_s)
    together = np.atleast_2d(np.corrcoef(kw.T))
    assert np.quantile(together, 0.1) > 0.98  # 0.99 between the measured CDUs


def test_the_fit_finds_the_shapes_that_a_made_up_load_was_drawn_from() -> None:
    share = total_share("frontier", MIXES["supercomputer"], 3, 12.0, QUARTER_S)
    fit = fit_jobs(QUARTER_S * np.arange(float(len(share))), share)
    assert fit.idle[0] == pytest.approx(FRONTIER_JOBS.idle[0], abs=0.05)
    assert fit.busy[1] == pytest.approx(FRONTIER_JOBS.busy[1], abs=0.06)
    assert fit.job_s[0] == pytest.approx(FRONTIER_JOBS.job_s[0], rel=0.4)
    assert fit.ramp_s[0] < FRONTIER_JOBS.start_s[1]


def test_the_figures_of_the_shapes_are_those_of_the_fit(shared_data: Path) -> None:
    path = shared_data / "it_load" / "frontier_2024-04-07_cdu_heat_15s.csv"
    fit = fit_jobs(*frontier_share(path))
    assert pytest.approx(fit.idle, abs=0.01) == FRONTIER_JOBS.idle
    assert pytest.approx(fit.busy, abs=0.01) == FRONTIER_JOBS.busy
    assert pytest.approx(fit.job_s, rel=0.1) == FRONTIER_JOBS.job_s
    assert pytest.approx(fit.pause_s[0], rel=0.1) == FRONTIER_JOBS.pause_s[0]
    low, high = FRONTIER_JOBS.start_s
    assert fit.ramp_s[0] < low < high < fit.ramp_s[1]


def test_the_week_of_general_work_is_the_cluster_s(shared_data: Path) -> None:
    level = np.loadtxt(
        shared_data / "it_load" / "alibaba_cpu_hourly.csv", delimiter=",", skiprows=1, usecols=1
    )
    measured = fit_service(3600.0 * np.arange(float(len(level))), level)
    general = LoadMix().general
    assert general.week / general.base == pytest.approx(measured.week, abs=0.02)
    # The cluster hardly follows the day; ours does, as people do.
    assert measured.day < 0.03


def test_inference_wanders_from_minute_to_minute_as_conversations_do(shared_data: Path) -> None:
    path = shared_data / "it_load" / "azure_llm_2023_conv.csv"
    tokens = fit_service(*request_rate(path, 60.0))
    shape = Serving(day=0.0, week=0.0, burst=0.0)
    mix = LoadMix(inference_share=1.0, inference=shape)
    times_s = START_S + np.arange(0.0, DAY_S / 2.0, 60.0)
    load = GeneratedLoad(site("frontier"), 2, mix=mix).rack_kw(times_s)
    one = fit_service(times_s, load[:, 0])
    # Power is 25 % idle and 60 % that answers to tokens: at this base, half of it.
    assert one.noise == pytest.approx(0.5 * tokens.noise, rel=0.35)
    assert one.lag_1 > 0.3


@pytest.mark.parametrize("seed", [1, 2])
def test_inference_follows_the_day_and_rests_at_the_weekend(seed: int) -> None:
    times_s = START_S + np.arange(0.0, 28.0 * DAY_S, 600.0)
    share = total_share("frontier", MIXES["inference"], seed, 28.0, 600.0)
    fit = fit_service(times_s, share)
    assert fit.day == pytest.approx(0.2 / 0.52, rel=0.1)
    assert fit.week == pytest.approx(0.05 / 0.52, rel=0.25)
    local_h = (times_s / 3600.0 - 5.0) % 24.0
    by_hour = [share[np.abs(local_h - hour) < 1.0].mean() for hour in range(24)]
    assert 2 <= int(np.argmin(by_hour)) <= 6
    weekend = np.isin(((times_s - 5.0 * 3600.0) // DAY_S + 4) % 7, (6, 0))
    assert share[weekend].mean() < share[~weekend].mean()


def one_queue(shape: Training, every_s: float = 1.0, seconds: float = 80_000.0) -> np.ndarray:
    """A rack's share from a block's beginning on, with one queue on all pods."""
    mix = LoadMix(inference_share=0.0, training=shape, rack_spread=(1.0, 1.0))
    first_s = BLOCK_S * np.ceil(START_S / BLOCK_S)
    kw = GeneratedLoad(site("frontier"), 4, mix=mix).rack_kw(
        first_s + np.arange(0.0, seconds, every_s)
    )
    return np.asarray(kw[:, 0] / next(iter(site("frontier").racks.values())).rated_kw)


def test_checkpoints_take_ten_seconds_to_two_minutes_at_a_fifth_to_two_fifths() -> None:
    shape = Training(idle=(0.1, 0.1), busy=(0.9, 0.9), failures=0.0, pods_per_job=25.0)
    share = one_queue(shape)
    low = (share > 0.15) & (share < 0.45)
    edges = np.flatnonzero(np.diff(low.astype(int)))
    lengths = np.diff(edges)[::2] if low[edges[0] + 1] else np.diff(edges)[1::2]
    dips = [
        (int(length), float(share[start + length // 2]))
        for start, length in zip(edges[::2], lengths, strict=False)
        if length > 5
    ]
    checkpoints = [(s, level) for s, level in dips if 0.2 <= level <= 0.4]
    assert len(checkpoints) > 15
    assert max(length for length, _ in checkpoints) <= 125
    assert np.median([length for length, _ in checkpoints]) == pytest.approx(65.0, abs=30.0)


def test_a_job_starts_within_a_minute_and_a_failure_falls_at_once() -> None:
    calm = one_queue(Training(checkpoint_every_s=(0.0, 0.0), failures=0.0, pods_per_job=25.0))
    failing = one_queue(Training(checkpoint_every_s=(0.0, 0.0), failures=1.0, pods_per_job=25.0))
    for share in (calm, failing):
        rising = np.diff(share)
        assert rising.max() <= 0.8 / 5.0 + 1e-9  # the quickest start takes five seconds
        assert rising.max() > 0.8 / 60.0
    assert np.diff(failing).min() == pytest.approx(-0.33, abs=0.12)  # half of it in a second
    assert np.diff(calm).min() > -0.45


def test_restarts_after_failures_come_within_the_quarter_of_an_hour() -> None:
    shape = Training(
        checkpoint_every_s=(0.0, 0.0), failures=1.0, job_s=(3600.0, 0.1), pods_per_job=25.0
    )
    idle = one_queue(shape, every_s=4.0, seconds=200_000.0) < 0.4
    edges = np.flatnonzero(np.diff(idle.astype(int)))
    pauses_s = 4.0 * np.diff(edges)[(0 if idle[edges[0] + 1] else 1) :: 2][1:]
    assert len(pauses_s) > 20
    assert pauses_s.min() > 110.0
    assert pauses_s.max() < 960.0


@pytest.mark.parametrize("name", MIXES)
def test_a_job_that_runs_over_the_end_of_a_block_goes_on(name: str) -> None:
    load = GeneratedLoad(site("campus"), 5, mix=MIXES[name])
    rated = sum(rack.rated_kw for rack in site("campus").racks.values())
    for block in range(4000, 4012):
        around = block * BLOCK_S + np.array([-2.0, -1.0, -1e-3, 0.0, 1.0])
        share = load.rack_kw(around).sum(axis=1) / rated
        # Not all pods jump at an instant that means nothing to anybody.
        assert abs(share[3] - share[2]) < 0.1


@pytest.mark.parametrize("name", ["mixed", "training"])
def test_racks_of_a_pod_are_synchronous_and_pods_of_different_jobs_are_not(name: str) -> None:
    campus = site("campus")
    times_s = START_S + np.arange(0.0, 3.0 * DAY_S, 30.0)
    load = GeneratedLoad(site("frontier"), 2, mix=MIXES[name])
    kw = load.rack_kw(times_s)
    of = [rack.units[0] for rack in site("frontier").racks.values()]
    together = np.atleast_2d(np.corrcoef(kw.T))
    same = [together[i, j] for i in range(75) for j in range(i) if of[i] == of[j]]
    other = [together[i, j] for i in range(75) for j in range(i) if of[i] != of[j]]
    assert min(same) > 0.999
    assert np.quantile(other, 0.25) < 0.5
    assert {rack.kind for rack in campus.racks.values()} == {
        RackKind.AIR,
        RackKind.DIRECT_TO_CHIP,
    }


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("southern_plains", "USA_TX_Dallas-Fort.Worth.epw"),
        ("cool_marine", "USA_WA_Seattle-Tacoma.epw"),
    ],
)
def test_made_up_years_have_the_climate_of_the_place_they_were_fitted_to(
    shared_data: Path, name: str, file: str
) -> None:
    hours = from_iso("2023-01-01T12:00:00Z") + 3600.0 * np.arange(8700.0)
    measured = read_epw(shared_data / "weather" / file).at_times(hours)
    made_up = generated_weather(1, climate=CLIMATES[name]).at_times(hours)
    for column in range(3):  # dry bulb, wet bulb, dew point
        for share in (0.05, 0.5, 0.95):
            assert np.quantile(made_up[:, column], share) == pytest.approx(
                np.quantile(measured[:, column], share), abs=4.0
            )


def test_the_climate_of_a_made_up_year_is_fitted_back() -> None:
    climate = CLIMATES["continental"]
    fit = fit_climate(generated_weather(7, climate=climate))
    assert fit.mean_c == pytest.approx(climate.mean_c, abs=0.2)
    assert fit.season_k == pytest.approx(climate.season_k, abs=0.3)
    assert fit.coldest_day == pytest.approx(climate.coldest_day, abs=2.0)
    assert fit.day_k == pytest.approx(climate.day_k, abs=0.1)
    assert fit.warmest_h == pytest.approx(climate.warmest_h, abs=0.2)
    assert fit.front_k == pytest.approx(climate.front_k, abs=0.3)


def test_the_fitting_command_prints_every_fit_and_says_where_there_is_nothing(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--data", str(shared_data)]) == 0
    text = capsys.readouterr().out
    assert all(word in text for word in ("JobFit", "ServiceFit", "Climate", "Seattle"))
    assert main(["--data", str(tmp_path)]) == 2
    assert "nothing to fit" in capsys.readouterr().err


def test_too_few_jobs_are_no_fit() -> None:
    with pytest.raises(ValueError, match="too few to fit"):
        fit_jobs(np.arange(100.0), np.linspace(0.0, 1.0, 100))
