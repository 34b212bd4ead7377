"""An agent of reinforcement learning, as others would train one: SAC of Stable-Baselines3.

It learns on `sim.environment` from days of the benchmark's climates, seasons and loads, weeks
before those that it is tried on and under other seeds, and acts every quarter of an hour: more
often the budget of writes would refuse it. Its setpoints go no faster than the site's rates, there
and here. It is tried through the same loop, gateway core, envelope and journal as ours.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np

from benchmarks.control_days import DAY_H, days
from benchmarks.harness import BenchmarkError
from facility.commands import Command, Decision, Mode, Move, Origin
from facility.site import Site
from models.contract import Array
from sim.agent_signals import Observer, action_signals
from sim.environment import PlantEnvironment, Values

if TYPE_CHECKING:
    from controller.authority.desk import Desk
    from controller.evaluation.in_process import MakeTick
    from controller.gateway_link import GatewayLink
    from controller.records import TickRecord
    from facility.clock import Clock
    from facility.telemetry import Snapshot
    from sim.grid import Grid
    from sim.scenarios import Prepared

STEPS = 50_000
"""Of a quarter of an hour: 520 days of plant."""
STEP_S = 900.0
WEEKS_BEFORE = -2
SEED = 1
DISCOUNT = 0.95
LEARNING_STARTS = 1000
AGENT, SCALE = "sac.zip", "scale.json"
COMMAND_S = 60.0


def train(site_name: str, folder: Path, steps: int = STEPS, hours: float = DAY_H) -> Path:
    """The folder of a site's agent, trained where none is kept.

    Raises
    ------
    BenchmarkError
        Stable-Baselines3 is not installed.
    """
    if (folder / SCALE).is_file():
        return folder
    try:
        from stable_baselines3 import SAC
        from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
    except ImportError:
        raise BenchmarkError(
            "the agent of reinforcement learning needs Stable-Baselines3: pip install "
            "'isotherm[rl]'"
        ) from None
    import torch

    torch.set_num_threads(1)
    vector = VecNormalize(DummyVecEnv([lambda: Days(site_name, hours)]), gamma=DISCOUNT)
    agent = SAC(
        "MlpPolicy",
        vector,
        gamma=DISCOUNT,
        buffer_size=steps,
        learning_starts=min(LEARNING_STARTS, steps // 2),
        seed=SEED,
        device="cpu",
    )
    agent.learn(steps)
    folder.mkdir(parents=True, exist_ok=True)
    agent.save(folder / AGENT)
    seen: Any = vector.obs_rms  # of a box: a single running mean, not one by name
    scale = {"mean": seen.mean.tolist(), "std": np.sqrt(seen.var + vector.epsilon).tolist()}
    (folder / SCALE).write_text(json.dumps(scale | {"clip": vector.clip_obs}), encoding="utf-8")
    return folder


class Days(gymnasium.Env[Values, Values]):
    """Days of the benchmark's kind, one drawn at each reset; actions in -1 to 1, held to rates."""

    def __init__(self, site_name: str, hours: float = DAY_H) -> None:
        self._days = [
            PlantEnvironment(day.scenario(), step_s=STEP_S, hours=hours)
            for day in days(hours, WEEKS_BEFORE)
            if day.site == site_name
        ]
        first = self._days[0]
        self.observation_space = first.observation_space
        self._range = Range(first.prepared.site)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, self._range.low.shape, np.float32)
        self._today, self._held = first, self._range.low

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Values, dict[str, Any]]:
        """Another day, under another seed."""
        super().reset(seed=seed)
        self._today = self._days[int(self.np_random.integers(len(self._days)))]
        drawn = int(self.np_random.integers(2**31))
        observation, info = self._today.reset(seed=drawn, options=options)
        self._held = self._range.in_force(self._today.observation_signals, observation)
        return observation, info

    def step(self, action: Values) -> tuple[Values, float, bool, bool, dict[str, Any]]:
        """Set what the rates let it set."""
        self._held = self._range.towards(self._held, action)
        return self._today.step(self._held.astype(np.float32))


class Range:
    """Ranges and rates of a site's groups, in canonical units."""

    def __init__(self, site: Site) -> None:
        signals = action_signals(site)
        self.low = np.array([signal.low for signal in signals])
        self.high = np.array([signal.high for signal in signals])
        self._read_back = [members[0].read_back for members in site.groups.values()]
        first = [members[0] for members in site.groups.values()]
        away = np.array([a.rate_away_per_min for a in first]) * STEP_S / 60.0
        towards = np.array([a.rate_towards_per_min for a in first]) * STEP_S / 60.0
        cooler_is_lower = np.array([a.cooling.sign < 0 for a in first])
        self._rise = np.where(cooler_is_lower, away, towards)
        self._fall = np.where(cooler_is_lower, towards, away)

    def in_force(self, signals: Any, observation: Values) -> Array:
        """(G,) the setpoints that an observation shows."""
        shown = {signal.name: float(v) for signal, v in zip(signals, observation, strict=True)}
        return np.array([shown[tag] for tag in self._read_back])

    def towards(self, held: Array, action: Values) -> Array:
        """(G,) from ``held`` towards an action in -1 to 1, as far as a step may go."""
        share = 0.5 * (np.asarray(action, dtype=np.float64) + 1.0)
        wanted = self.low + np.clip(share, 0.0, 1.0) * (self.high - self.low)
        return np.asarray(np.clip(wanted, held - self._fall, held + self._rise))


class Policy:
    """A trained agent: from an observation to an action in -1 to 1."""

    def __init__(self, folder: Path) -> None:
        from stable_baselines3 import SAC

        self._agent = SAC.load(folder / AGENT, device="cpu")
        scale = json.loads((folder / SCALE).read_text(encoding="utf-8"))
        self._mean, self._std = np.array(scale["mean"]), np.array(scale["std"])
        self._clip = float(scale["clip"])

    def act(self, observation: Values) -> Values:
        """What it would set; the same for the same observation."""
        seen = np.clip((observation - self._mean) / self._std, -self._clip, self._clip)
        action, _ = self._agent.predict(seen.astype(np.float32), deterministic=True)
        return np.asarray(action, dtype=np.float32)


class PolicyTick:
    """The control step of an agent: a decision and its commands every `STEP_S`."""

    def __init__(
        self, site: Site, clock: Clock, link: GatewayLink, policy: Policy, grid: Grid
    ) -> None:
        self._site, self._clock, self._link = site, clock, link
        self._policy, self._grid = policy, grid
        self._observer, self._range = Observer(site), Range(site)
        self._number, self._next_s = 0, -np.inf

    def observe(self, snapshot: Snapshot) -> None:
        """Nothing is remembered between steps."""

    async def step(self, snapshot: Snapshot) -> TickRecord:
        """Observe, ask the agent, and send what it wants."""
        from controller.gateway_link import GatewayRefusedError, GatewayUnavailableError
        from controller.records import TickRecord

        self._number += 1
        record = TickRecord.empty(self._number, snapshot, self._site, "sac", ())
        if snapshot.time_s < self._next_s:
            return record
        self._next_s = snapshot.time_s + STEP_S
        moves = self._moves(snapshot)
        if not moves:
            return record
        now_s, name = self._clock.now_s(), f"sac-{self._number}"
        decision = Decision(
            id=name,
            proposal=name,
            plan_hash=name,
            origin=Origin.OPTIMISER,
            who="agent",
            why="its policy",
            moves=moves,
            decided_at_s=now_s,
            expires_at_s=now_s + STEP_S,
        )
        commands = [
            Command(
                id=f"{name}-{move.actuator}",
                actuator=move.actuator,
                value=move.proposed,
                origin=Origin.OPTIMISER,
                authority=name,
                plan_hash=name,
                issued_at_s=now_s,
                expires_at_s=now_s + COMMAND_S,
            )
            for move in moves
        ]
        try:
            await self._link.decide(decision)
            receipts = await self._link.command(commands)
        except (GatewayUnavailableError, GatewayRefusedError) as error:
            return dataclasses.replace(record, note=f"not written: {error}")
        return dataclasses.replace(record, receipts=receipts)

    async def close(self) -> None:
        """Nothing to let go of."""

    def _moves(self, snapshot: Snapshot) -> tuple[Move, ...]:
        now = np.array([snapshot.time_s])
        price, carbon = (
            float(source.at(now)[0]) for source in (self._grid.price, self._grid.carbon)
        )
        seen, _absent = self._observer.observe(snapshot.good, snapshot.time_s, price, carbon)
        held = self._range.in_force(self._observer.signals, seen)
        wanted = self._range.towards(held, self._policy.act(seen))
        moves = []
        for members, value in zip(self._site.groups.values(), wanted.tolist(), strict=True):
            for actuator in members:
                in_force = snapshot.good(actuator.read_back)
                if in_force is not None and snapshot.modes.get(actuator.id) is Mode.AUTOMATIC:
                    moves.append(Move(actuator.id, in_force, round(value, 4)))
        return tuple(moves)


def agent_step(models: Mapping[str, Path]) -> Callable[[Site, Prepared], MakeTick]:
    """The control step of a site's agent, as `benchmarks.control_agents` makes them."""
    policy = Policy(models["sac"])

    def make(_site: Site, prepared: Prepared) -> MakeTick:
        def tick(site: Site, clock: Clock, _desk: Desk, link: GatewayLink) -> PolicyTick:
            return PolicyTick(site, clock, link, policy, prepared.grid)

        return tick

    return make
