"""The shapes that made-up IT load is drawn from, as named figures with their sources.

Levels are power over a rack's rating. A `LoadMix` says which share of the pods trains and which
serves, and how either behaves; `MIXES` names those that the project uses. What is fitted to data
is fitted by `sim.fitting`, which prints these figures again from the files.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Range = tuple[float, float]
"""Least and most; drawn uniformly between them."""


@dataclass(frozen=True, slots=True)
class Training:
    """Synchronous jobs, one after the other, each on all racks of the pods that it spans."""

    idle: Range = (0.18, 0.28)
    busy: Range = (0.72, 0.97)
    job_s: Range = (10_800.0, 0.9)
    """Median, and standard deviation of the logarithm (log-normal, as in published traces)."""
    job_limits_s: Range = (600.0, 129_600.0)
    pause_s: Range = (600.0, 1.2)
    """Between two jobs: median, and standard deviation of the logarithm."""
    start_s: Range = (5.0, 60.0)
    """Ramp from idle to full: a job's processes start within a minute of one another."""
    end_s: Range = (2.0, 20.0)
    """Ramp at its end; a failure takes a second."""
    taper_share: float = 0.0
    """Share of jobs that fade out over `taper_s`, as dense linear algebra does."""
    taper_s: Range = (1200.0, 4200.0)
    failures: float = 0.12
    """Share of jobs that fail on the way and are started again after `restart_s`. 419
    interruptions in 54 days on 16,384 accelerators are one in three hours (Llama 3 herd of
    models, arXiv:2407.21783); on the few hundred of a pod they are rare."""
    restart_s: Range = (120.0, 900.0)
    checkpoint: Range = (0.2, 0.4)
    """Level while a checkpoint is written (plant-physics 1.7; arXiv:2508.14318)."""
    checkpoint_s: Range = (10.0, 120.0)
    checkpoint_every_s: Range = (1200.0, 3600.0)
    """None is written where the least is 0."""
    ripple: float = 0.0
    """Slow wandering of the busy level, standard deviation."""
    pods_per_job: float = 3.0


@dataclass(frozen=True, slots=True)
class Serving:
    """Inference and general work: follows day and week, wanders, and bursts."""

    base: float = 0.52
    day: float = 0.2
    """Amplitude over the day, least before dawn. Production clusters that serve interactive
    models follow their users' day (Patel et al., POLCA, ASPLOS 2024)."""
    week: float = 0.05
    """Amplitude over the week, least at the weekend."""
    noise: float = 0.03
    """Standard deviation of the wandering, with periods of `noise_s`. Tokens a minute of the Azure
    conversation trace wander by 12 % (`sim.fitting.fit_service`), of a power that is half idle."""
    noise_s: Range = (150.0, 7200.0)
    burst: float = 0.1
    """Height of bursts: half to twice as much."""
    burst_every_s: float = 5400.0
    burst_s: Range = (60.0, 900.0)


@dataclass(frozen=True, slots=True)
class LoadMix:
    """Who uses a site."""

    inference_share: float = 0.35
    """Share of liquid-cooled pods that serve; the others train."""
    training: Training = field(default_factory=Training)
    inference: Serving = field(default_factory=Serving)
    general: Serving = field(
        default_factory=lambda: Serving(base=0.5, day=0.12, week=0.08, noise=0.02, burst=0.05)
    )
    """Air-cooled racks: storage, network, processors. The week is the Alibaba cluster's: 17 % of
    its mean (`sim.fitting.fit_service`)."""
    rack_spread: Range = (0.95, 1.0)
    """Racks of one pod differ so much under the same work."""


FRONTIER_JOBS = Training(
    idle=(0.24, 0.40),
    busy=(0.79, 0.91),
    job_s=(2400.0, 1.3),
    job_limits_s=(400.0, 9000.0),
    pause_s=(540.0, 1.8),
    start_s=(130.0, 300.0),
    end_s=(130.0, 300.0),
    taper_share=0.25,
    failures=0.0,
    checkpoint_every_s=(0.0, 0.0),
    ripple=0.03,
    pods_per_job=25.0,
)
"""A supercomputer whose jobs take the whole machine, fitted to the day of Frontier that HPE
published (sustain-lc): heat carried by CDUs, so ramps have passed their coolant. Levels, jobs and
edges are those of `sim.fitting.fit_jobs`; pauses scatter more than its figure, so that the two of
four hours and more, which made the day what it was, are no wonder."""

MIXES: dict[str, LoadMix] = {
    "mixed": LoadMix(),
    "training": LoadMix(inference_share=0.0),
    "inference": LoadMix(inference_share=1.0),
    "supercomputer": LoadMix(inference_share=0.0, training=FRONTIER_JOBS),
}
"""The mixes by name."""
