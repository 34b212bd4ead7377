"""IT load made up: training jobs with checkpoints, failures and restarts, and inference.

Racks work in pods. A training pod runs synchronous jobs: all its racks rise to near full power
within a minute, fall to 20 to 40 % for the 10 to 120 s of a checkpoint, and to idle when the job
ends or fails. An inference pod follows day and week, wanders, and bursts. `sim.plant.shapes`
holds the figures and their sources.

The load of a moment depends on the seed and the moment alone: jobs are drawn for blocks of
five days when one of their moments is first asked for, and a job that runs over the end of
its block is finished in the next.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facility.equipment import RackKind
from facility.site import Site
from sim.plant.layout import Array
from sim.plant.shapes import LoadMix, Range, Serving, Training
from sim.plant.workload import LoadSource

BLOCK_S = 5.0 * 86_400.0
DAY_S = 86_400.0
WEEK_S = 7.0 * DAY_S
LEAST_SHARE = 0.05
"""Of nameplate: a rack that is on takes as much."""
LEAST_AT_UTC_H = 9.0
"""Four in the morning on the coast that the reference sites lie on."""
LEAST_DAY = 3.0
"""Days after the epoch's midnight (a Thursday): the middle of Saturday and Sunday."""
WAVES = 6
EDGE_S = 2.0
"""A checkpoint begins, and a failure falls, within this."""
FADE = 0.2
"""So far above idle a level wanders fully."""
RIPPLE_S = (600.0, 5400.0)
"""Periods of a busy level's wandering."""


@dataclass(frozen=True)
class _Pod:
    """Level of a pod over a block: linear between knots, plus waves."""

    times_s: Array
    level: Array
    waves: Array
    """(waves, 3): amplitude, period s, phase; of plant time, so that they pass a block's end."""
    idle_below: float = -1.0
    """Waves fade out towards this level: what is idle does not wander."""


class GeneratedLoad:
    """Load of a site's racks from a seed.

    Parameters
    ----------
    peak
        Scales all levels: 1 has training pods at 72 to 97 % of their ratings.
    mix
        Who uses the site; the default is about two thirds training, one third inference.
    """

    def __init__(
        self, site: Site, seed: int, *, peak: float = 1.0, mix: LoadMix | None = None
    ) -> None:
        racks = list(site.racks.values())
        self._mix = LoadMix() if mix is None else mix
        rng = np.random.default_rng([seed, 6])
        self._seed, self._peak = seed, peak
        self._rated = np.array([rack.rated_kw for rack in racks])
        self._each = rng.uniform(*self._mix.rack_spread, len(racks))
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
        self._infers = rng.random(len(self._members)) < self._mix.inference_share
        # Big jobs span pods: each pod follows one of a few queues.
        queues = max(1, int(len(self._members) / self._mix.training.pods_per_job))
        self._queue = rng.integers(0, queues, len(self._members))
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
        return np.asarray(np.clip(self._peak * share * self._each, LEAST_SHARE, 1.0) * self._rated)

    def _pods(self, block: int) -> list[_Pod]:
        if block not in self._blocks:
            queues = [self._jobs(block, q) for q in range(int(self._queue.max()) + 1)]
            self._blocks[block] = [
                self._pod(block, i, queues[int(self._queue[i])]) for i in range(len(self._members))
            ]
        return self._blocks[block]

    def _jobs(self, block: int, queue: int) -> _Pod:
        shape = self._mix.training
        before, now = (
            _training(np.random.default_rng([self._seed, 7, b, queue]), b * BLOCK_S, shape)
            for b in (block - 1, block)
        )
        waves = _waves(np.random.default_rng([self._seed, 11, queue]), shape.ripple, RIPPLE_S)
        return _joined(before, now, block * BLOCK_S, waves, shape)

    def _pod(self, block: int, pod: int, queue: _Pod) -> _Pod:
        if not self._air[pod] and not self._infers[pod]:
            return queue
        shape = self._mix.general if self._air[pod] else self._mix.inference
        return _serving(
            np.random.default_rng([self._seed, 12, pod]),
            np.random.default_rng([self._seed, 8, block, pod]),
            block * BLOCK_S,
            shape,
        )


def _level(pod: _Pod, times_s: Array) -> Array:
    level = np.interp(times_s, pod.times_s, pod.level)
    wandering = np.zeros(len(times_s))
    for amplitude, period_s, phase in pod.waves:
        wandering += amplitude * np.sin(2.0 * np.pi * (times_s / period_s + phase))
    return np.asarray(level + np.clip((level - pod.idle_below) / FADE, 0.0, 1.0) * wandering)


def _waves(rng: np.random.Generator, deviation: float, periods_s: Range) -> Array:
    """Waves that wander together with a standard deviation; periods even in their logarithm."""
    periods = np.exp(rng.uniform(np.log(periods_s[0]), np.log(periods_s[1]), WAVES))
    amplitude = np.full(WAVES, deviation * np.sqrt(2.0 / WAVES))
    return np.stack((amplitude, periods, rng.random(WAVES)), axis=1)


def _serving(
    lasting: np.random.Generator, rng: np.random.Generator, start_s: float, shape: Serving
) -> _Pod:
    """Inference and general work over a block; ``lasting`` draws what all blocks share."""
    base = shape.base + lasting.uniform(-0.06, 0.06)
    # A sine is least a quarter of its period before 0.
    waves = [
        (shape.day, DAY_S, -0.25 - LEAST_AT_UTC_H / 24.0),
        (shape.week, WEEK_S, -0.25 - LEAST_DAY / 7.0),
        *_waves(lasting, shape.noise, shape.noise_s),
    ]
    times, levels = [start_s], [base]
    t = start_s
    while (t := t + float(rng.exponential(shape.burst_every_s))) < start_s + BLOCK_S - 3600.0:
        height, span_s = shape.burst * rng.uniform(0.5, 2.0), float(rng.uniform(*shape.burst_s))
        edge_s = 0.2 * span_s
        times += [t, t + edge_s, t + span_s - edge_s, t + span_s]
        levels += [base, base + height, base + height, base]
        t += span_s
    return _Pod(np.array(times), np.array(levels), np.array(waves))


def _training(rng: np.random.Generator, start_s: float, shape: Training) -> tuple[Array, Array]:
    """Knots of one queue of jobs that begin in a block; the last may end after it."""
    idle = float(rng.uniform(*shape.idle))
    times, levels = [start_s], [idle]
    t = start_s + float(rng.uniform(0.0, 0.5)) * _lognormal(rng, shape.pause_s)
    while t < start_s + BLOCK_S:
        length_s = float(np.clip(_lognormal(rng, shape.job_s), *shape.job_limits_s))
        busy = float(rng.uniform(*shape.busy))
        fails = rng.random() < shape.failures
        if fails:
            length_s *= float(rng.uniform(0.1, 0.8))
        up_s = min(float(rng.uniform(*shape.start_s)), 0.3 * length_s)
        down_s = EDGE_S if fails else min(float(rng.uniform(*shape.end_s)), 0.3 * length_s)
        if not fails and rng.random() < shape.taper_share:
            down_s = min(float(rng.uniform(*shape.taper_s)), 0.6 * length_s)
        times += [t, t + up_s]
        levels += [idle, busy]
        _checkpoints(rng, t + up_s, t + length_s - down_s, busy, shape, times, levels)
        idle = float(rng.uniform(*shape.idle))
        times += [t + length_s - down_s, t + length_s]
        levels += [busy, idle]
        pause_s = float(rng.uniform(*shape.restart_s)) if fails else _lognormal(rng, shape.pause_s)
        t += length_s + pause_s
    return np.array(times), np.array(levels)


def _checkpoints(
    rng: np.random.Generator,
    start_s: float,
    end_s: float,
    busy: float,
    shape: Training,
    times: list[float],
    levels: list[float],
) -> None:
    """Dips of a job's level at its own interval."""
    if shape.checkpoint_every_s[0] <= 0.0:
        return
    every_s = float(rng.uniform(*shape.checkpoint_every_s))
    t = start_s + every_s
    while t < end_s - 1.5 * shape.checkpoint_s[1]:
        write_s = float(rng.uniform(*shape.checkpoint_s))
        low = float(rng.uniform(*shape.checkpoint))
        times += [t, t + EDGE_S, t + write_s, t + write_s + EDGE_S]
        levels += [busy, low, low, busy]
        t += every_s


def _joined(
    before: tuple[Array, Array],
    block: tuple[Array, Array],
    start_s: float,
    waves: Array,
    shape: Training,
) -> _Pod:
    """A block's knots after those of the block before that reach into it.

    What the block would have begun before the old job's end is left out.
    """
    old_s, old = before
    new_s, new = block
    end_s = float(old_s[-1])
    if end_s <= start_s:
        old_s, old, end_s = old_s[-1:], old[-1:], start_s
    # The queue goes on from where the old job's end has left it, at the pace of a start.
    go_on_s = end_s + shape.start_s[1]
    kept = new_s > go_on_s
    level = np.interp(go_on_s, new_s, new)
    return _Pod(
        np.concatenate((old_s, [end_s + EDGE_S, go_on_s], new_s[kept])),
        np.concatenate((old, [old[-1], level], new[kept])),
        waves,
        shape.idle[1],
    )


def _lognormal(rng: np.random.Generator, shape: Range) -> float:
    return float(rng.lognormal(np.log(shape[0]), shape[1]))
