"""How the planner looks ahead and what it weighs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PlanningSettings:
    """Horizon, blocks, weights and patience of the planner.

    Money is in the site's currency; where a weight is an energy (kWh) it is priced with the
    mean price of the horizon, so that it means the same at every tariff.
    """

    step_s: float = 300.0
    blocks: tuple[int, ...] = (1, 1, 1, 2, 3, 4, 6, 6, 12, 12)
    """Steps for which a setpoint is held, one entry a block; their sum is the horizon: 4 h."""
    verify_first_s: float = 900.0
    """From now on for so long every rack is verified at the finer step: loads of checkpoints come
    and go within 10 to 120 s, and what is about to be written must hold between the minutes."""
    verify_first_step_s: float = 10.0
    """The finer step."""
    verify_step_s: float = 60.0
    """Step of the roll-out that verifies every rack, after that."""
    worst_step_s: float = 1800.0
    """How long after the worst credible step the racks must still be within their limits."""
    worst_rise_s: float = 60.0
    """Time in which every rack rises to its rated power in the worst credible step."""
    worst_margin_share: float = 1.0
    """Share of the prediction's margin that is kept in the worst credible step too."""
    hottest: int = 2
    """Rows a unit and step for its hottest racks, at first."""
    rounds: int = 2
    """Solves a tick, each linearised about the last solution."""
    round_gain: float = 0.005
    """Another round pays while the last one gained this share of the electric power."""
    extra_rounds: int = 2
    """More of them while the plan is not verified."""
    tolerance_k: float = 0.05
    """Excess over a limit less its margin that still counts as verified."""
    trust_range_share: float = 0.15
    """Largest change of a setpoint in one round, as a share of its range."""
    move_kwh: float = 0.05
    """Cost of a move by a twentieth of the actuator's range."""
    plant_pace_k: float = 0.5
    """Kelvin a step at most by which water of the plant is made colder for economy. Static power
    models do not see what it costs to pull tonnes of water down: towers at full speed for half
    an hour. Where a rack is too warm, the site's rate counts instead."""
    least_approach_k: float = 2.8
    """Kelvin above the wet bulb below which tower water is not made colder for economy. Fans soar
    there (no tower is certified below 5 °F, CTI STD-201), experiments see few such moments, and
    a power model's slopes are guesses. Where a rack is too warm, the range alone counts."""
    least_cdu_approach_k: float = 4.0
    """Kelvin over the water that its exchanger takes below which a CDU's supply is not made colder
    for economy. Exchangers are chosen for 3 to 5 K; below, valves stand open, the widest of them
    sets the loop's differential pressure (Guideline 36 resets it by the valves), and pumps soar,
    which a power model of means over the units does not see. Where a rack is too warm, the range
    alone counts."""
    turn_kwh: float = 0.02
    """Quadratic cost of the same, and of departing from the last plan."""
    slack_kw_per_k: float = 400.0
    """Exact penalty on a temperature above its limit less margin, or above its recommended one:
    more than any saving a kelvin."""
    terminal_h: float = 1.0
    """The last block's power counts for so long after the horizon."""
    dew_point_reserve_k: float = 0.5
    """Kept above the envelope's margin to the dew point, since air moves while a plan stands."""
    hold_below_kw: float = 0.5
    """A plan that saves less than this against holding still holds still."""
    storage_part_load: float = 0.8
    """Charging a storage tank takes running chillers no further: plants start another one at
    about 0.85, and a tank is not worth a start."""
    storage_margin_pct: float = 2.0
    """Of full, kept above a tank's reserve: the envelope judges between two steps."""
    storage_look_ahead_h: float = 24.0
    """How far the schedule of a storage tank looks, by hours beyond the horizon; prices are known
    so far, load and weather are taken to stay as at the horizon's end."""
    wall_clock_limit_s: float = 20.0
    """The worker is killed and the rule takes over after so long."""
    advisory_stand_s: float = 1200.0
    """A proposal to a person stands at least so long."""
    advisory_check_s: float = 3600.0
    """So far ahead racks must stay within their limits under a proposal that stands, held: by
    then somebody has been asked again."""
    proposal_life_s: float = 1800.0
    """After this an unanswered proposal has expired."""
    writes_per_hour: int = 6
    """Optimiser writes a point and hour at most, where the site allows more."""
    dwell_s: float = 900.0
    """Shortest time from a write of a point to a move of it away from cooling. Towards cooling
    only the site's own dwell counts."""
    material_kw: float = 5.0
    """Change of the expected saving that makes a new proposal."""

    staging: bool = True
    """Whether stages are planned where a site's sequencer takes requests."""
    stage_every_s: float = 900.0
    """How often: a sequencer keeps a stage as long, and each other stage costs a plan."""
    stage_change_kwh: float = 10.0
    """Cost of a start or stop: some minutes of a chiller's power until it carries its load, and
    wear. A choice of ours, with no measurement behind it; about a dollar at the usual tariff."""
    stage_gain_kw: float = 3.0
    """Mean saving over the horizon that another stage must have besides: what a power model's
    levels are good for, and so that two stages as good as one another do not take turns."""
    stage_time_s: float | None = 8.0
    """Other stages are tried where all plans of a step are expected to take no longer, wall-clock,
    by what the last plan took. None where nobody waits for a plan."""

    def __post_init__(self) -> None:
        """Check what would fail later, and less plainly."""
        if self.step_s * sum(self.blocks) < 7200.0:
            raise ValueError(
                f"blocks {self.blocks} of {self.step_s:g} s look ahead less than two hours: "
                "add steps"
            )
        if min(self.blocks) < 1 or self.rounds < 1 or self.hottest < 1:
            raise ValueError("blocks, rounds and hottest count from 1")

    @property
    def steps(self) -> int:
        """Steps of the horizon."""
        return sum(self.blocks)
