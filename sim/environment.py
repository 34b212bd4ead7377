"""A Gymnasium environment on the raw plant: `gymnasium.make("isotherm/Campus-v0")`.

An agent takes the place of the plant's supervisory control. It sees measured values (with their
noise) in canonical units and sets every group of setpoints each ``step_s``; valves, fans, pumps,
staging and pressures stay with the plant's own control. There is no envelope here and no rate:
what an agent does to this plant it would never be allowed to do to a real one.

Observation
    `spaces.Box` of float32: the points of the plant, then of each group of racks its IT power
    and the least margin of a rack to its limit, then hour of the day (0 to 24, UTC), price and
    carbon intensity. `observation_signals` names them with their units. A point that shows no
    value keeps its last one; ``info["absent"]`` names it.
Action
    `spaces.Box` of float32 in canonical units, one value a group of actuators
    (`action_signals`). For values in -1 to 1 wrap it in `gymnasium.wrappers.RescaleAction`.
Reward
    minus the kWh of the step as the accounts count them: electricity of cooling, plus IT energy
    beyond the work itself (leakage and server fans answer to temperature), plus, at the end of
    the episode, the electricity to remove the heat that is left stored beyond the beginning's at
    the episode's mean effort; minus ``violation_kwh_per_k_min`` for each degree-minute of a rack
    above its limit; minus ``throttled_weight`` times the work lost to throttling, which costs
    more than it saves.
Episode
    ``hours`` of a scenario, then ``truncated``; never ``terminated``. Its load, weather and
    sensors follow from the seed of `reset`, or from ``options={"run_seed": n}``.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from sim.accounts import Accounts
from sim.agent_signals import Observer, Signal, action_signals
from sim.run import WARM_UP_H
from sim.scenarios import Prepared, Scenario, find, prepare
from sim.simulation import DT_S, Simulation

Values = NDArray[np.float32]

STEP_S = 300.0
EPISODE_HOURS = 24.0
VIOLATION_KWH_PER_K_MIN = 10.0
THROTTLED_WEIGHT = 10.0
RUN_SEEDS = 2**31


class PlantEnvironment(gymnasium.Env[Values, Values]):
    """A scenario of the simulated facility as an environment.

    Parameters
    ----------
    scenario
        A name of the library, the path of a scenario's file, or a scenario. Its ``excited`` is
        of no account: the agent moves the setpoints.
    step_s
        Plant time between two actions, whole seconds.
    hours
        Length of an episode; None takes the scenario's.
    local_control
        Of everything that the agent does not set: ``guideline36`` or ``fixed``.
    violation_kwh_per_k_min, throttled_weight
        Of the reward.
    warm_up_h
        Before an episode, h: with less than the default a reset is quicker and loops less settled.
    render_mode
        None: there is nothing to render.

    Raises
    ------
    sim.scenarios.ScenarioError
        There is no such scenario, or its data are missing.
    ValueError
        ``step_s`` is not a whole number of seconds above 0.
    """

    observation_space: spaces.Box[np.float32]
    action_space: spaces.Box[np.float32]
    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - Gymnasium's own declaration

    def __init__(
        self,
        scenario: str | Scenario = "campus-summer",
        *,
        step_s: float = STEP_S,
        hours: float | None = EPISODE_HOURS,
        local_control: str = "guideline36",
        violation_kwh_per_k_min: float = VIOLATION_KWH_PER_K_MIN,
        throttled_weight: float = THROTTLED_WEIGHT,
        warm_up_h: float = WARM_UP_H,
        render_mode: str | None = None,
    ) -> None:
        if step_s < DT_S or step_s % DT_S:
            raise ValueError(f"step_s is a whole number of seconds above 0, not {step_s:g}")
        self.render_mode = render_mode
        self.scenario = find(scenario) if isinstance(scenario, str) else scenario
        self._hours, self._step_s = hours, step_s
        self._local_control, self._warm_up_h = local_control, warm_up_h
        self._violation, self._throttled = violation_kwh_per_k_min, throttled_weight
        self._ready = prepare(self.scenario, hours=hours)
        site = self._ready.site
        self._observer = Observer(site)
        self.observation_signals: tuple[Signal, ...] = self._observer.signals
        self.action_signals = action_signals(site)
        self.observation_space = _box(self.observation_signals)
        self.action_space = _box(self.action_signals)
        self._warm: tuple[int, Simulation] | None = None
        self._simulation: Simulation | None = None
        self._before: Accounts | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Values, dict[str, Any]]:
        """A new episode, warmed up under Guideline 36.

        ``options["run_seed"]`` names the run itself; else it is drawn from the seed.
        """
        super().reset(seed=seed)
        drawn = int(self.np_random.integers(RUN_SEEDS))
        run_seed = int((options or {}).get("run_seed", drawn))
        if self._warm is None or self._warm[0] != run_seed:
            self._ready = prepare(self.scenario, seed=run_seed, hours=self._hours)
            self._warm = run_seed, self._ready.warmed_up(self._local_control, self._warm_up_h)
        self._simulation = self._warm[1].copy()
        self._before = self._simulation.accounts()
        self._observer.forget()
        observation, absent = self._observe(self._simulation)
        return observation, {
            "run_seed": run_seed,
            "time_s": self._simulation.now_s,
            "absent": absent,
        }

    def step(self, action: Values) -> tuple[Values, float, bool, bool, dict[str, Any]]:
        """Set all groups, run for ``step_s``, answer what it cost."""
        simulation, before = self._simulation, self._before
        if simulation is None or before is None:
            raise gymnasium.error.ResetNeeded("call reset() before step()")
        inside = np.clip(action, self.action_space.low, self.action_space.high).tolist()
        site = self._ready.site
        simulation.set_at_panel(
            {
                actuator.id: value
                for members, value in zip(site.groups.values(), inside, strict=True)
                for actuator in members
            }
        )
        began_s, ends_s = simulation.now_s, self._ready.ends_s
        simulation.advance(min(began_s + self._step_s, ends_s))
        after = simulation.accounts()
        self._before = after
        truncated = simulation.now_s >= ends_s - DT_S
        cost = self._cost(before, after, began_s, simulation.now_s, at_end=truncated)
        observation, absent = self._observe(simulation)
        info = {**cost, "time_s": simulation.now_s, "absent": absent}
        reward = (
            -cost["energy_kwh"]
            - self._violation * cost["violation_k_min"]
            - self._throttled * cost["throttled_kwh"]
        )
        return observation, float(reward), False, truncated, info

    def accounts(self) -> Accounts:
        """The accounts of the episode so far."""
        if self._before is None:
            raise gymnasium.error.ResetNeeded("call reset() before accounts()")
        return self._before

    @property
    def prepared(self) -> Prepared:
        """What this episode is made of."""
        return self._ready

    def _cost(
        self, before: Accounts, after: Accounts, began_s: float, now_s: float, *, at_end: bool
    ) -> dict[str, float]:
        """What the step took, in the words of the accounts."""
        cooling_kwh = after.cooling_energy_kwh - before.cooling_energy_kwh
        times_s = began_s + DT_S * np.arange(1, round((now_s - began_s) / DT_S) + 1)
        load = self._ready.load.starting_at(self._ready.start_s)
        work_kwh = float(load.rack_kw(np.asarray(times_s, dtype=np.float64)).sum()) * DT_S / 3600.0
        throttled_kwh = after.throttled_kwh - before.throttled_kwh
        # What throttling takes back is work that was not done, and no saving.
        beyond_kwh = after.it_energy_kwh - before.it_energy_kwh - work_kwh + throttled_kwh
        stored_kwh = 0.0
        if at_end and after.heat_kwh > 0.0:
            stored_kwh = after.stored_gain_kwh * after.cooling_energy_kwh / after.heat_kwh
        return {
            "energy_kwh": cooling_kwh + beyond_kwh + stored_kwh,
            "cooling_kwh": cooling_kwh,
            "it_beyond_work_kwh": beyond_kwh,
            "stored_kwh": stored_kwh,
            "violation_k_min": after.limit_violation_degree_minutes
            - before.limit_violation_degree_minutes,
            "throttled_kwh": throttled_kwh,
        }

    def _observe(self, simulation: Simulation) -> tuple[Values, tuple[str, ...]]:
        """The observation now, and the names of what showed no value."""
        now = np.array([simulation.now_s])
        return self._observer.observe(
            lambda tag: simulation.read(tag).value,
            simulation.now_s,
            float(self._ready.grid.price.at(now)[0]),
            float(self._ready.grid.carbon.at(now)[0]),
        )


def _box(signals: tuple[Signal, ...]) -> spaces.Box[np.float32]:
    return spaces.Box(
        np.array([signal.low for signal in signals], dtype=np.float32),
        np.array([signal.high for signal in signals], dtype=np.float32),
        dtype=np.float32,
    )


def register() -> None:
    """Make the reference environments known to Gymnasium; importing this module does it."""
    for name, scenario in (("Campus", "campus-summer"), ("Frontier", "frontier-training-summer")):
        identity = f"isotherm/{name}-v0"
        if identity not in gymnasium.registry:
            gymnasium.register(
                id=identity,
                entry_point="sim.environment:PlantEnvironment",
                kwargs={"scenario": scenario},
            )


register()
