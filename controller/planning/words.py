"""What the planner is asked and what it answers: plain values that a record can hold.

Axes as in `models.contract`: ``T`` steps, ``R`` racks in the order of ``site.racks``, ``G``
actuator groups in the order of ``site.groups``. Tables are tuples of rows, so that a request
or a plan has one canonical wire form.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np

from controller.planning.stage_choice import StageChoice
from facility.commands import Band, Binding, Effect, Recheck, Shortfall
from facility.wire import dumps
from models.contract import Array, Inputs

STAGE = "stage"
"""`GroupLimits.fixed_by` of a stage request: the planner itself holds it."""

Row = tuple[float, ...]
Table = tuple[Row, ...]


def row(values: Array) -> Row:
    """A one-dimensional array as a tuple."""
    return tuple(np.asarray(values, dtype=float).tolist())


def table(values: Array) -> Table:
    """A two-dimensional array as a tuple of rows."""
    return tuple(map(tuple, np.asarray(values, dtype=float).tolist()))


@dataclass(frozen=True, slots=True)
class GroupLimits:
    """What may be done with the setpoint of one actuator group over the horizon."""

    group: str
    unit: str
    in_force: float
    lower: float
    lower_name: str
    """What sets the lower end: ``range``, ``dew point`` or ``minimum flow``."""
    upper: float
    upper_name: str
    rise_per_step: float
    """Fastest rise in a step."""
    fall_per_step: float
    """Fastest fall in a step; positive."""
    pace_per_step: float
    """Fastest change towards cooling for economy alone; `fall_per_step` or `rise_per_step`
    counts where something is too warm."""
    colder_is_lower: bool
    """Whether a lower value cools more."""
    free_from_s: float
    """Plant time from which it may move at all: the site's dwell and the budget of writes."""
    away_from_s: float
    """Plant time from which it may move away from cooling: our own dwell besides."""
    fixed_until_s: float | None = None
    """Held at ``fixed_at`` until then: a person's override, or an actuator that is not ours."""
    fixed_at: float | None = None
    fixed_by: str = ""
    economy_lower: float | None = None
    """Lower end for economy alone, where nothing is too warm: the least approach of towers and
    CDUs. None where it is ``lower``."""


@dataclass(frozen=True, slots=True)
class StorageState:
    """A storage tank as a plan finds it; heat in thermal kW and kWh."""

    group: str
    """Of its charge setpoint, a percent of full flow, charging positive."""
    level_pct: float
    """Of cold that it holds, between empty and full."""
    reserve_pct: float
    """Of full: what is kept for ride-through."""
    full_kwh: float
    full_kw: float
    """Heat that full flow carries."""
    loss_pct_per_day: float
    """Of what it holds."""
    load_kw: float
    """Heat that the running chillers of its loop would carry if the tank stood still."""
    running_kw: float
    """Their rating."""


@dataclass(frozen=True)
class PlanRequest:
    """Everything that a plan depends on, besides the site and the models."""

    number: int
    now_s: float
    step_s: float
    limits: tuple[GroupLimits, ...]
    """(G,)."""
    it_power_kw: Table
    """(T, R) expected."""
    wet_bulb_c: Row
    """(T,)."""
    dry_bulb_c: Row
    """(T,)."""
    price_per_kwh: Row
    """(T,) energy and carbon together, in the site's currency."""
    state: str
    """The thermal state as JSON text (`ThermalState.to_json`)."""
    model_version: str
    power_factors: Mapping[str, float] = field(default_factory=dict)
    """By component of the power model: measured over expected lately; 1 where unknown."""
    previous: Table | None = None
    """(T, G) the last verified plan, shifted so that its first row is this horizon's."""
    peak_kw: float | None = None
    """Highest mean power of the site's metering periods so far this month; None where no demand
    is charged or none has been measured."""
    demand_per_kw: float = 0.0
    """What a kW above it costs, in the site's currency."""
    standing: Mapping[str, float] = field(default_factory=dict)
    """By actuator group: where the proposal that waits for a person would go; empty without."""
    stages: tuple[StageChoice, ...] = ()
    """By sequencer that takes stage requests: which stages may be planned."""
    charges: tuple[str, ...] = ()
    """Actuator groups that set the charge of a storage tank: they stand still unless scheduled."""
    storage: tuple[StorageState, ...] = ()
    """The tanks that can be scheduled: what there is to know of them has been read."""
    price_later_per_kwh: Row = ()
    """Hourly means after the horizon, energy and carbon together; for storage tanks alone."""

    @property
    def steps(self) -> int:
        """T."""
        return len(self.it_power_kw)

    @cached_property
    def in_force(self) -> Array:
        """(G,) setpoints in force."""
        return np.array([limit.in_force for limit in self.limits])

    @cached_property
    def it_power(self) -> Array:
        """(T, R) `it_power_kw` as an array."""
        return np.array(self.it_power_kw)

    def inputs(self, setpoints: Array) -> Inputs:
        """The inputs of the horizon under ``setpoints`` (T, G)."""
        return Inputs(
            start_s=self.now_s,
            step_s=self.step_s,
            setpoints=setpoints,
            it_power_kw=self.it_power,
            wet_bulb_c=np.array(self.wet_bulb_c),
            dry_bulb_c=np.array(self.dry_bulb_c),
        )


@dataclass(frozen=True)
class Plan:
    """Setpoints over the horizon, with what is expected of them and of holding still."""

    start_s: float
    step_s: float
    groups: tuple[str, ...]
    setpoints: Table
    """(T, G)."""
    link: str
    """Of the chain of fallbacks: ``piqp``, ``clarabel``, ``previous`` or ``ramp``."""
    verified: bool
    """Rolled out, rack by rack, and found within every limit that can still be kept."""
    worst_excess_k: float
    """Highest excess over a limit less its margin in the roll-out (negative: room left)."""
    worst_rack: str
    components: tuple[str, ...]
    power_kw: Table
    """(T, components) expected."""
    power_now_kw: Table
    """The same if everything is held."""
    leakage_kw: Row
    """(T,) change of IT power against holding still, from the racks' temperatures."""
    saving_kw: float
    """Mean over the horizon, leakage counted."""
    saving_per_h: float
    """The same in the site's currency."""
    bands: tuple[Band, ...] = ()
    bands_now: tuple[Band, ...] = ()
    binding: tuple[Binding, ...] = ()
    effects: tuple[Effect, ...] = ()
    """By quantity that moves."""
    shortfalls: tuple[Shortfall, ...] = ()
    """Limits that cannot be kept in time."""
    model_version: str = ""
    remarks: tuple[str, ...] = ()
    """Of the stages that were looked at: what each would have saved, what kept it out."""

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the canonical wire form."""
        return hashlib.sha256(dumps(self).encode()).hexdigest()

    def at(self, time_s: float) -> dict[str, float]:
        """The planned setpoints at a moment, by group; the ends hold beyond the horizon."""
        index = int((time_s - self.start_s) // self.step_s)
        line = self.setpoints[min(max(index, 0), len(self.setpoints) - 1)]
        return dict(zip(self.groups, line, strict=True))

    def shifted(self, now_s: float) -> Table:
        """(T, G) the plan as seen from ``now_s``: its last row holds beyond its end."""
        skipped = max(0, round((now_s - self.start_s) / self.step_s))
        last = len(self.setpoints) - 1
        return tuple(self.setpoints[min(k + skipped, last)] for k in range(last + 1))


@dataclass(frozen=True, slots=True)
class Attempt:
    """One link of the chain of fallbacks that was tried."""

    link: str
    round: int
    status: str
    """The solver's word, or ours."""
    accepted: bool
    why: str = ""
    """What the independent check or the roll-out objected to."""
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class PlanOutcome:
    """What became of a request."""

    plan: Plan | None
    """None only if even the rule failed; then nothing is moved."""
    attempts: tuple[Attempt, ...]
    timed_out: bool = False
    seconds: float = field(default=0.0, compare=False)
    carried_from: int | None = None
    """Number of the request whose verified plan was at hand where the planner did not answer."""
    standing: Recheck | None = None
    """Of the proposal that waits for a person; None where none does, or nobody could tell."""

    @property
    def fallback(self) -> bool:
        """Whether the plan is not a verified answer of a solver."""
        return self.plan is None or self.plan.link in ("previous", "ramp") or self.timed_out


class Planner(Protocol):
    """Answers a request within its wall-clock limit, always."""

    async def plan(self, request: PlanRequest) -> PlanOutcome:
        """The best verified plan, or the rule's."""
        ...

    async def close(self) -> None:
        """Let go of processes."""
        ...
