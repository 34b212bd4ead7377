"""How long a proposal stands where a person decides, and what of it is left to do.

A proposal names setpoints to go to. From where they start is the plant's own affair while nobody
has answered: its resets go on moving them, and that alone voids nothing. A proposal stands while

- the plant is in its stated region (weather, loads, racks within their limits), and
- the models, asked again at each control step from the plant as it is then, still expect what it
  proposes to keep every rack within its limit and to save something, or to keep racks cooler.

For its first twenty minutes nothing else takes its place; after that a plan that differs
materially does. An approval moves what is left of each move, from the setpoint in force.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from controller.planning.settings import PlanningSettings
from facility.commands import Bound, Mode, Move, Proposal
from facility.quantities import LIMITED_TEMPERATURE
from facility.site import Site
from facility.telemetry import Snapshot

REGION_K = 3.0
"""Outdoor temperatures may move so far before a standing proposal falls."""
OVERLOAD = 1.05
"""Of a CDU's rating: its load may be anything less. Checkpoints take most of it away and bring it
back within a minute or two, which changes nothing: every plan bears each rack's rated power."""
SAME = 0.999
"""Of a dead band: rounding must not lose a move of exactly the dead band."""


def region_of(site: Site, snapshot: Snapshot) -> tuple[Bound, ...]:
    """The plant states in which a proposal made now still holds."""
    bounds = []
    for name in ("wet_bulb_temperature", "dry_bulb_temperature", "dew_point_temperature"):
        for tag in site.tags(name):
            value = snapshot.good(tag)
            if value is not None:
                bounds.append(Bound(tag, round(value - REGION_K, 3), round(value + REGION_K, 3)))
    for rack in site.racks.values():
        limited = site.tag(rack.id, LIMITED_TEMPERATURE[rack.kind.value])
        if limited is not None and snapshot.good(limited) is not None:
            bounds.append(Bound(limited, -50.0, rack.limit_c))
    for cdu in site.cdus.values():
        load = site.tag(cdu.id, "cooling_load")
        if load is not None and snapshot.good(load) is not None:
            most_kw = round(OVERLOAD * cdu.rated_kw, 3)
            bounds.append(Bound(load, -most_kw, most_kw))
    return tuple(bounds)


def left_region(region: Iterable[Bound], snapshot: Snapshot) -> list[str]:
    """The readings that lie outside a region, in words; what cannot be read is not seen to."""
    found = []
    for bound in region:
        value = snapshot.good(bound.tag)
        if value is not None and not bound.lower <= value <= bound.upper:
            found.append(f"{bound.tag} is {value:g}, not {bound.lower:g} to {bound.upper:g}")
    return found


def unseen(region: Iterable[Bound], snapshot: Snapshot) -> list[str]:
    """The readings of a region that there are not now, in words."""
    return [f"{b.tag} cannot be read" for b in region if snapshot.good(b.tag) is None]


@dataclass(frozen=True, slots=True)
class MoveNow:
    """A move of a proposal, from where its setpoint is now."""

    move: Move
    is_left: bool
    """Whether there is anything left of it to do."""


def as_it_stands(proposal: Proposal, site: Site, snapshot: Snapshot | None) -> tuple[MoveNow, ...]:
    """A proposal's moves from the setpoints in force; without a snapshot as it found them.

    Actuators that the site does not have any more are left out.
    """
    known = [move for move in proposal.moves if move.actuator in site.actuators]
    if snapshot is None:
        return tuple(MoveNow(move, is_left=True) for move in known)
    found = []
    for move in known:
        actuator = site.actuators[move.actuator]
        value = snapshot.good(actuator.read_back)
        now = move.now if value is None else value
        far = abs(move.proposed - now) >= actuator.dead_band * SAME
        left = far and not _is_overtaken(move, now)
        found.append(MoveNow(Move(move.actuator, now, move.proposed), left))
    return tuple(found)


def is_open(move: Move, site: Site, snapshot: Snapshot) -> bool:
    """Whether something is left of a decided move: it is neither in force nor overtaken."""
    actuator = site.actuators[move.actuator]
    now = snapshot.good(actuator.read_back)
    if now is None:
        return True
    return abs(now - move.proposed) > actuator.tolerance and not _is_overtaken(move, now)


def left_to_do(proposal: Proposal, site: Site, snapshot: Snapshot) -> tuple[Move, ...]:
    """What is left of a proposal's moves, from the setpoints in force.

    The plant's own control may have gone the way already, or beyond: to go back is not what
    was proposed, so nothing is left of such a move.
    """
    return tuple(each.move for each in as_it_stands(proposal, site, snapshot) if each.is_left)


def _is_overtaken(move: Move, now: float) -> bool:
    """Whether a setpoint that is at ``now`` lies beyond where a move was to bring it."""
    return (now - move.proposed) * (move.proposed - move.now) > 0.0


def targets(moves: Iterable[Move], site: Site) -> dict[str, float]:
    """By actuator group: where moves go to."""
    return {site.actuators[move.actuator].group: move.proposed for move in moves}


def is_asked(modes: Mapping[str, Mode]) -> bool:
    """Whether a person decides on anything; in shadow nobody is asked."""
    return Mode.ADVISORY in modes.values()


def why_it_falls(
    standing: Proposal,
    fresh: Proposal | None,
    site: Site,
    snapshot: Snapshot,
    settings: PlanningSettings,
) -> str:
    """Why a standing proposal gives way, in words; empty while it is kept.

    Parameters
    ----------
    standing
        With what the models said of it in this step, where they were asked.
    fresh
        What this step's plan would propose.
    """
    if any(snapshot.modes.get(a) is Mode.AUTOMATIC for a in site.actuators):
        return "in automatic mode each step has its own"
    now_s = snapshot.time_s
    if now_s >= standing.expires_at_s:
        return "nobody decided in time"
    if left := left_region(standing.region, snapshot):
        return f"the plant has left the region in which it holds: {left[0]}"
    if standing.recheck is not None and standing.recheck.objection:
        return f"looked at again from the plant as it is: {standing.recheck.objection}"
    if now_s - standing.created_at_s < settings.advisory_stand_s or fresh is None:
        return ""
    return material(standing, fresh, site, snapshot, settings)


def material(
    standing: Proposal,
    fresh: Proposal,
    site: Site,
    snapshot: Snapshot,
    settings: PlanningSettings,
) -> str:
    """How a fresh proposal differs enough to ask a person anew; empty where it does not.

    Both are compared as they stand now: the saving as looked at last, and where each setpoint
    would be, moved by them or not.
    """
    saving_kw = standing.saving_kw if standing.recheck is None else standing.recheck.saving_kw
    gained_kw = fresh.saving_kw - saving_kw
    if abs(gained_kw) > settings.material_kw:
        word = "more" if gained_kw > 0.0 else "less"
        return f"a new plan saves {abs(gained_kw):.1f} kW {word}"
    left = {move.actuator: move for move in left_to_do(standing, site, snapshot)}
    asked = {move.actuator: move for move in fresh.moves}
    for name in (*left, *(name for name in asked if name not in left)):
        before, after = left.get(name), asked.get(name)
        ends = [each.proposed for each in (before, after) if each is not None]
        if len(ends) == 1:
            ends += [each.now for each in (before, after) if each is not None]
        if abs(ends[0] - ends[1]) > 2.0 * site.actuators[name].dead_band:
            return f"a new plan has {name} at {ends[-1] if after is None else after.proposed:.4g}"
    return ""
