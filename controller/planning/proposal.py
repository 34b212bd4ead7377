"""A verified plan as a proposal, in the engineer's words.

What is proposed for an actuator is the value for this step where its mode is automatic, and
where a person decides, the value at the end of the time that the proposal stands: the person
approves a direction, and the envelope's rates walk there.

A plan sets every setpoint, those that it leaves alone too. Where the mode decides, a device that
is not held yet is therefore taken over with the first decision, at the value in force there
(`Proposal.holds`), so that it does not follow its own resets while the plan counts on it. What a
person approves takes over the devices that it moves, and no other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from controller.planning.settings import PlanningSettings
from controller.planning.staging import in_words, is_stage
from controller.planning.standing import SAME, region_of
from controller.planning.words import Plan
from facility.commands import Effect, Mode, Move, Proposal, Shortfall
from facility.devices import Actuator, Cooling
from facility.quantities import CHARGE
from facility.site import Site
from facility.telemetry import Snapshot
from safety.arithmetic import grains
from safety.encoding import nearest_on_wire

EFFECTS_SAID = 4
SHORTFALLS_SAID = 3
"""Sentences about what moves are for, and about what cannot be kept."""


def propose(
    plan: Plan,
    site: Site,
    snapshot: Snapshot,
    setpoints: Mapping[str, float],
    settings: PlanningSettings,
    number: int,
) -> Proposal | None:
    """The proposal of a plan; None where it neither moves nor takes over anything.

    A plan that is not verified is none, but for the rule that only ever cools more.

    ``setpoints`` are those in force, by group.
    """
    if not plan.verified and plan.link != "ramp":
        return None
    moves = moves_of(plan, site, snapshot, setpoints, settings)
    holds = holds_of(site, snapshot, {move.actuator for move in moves})
    if not moves and not holds:
        return None
    now_s = snapshot.time_s
    return Proposal(
        id=f"p{number:06d}-{int(now_s)}",
        plan_hash=plan.hash,
        created_at_s=now_s,
        expires_at_s=now_s + settings.proposal_life_s,
        moves=moves,
        saving_kw=plan.saving_kw,
        saving_per_day=24.0 * plan.saving_per_h,
        bands=plan.bands,
        bands_now=plan.bands_now,
        binding=plan.binding,
        region=region_of(site, snapshot),
        model_version=plan.model_version,
        solver=plan.link,
        verified=plan.verified,
        reasons=(*reasons_of(plan, site, moves), *_what_is_taken_over(site, holds)),
        holds=holds,
        effects=plan.effects,
        shortfalls=plan.shortfalls,
    )


def moves_of(
    plan: Plan,
    site: Site,
    snapshot: Snapshot,
    setpoints: Mapping[str, float],
    settings: PlanningSettings,
) -> tuple[Move, ...]:
    """The moves of a plan that are worth a write, by actuator."""
    now_s = snapshot.time_s
    at_once = plan.at(now_s)
    later = plan.at(now_s + settings.advisory_stand_s)
    moves = []
    for group, members in site.groups.items():
        for actuator in members:
            mode = snapshot.modes.get(actuator.id, Mode.SHADOW)
            proposed = (at_once if mode is Mode.AUTOMATIC else later)[group]
            known = snapshot.good(actuator.read_back)
            now = setpoints[group] if known is None else known
            if mode is not Mode.OFF and abs(proposed - now) >= actuator.dead_band * SAME:
                moves.append(Move(actuator.id, now, as_carried(site, actuator, proposed)))
    return tuple(moves)


def holds_of(site: Site, snapshot: Snapshot, moved: Collection[str]) -> tuple[Move, ...]:
    """What is taken over without a move: actuators in automatic of devices that are not held.

    A device has one enable for all its setpoints, so all of them must be in a mode that writes;
    and what is in force must be known, to be held.
    """
    holds = []
    # In the site's order: a snapshot that was read back from a record has another.
    for device in site.devices:
        status = snapshot.devices.get(device)
        if status is None:
            continue
        members = site.device_actuators(device)
        modes = {a.id: snapshot.modes.get(a.id, Mode.SHADOW) for a in members}
        if status.armed or not status.connected or not all(m.writes for m in modes.values()):
            continue
        for actuator in members:
            now = snapshot.good(actuator.read_back)
            if (
                modes[actuator.id] is Mode.AUTOMATIC
                and actuator.id not in moved
                and now is not None
            ):
                holds.append(Move(actuator.id, now, as_written(site, actuator, now)))
    return tuple(holds)


def as_carried(site: Site, actuator: Actuator, value: float) -> float:
    """The nearest value that the actuator's register can carry and that cools no less.

    A plan goes up to what the envelope admits. The grain of a register above it would be refused,
    and so would be the value itself, which no register carries.
    """
    reach = grains(actuator.tolerance)
    down, up = (reach, 0) if actuator.cooling is Cooling.LOWER else (0, reach)
    return round(_on_wire(site, actuator, value, down, up), 4)


def as_written(site: Site, actuator: Actuator, value: float) -> float:
    """The value nearest to ``value`` that the actuator's register can carry.

    A read-back may be finer than the register: what is held is what can be written there.
    """
    reach = grains(actuator.tolerance)
    return _on_wire(site, actuator, value, reach, reach)


def _on_wire(site: Site, actuator: Actuator, value: float, down: int, up: int) -> float:
    """The nearest value that the register carries, so many grains below and above at most."""
    asked = grains(value)
    found = nearest_on_wire(site.points[actuator.id], asked, asked - down, asked + up)
    return value if found is None else found


def reasons_of(plan: Plan, site: Site, moves: tuple[Move, ...]) -> tuple[str, ...]:
    """Why, as an engineer would say it: what moves, what it saves where, what stands in the way."""
    reasons = [*_what_moves(site, moves), _what_it_saves(plan)]
    if plan.link in ("previous", "ramp"):
        how = (
            "the last verified plan goes on" if plan.link == "previous" else "more cooling by rule"
        )
        reasons.insert(0, f"No solver gave a plan that stands the roll-out: {how}.")
    told = [e for i, e in enumerate(plan.effects) if i < EFFECTS_SAID or e.quantity == CHARGE]
    reasons += [_what_it_is_for(effect) for effect in told]
    reasons += [_what_is_not_kept(each) for each in plan.shortfalls[:SHORTFALLS_SAID]]
    reasons += [f"{b.constraint} binds: {b.shadow_price:.2f} {b.unit}." for b in plan.binding[:3]]
    reasons += plan.remarks
    where = "above" if plan.worst_excess_k > 0 else "below"
    reasons.append(
        f"Warmest rack {plan.worst_rack}: {abs(plan.worst_excess_k):.1f} K {where} its limit "
        "less the margin for error, over the horizon."
    )
    return tuple(reasons)


def _what_is_taken_over(site: Site, holds: tuple[Move, ...]) -> tuple[str, ...]:
    devices = dict.fromkeys(site.actuators[move.actuator].device for move in holds)
    if not devices:
        return ()
    return (f"Takes over at the values in force: {', '.join(devices)}.",)


def _what_moves(site: Site, moves: tuple[Move, ...]) -> list[str]:
    by_kind: dict[tuple[str, bool], list[Move]] = {}
    staged = [move for move in moves if is_stage(site, move.actuator)]
    for move in moves:
        if move in staged:
            continue
        quantity = site.actuators[move.actuator].quantity
        by_kind.setdefault((quantity, move.proposed > move.now), []).append(move)
    lines = [in_words(site, move.actuator, move.now, move.proposed) for move in staged]
    for (quantity, up), members in by_kind.items():
        sizes = [abs(m.proposed - m.now) for m in members]
        unit = site.actuators[members[0].actuator].unit
        unit = "K" if unit == "degC" else unit
        span = (
            f"{min(sizes):.1f}" if np.ptp(sizes) < 0.05 else f"{min(sizes):.1f} to {max(sizes):.1f}"
        )
        word = "Raise" if up else "Lower"
        lines.append(f"{word} {quantity.replace('_', ' ')} of {len(members)} by {span} {unit}.")
    return lines


def _what_it_is_for(effect: Effect) -> str:
    more = "more" if effect.saving_kw >= 0.0 else "less"
    name = effect.quantity.replace("_", " ")
    if effect.quantity == CHARGE:
        return (
            f"Storage is {effect.stopped_by}: on average {abs(effect.saving_kw):.1f} kW {more} "
            f"without it over the horizon; {effect.shadow_price:.3f} {effect.unit}."
        )
    said = (
        f"Without the moves of {name}: {abs(effect.saving_kw):.1f} kW {more}, and "
        f"{effect.room_without_k:.1f} K of room for the warmest rack in place of "
        f"{effect.room_k:.1f} K"
    )
    if not effect.stopped_by:
        return f"{said}; further would save nothing."
    return f"{said}; no further for {effect.stopped_by} ({effect.shadow_price:.2f} {effect.unit})."


def _what_is_not_kept(shortfall: Shortfall) -> str:
    minutes = max(1, round((shortfall.until_s - shortfall.from_s) / 60.0))
    return (
        f"Cannot be kept: {shortfall.constraint}, {shortfall.excess:.1f} {shortfall.unit} above "
        f"its limit less the margin for {minutes} min, held back by "
        f"{', '.join(shortfall.held_by) or 'nothing that is planned'}."
    )


def _what_it_saves(plan: Plan) -> str:
    change = np.mean(np.array(plan.power_kw) - np.array(plan.power_now_kw), axis=0)
    total: dict[str, float] = {}
    for name, value in zip(plan.components, change, strict=True):
        kind = name.split(".")[-1].replace("_", " ")
        total[kind] = total.get(kind, 0.0) + float(value)
    total["IT leakage"] = float(np.mean(plan.leakage_kw))
    parts = [
        f"{kind} {value:+.1f} kW"
        for kind, value in sorted(total.items(), key=lambda item: item[1])
        if abs(value) >= 0.05
    ]
    detail = f" ({', '.join(parts)})" if parts else ""
    word = "Saves" if plan.saving_kw >= 0 else "Costs"
    hours = len(plan.setpoints) * plan.step_s / 3600.0
    return (
        f"{word} {abs(plan.saving_kw):.1f} kW on average over {hours:g} h against holding{detail}."
    )
