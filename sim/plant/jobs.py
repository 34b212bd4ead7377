"""IT load made up: training jobs with checkpoints, failures and restarts, and inference.

Racks work in pods. A training pod runs synchronous jobs: all its racks near full power, down
to 20 to 40 % for the 10 to 120 s of a checkpoint, off and on again at once when a job fails
(plant-physics, 1.7; arXiv:2508.14318). An inference pod follows the day and bursts. Durations
of jobs are log-normal with a median of three hours, as in published traces of clusters.

The load of a moment depends on the seed and the moment alone: jobs are drawn for blocks of
five days when one of their moments is first asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facility.site import RackKind, Site
from sim.plant.layout import Array
from sim.plant.workload import LoadSource

BLOCK_S = 5.0 * 86_400.0
DAY_S = 86_400.0
IDLE = (0.18, 0.28)
TRAINING = (0.72, 0.97)
CHECKPOINT = (0.22, 0.42)
FAILURES = 0.12
"""Share of jobs that end early, to start again after some minutes."""
INFERENCE_PODS = 0.35


@dataclass(frozen=True)
class _Pod:
    """Level of a pod over a block as steps: from ``starts_s[i]`` on it is ``level[i]``."""

    starts_s: Array
    level: Array
    ripple: Array
    """(waves, 3): amplitude, period s, phase: of the day and of bursts."""


class GeneratedLoad:
    """Load of a site's racks from a seed.

    Parameters
    ----------
    peak
        Scales all levels: 1 has training pods at 72 to 97 % of their ratings.
    """

    def __init__(self, site: Site, seed: int, *, peak: float = 1.0) -> None:
        racks = list(site.racks.values())
        rng = np.random.default_rng([seed, 6])
        self._seed, self._peak = seed, peak
        self._rated = np.array([rack.rated_kw for rack in racks])
        self._each = rng.uniform(0.95, 1.0, len(racks))
        groups: dict[str, list[int]] = {}
        for i, rack in enumerate(racks):
            # A pod is the racks of a CDU; air-cooled racks (storage, network, processors) are
            # pods of ten neighbours.
            name = f"{rack.row}.{rack.position // 10}" if rack.kind is RackKind.AIR else (
                rack.units[0]
            )  # fmt: skip
            groups.setdefault(name, []).append(i)
        self._members = [np.array(members) for members in groups.values()]
        self._air = [racks[m[0]].kind is RackKind.AIR for m in self._members]
        self._infers = rng.random(len(self._members)) < INFERENCE_PODS
        # Big jobs span pods: each pod follows one of a few queues.
        self._queue = rng.integers(0, max(1, len(self._members) // 3), len(self._members))
        self._blocks: dict[int, list[_Pod]] = {}

    def starting_at(self, start_s: float) -> LoadSource:  # noqa: ARG002 - it has no beginning
        return self

    def wet_bulb(self) -> tuple[Array, Array] | None:
        return None

    def ends_at_s(self) -> float:
        return np.inf

    def rack_kw(self, times_s: Array) -> Array:
        share = np.zeros((len(times_s), len(self._rated)))
        blocks = np.floor(times_s / BLOCK_S).astype(np.int64)
        for block in np.unique(blocks).tolist():
            mine = blocks == block
            for pod, members in zip(self._pods(block), self._members, strict=True):
                share[np.ix_(mine, members)] = _level(pod, times_s[mine])[:, None]
        return np.asarray(np.clip(self._peak * share * self._each, 0.05, 1.0) * self._rated)

    def _pods(self, block: int) -> list[_Pod]:
        if block not in self._blocks:
            start_s = block * BLOCK_S
            queues = [
                _training(np.random.default_rng([self._seed, 7, block, q]), start_s)
                for q in range(int(self._queue.max()) + 1)
            ]
            self._blocks[block] = [
                self._pod(block, i, queues[int(self._queue[i])]) for i in range(len(self._members))
            ]
        return self._blocks[block]

    def _pod(self, block: int, pod: int, queue: _Pod) -> _Pod:
        rng = np.random.default_rng([self._seed, 8, block, pod])
        if self._air[pod]:
            return _serving(rng, block * BLOCK_S, base=0.5, day=0.12, burst=0.05)
        if self._infers[pod]:
            return _serving(rng, block * BLOCK_S, base=0.52, day=0.2, burst=0.1)
        return queue


def _level(pod: _Pod, times_s: Array) -> Array:
    at = np.clip(np.searchsorted(pod.starts_s, times_s, side="right") - 1, 0, None)
    level = pod.level[at].copy()
    for amplitude, period_s, phase in pod.ripple:
        level += amplitude * np.sin(2.0 * np.pi * (times_s / period_s + phase))
    return level


def _serving(
    rng: np.random.Generator, start_s: float, *, base: float, day: float, burst: float
) -> _Pod:
    """Inference and general work: the day (least before dawn), slow waves, and bursts."""
    # Least at 09:00 UTC, four in the morning on the coast that the reference sites lie on.
    waves = [(day, DAY_S, -0.25 - 9.0 / 24.0)]
    waves += [(burst * 0.4, rng.uniform(900.0, 9000.0), rng.random()) for _ in range(3)]
    starts, levels = [start_s], [base + rng.uniform(-0.06, 0.06)]
    while starts[-1] < start_s + BLOCK_S:
        calm_s, burst_s = rng.exponential(5400.0), rng.uniform(60.0, 900.0)
        starts += [starts[-1] + calm_s, starts[-1] + calm_s + burst_s]
        levels += [levels[0] + burst * rng.uniform(0.5, 2.0), levels[0]]
    return _Pod(np.array(starts), np.array(levels), np.array(waves))


def _training(rng: np.random.Generator, start_s: float) -> _Pod:
    """One queue of training jobs over a block."""
    starts, levels = [start_s], [float(rng.uniform(*IDLE))]
    t = start_s - float(rng.exponential(3600.0))
    while t < start_s + BLOCK_S:
        length_s = float(np.clip(rng.lognormal(np.log(10_800.0), 0.9), 600.0, 1.5 * DAY_S))
        if rng.random() < FAILURES:
            length_s *= float(rng.uniform(0.1, 0.8))
        _job(rng, t, t + length_s, starts, levels)
        pause_s = rng.uniform(180.0, 600.0) if rng.random() < 0.5 else rng.exponential(1800.0)
        starts.append(t + length_s)
        levels.append(float(rng.uniform(*IDLE)))
        t += length_s + float(pause_s)
    order = np.argsort(starts, kind="stable")
    return _Pod(np.array(starts)[order], np.array(levels)[order], np.zeros((0, 3)))


def _job(
    rng: np.random.Generator, start_s: float, end_s: float, starts: list[float], levels: list[float]
) -> None:
    level, every_s = float(rng.uniform(*TRAINING)), float(rng.uniform(1200.0, 3600.0))
    starts.append(start_s)
    levels.append(level)
    t = start_s + every_s
    while t < end_s - 200.0:
        write_s = float(rng.uniform(10.0, 120.0))
        starts += [t, t + write_s]
        levels += [float(rng.uniform(*CHECKPOINT)), level]
        t += every_s
