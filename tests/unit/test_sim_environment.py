"""The Gymnasium environment: what its own checker asks, and what the accounts say of the reward."""

from __future__ import annotations

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import RescaleAction

import sim.environment
from sim.environment import PlantEnvironment
from sim.scenarios import ScenarioError, find, prepare

NORMALISED = "we recommend using a symmetric and normalized space"


def short(**changes: object) -> PlantEnvironment:
    """Half an hour of the design day, three steps."""
    arguments: dict[str, object] = {"hours": 0.5, "step_s": 600.0, "warm_up_h": 0.25} | changes
    return PlantEnvironment("design-day", **arguments)  # type: ignore[arg-type]  # as the test says


def middle(environment: PlantEnvironment) -> np.ndarray:
    low, high = environment.action_space.low, environment.action_space.high
    return np.asarray(0.5 * (low + high), dtype=np.float32)


def test_gymnasium_s_own_checker_passes() -> None:
    environment = gymnasium.make("isotherm/Campus-v0", hours=1.0, warm_up_h=0.1)
    with warnings.catch_warnings():
        # Actions are in degrees and litres a second on purpose; the words say how to rescale.
        warnings.filterwarnings("ignore", message=f".*{NORMALISED}")
        check_env(environment.unwrapped)


def test_rescaled_actions_pass_the_checker_without_any_remark() -> None:
    environment = RescaleAction(short(), np.float32(-1.0), np.float32(1.0))
    assert isinstance(environment.action_space, gymnasium.spaces.Box)
    assert (environment.action_space.low == -1.0).all()
    environment.reset(seed=1)
    observation, *_ = environment.step(environment.action_space.sample())
    assert environment.observation_space.contains(observation)


def test_signals_name_every_number_with_its_unit() -> None:
    environment = short()
    shown = [str(signal) for signal in environment.observation_signals]
    assert len(shown) == len(set(shown)) == environment.observation_space.shape[0]
    assert "cool.fws_supply_temperature [degC]" in shown
    assert "cdu1.least_margin [K]" in shown
    assert "price [USD/kWh]" in shown
    set_by = {signal.name: signal.unit for signal in environment.action_signals}
    assert set_by["cdu1.tcs_flow_setpoint"] == "L/s"
    assert set_by["cool.chw_supply_temperature_setpoint"] == "degC"
    assert list(set_by) == list(environment.prepared.site.groups)


def test_the_same_seed_and_actions_repeat_an_episode_bit_for_bit() -> None:
    episodes = []
    for _ in range(2):
        environment = short()
        observation, info = environment.reset(seed=5)
        rows = [observation]
        total = 0.0
        truncated = False
        while not truncated:
            observation, reward, terminated, truncated, _ = environment.step(middle(environment))
            assert not terminated
            rows.append(observation)
            total += reward
        episodes.append((np.stack(rows), total, info["run_seed"]))
    assert np.array_equal(episodes[0][0], episodes[1][0])
    assert episodes[0][1:] == episodes[1][1:]
    assert len(episodes[0][0]) == 4


def test_seeds_differ_and_a_named_run_is_that_run() -> None:
    environment = PlantEnvironment("campus-summer", hours=0.2, step_s=60.0, warm_up_h=0.1)
    first, info = environment.reset(seed=1)
    second, other = environment.reset()
    assert info["run_seed"] != other["run_seed"]
    assert not np.array_equal(first, second)
    again, named = environment.reset(options={"run_seed": info["run_seed"]})
    assert named["run_seed"] == info["run_seed"]
    assert np.array_equal(first, again)


def test_the_rewards_of_an_episode_are_its_accounts() -> None:
    environment = short(hours=0.35)  # the last step is a shorter one
    environment.reset(seed=3)
    total, steps, truncated = 0.0, 0, False
    while not truncated:
        _, reward, _, truncated, _ = environment.step(middle(environment))
        total += reward
        steps += 1
    accounts = environment.accounts()
    assert (steps, accounts.seconds) == (3, 1260.0)
    ready = environment.prepared
    times_s = ready.start_s + np.arange(1.0, 1261.0)
    work_kwh = ready.load.starting_at(ready.start_s).rack_kw(times_s).sum() / 3600.0
    effort = accounts.cooling_energy_kwh / accounts.heat_kwh
    expected = accounts.cooling_energy_kwh + accounts.it_energy_kwh - work_kwh
    expected += accounts.throttled_kwh + effort * accounts.stored_gain_kwh
    expected += 10.0 * (accounts.limit_violation_degree_minutes + accounts.throttled_kwh)
    assert total == pytest.approx(-expected, rel=1e-9)


def test_too_little_cooling_is_punished_more_than_it_saves() -> None:
    rewards = {}
    for name, share in (("cool", 0.2), ("hot", 1.0)):
        environment = short(hours=1.0)
        environment.reset(seed=2)
        site = environment.prepared.site
        action = []
        for members, signal in zip(site.groups.values(), environment.action_signals, strict=True):
            at = share if members[0].cooling.sign < 0 else 1.0 - share
            action.append(signal.low + at * (signal.high - signal.low))
        truncated, total, excess = False, 0.0, 0.0
        while not truncated:
            _, reward, _, truncated, info = environment.step(np.array(action, dtype=np.float32))
            total += reward
            excess += info["violation_k_min"]
        rewards[name] = (total, excess)
    assert rewards["hot"][1] > 0.0
    assert rewards["cool"][1] == 0.0
    assert rewards["cool"][0] > rewards["hot"][0]


def test_several_environments_run_side_by_side() -> None:
    vector = gymnasium.make_vec(
        "isotherm/Campus-v0",
        num_envs=2,
        vectorization_mode="sync",
        hours=0.1,
        step_s=120.0,
        warm_up_h=0.1,
    )
    observations, _ = vector.reset(seed=1)  # of the second: 2
    assert observations.shape[0] == 2
    assert not np.array_equal(observations[0], observations[1])
    ended = []
    for _ in range(3):
        _, rewards, _, truncated, _ = vector.step(vector.action_space.sample())
        assert rewards.shape == (2,)
        ended.append(bool(truncated.all()))
    assert ended == [False, False, True]
    vector.close()


def test_registering_twice_is_no_mistake_and_a_bad_name_is_told() -> None:
    sim.environment.register()
    assert {"isotherm/Campus-v0", "isotherm/Frontier-v0"} <= set(gymnasium.registry)
    with pytest.raises(ScenarioError, match="campus-summer"):
        PlantEnvironment("campus-sommer")
    with pytest.raises(ValueError, match="whole number of seconds"):
        short(step_s=0.5)
    with pytest.raises(gymnasium.error.ResetNeeded):
        short().step(np.zeros(23, dtype=np.float32))


def test_an_agent_that_does_what_the_plant_did_pays_what_the_plant_paid() -> None:
    """Fixed control's own setpoints, set by the agent, are fixed control."""
    scenario = find("design-day")
    ready = prepare(scenario, seed=11, hours=0.5)
    plant = ready.warmed_up("fixed", 0.25)
    plant.advance(ready.start_s + 1800.0)
    environment = short(local_control="fixed")
    environment.reset(options={"run_seed": 11})
    site = ready.site
    own = np.array([members[0].fallback for members in site.groups.values()], dtype=np.float32)
    truncated = False
    while not truncated:
        *_, truncated, _ = environment.step(own)
    assert environment.accounts().cooling_energy_kwh == pytest.approx(
        plant.accounts().cooling_energy_kwh, rel=1e-3
    )
