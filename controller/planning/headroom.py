"""How much more load each rack, unit and loop can take, under the plan that stands.

A rack has room for load while its limited temperature stays below its limit, within its own
rating and what is left of the ratings of its unit and its loop. What a kilowatt does to a rack's
temperature is read off a second roll-out of the learned model, in which every rack takes
`STEP_SHARE` of its rating more at once: the answer therefore holds if all of them rise together,
and is on the safe side where one rises alone. Straight lines from there on, which is on the safe
side for liquid-cooled racks (their rise is a straight line in the load at constant flow).

Three figures each: expected (the limit itself), ``lower`` (the limit less the margin that covers
99 % of the model's errors; what a scheduler should take), ``upper`` (the cold end of the 90 %
band). Air-cooled racks share their hall's air handlers, whose ratings are counted for the hall.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.planning.situation import Predictor
from controller.planning.words import Plan, PlanRequest, Row, row
from facility.site import Site
from models.contract import Array

STEP_SHARE = 0.05
LEAST_K_PER_KW = 1e-4
"""Less than this, and a rack's temperature is not what binds."""


@dataclass(frozen=True, slots=True)
class Room:
    """Room for load at each moment, kW, and what sets its lower figure."""

    id: str
    expected_kw: Row
    lower_kw: Row
    upper_kw: Row
    binds: tuple[str, ...]
    """``temperature``, ``rating``, ``unit ID``, ``loop ID`` or ``racks``, at each moment."""


@dataclass(frozen=True)
class Headroom:
    """Room for load over the horizon of a plan."""

    made_at_s: float
    times_s: Row
    racks: tuple[Room, ...]
    units: tuple[Room, ...]
    """CDUs, and halls for all of their air handlers together."""
    loops: tuple[Room, ...]
    model_version: str


@dataclass(frozen=True, slots=True)
class _Shared:
    """Something that several racks load: a CDU, a hall's air handlers, a water loop."""

    name: str
    is_loop: bool
    rated_kw: float
    shares: Array
    """(R,) of a rack's heat that it carries."""


def headroom(site: Site, predictor: Predictor, request: PlanRequest, plan: Plan) -> Headroom:
    """The room that a plan leaves, by rack, unit and loop."""
    load_kw = np.array(request.it_power_kw)
    rated_kw = np.array([rack.rated_kw for rack in site.racks.values()])
    by_temperature = _by_temperature(site, predictor, request, plan, rated_kw)
    shared = tuple(each for each in _shared(site) if each.shares.any())
    left = {each.name: np.maximum(each.rated_kw - load_kw @ each.shares, 0.0) for each in shared}
    caps, words = _caps(rated_kw - load_kw, shared, left)
    rooms = tuple(np.minimum(room, caps) for room in by_temperature)
    binds = np.where(by_temperature[1] <= caps, "temperature", words)
    times_s = request.now_s + (np.arange(request.steps) + 1.0) * request.step_s
    racks = tuple(
        Room(
            rack,
            _row(rooms[0][:, i]),
            _row(rooms[1][:, i]),
            _row(rooms[2][:, i]),
            tuple(str(word) for word in binds[:, i]),
        )
        for i, rack in enumerate(site.racks)
    )
    return Headroom(
        made_at_s=request.now_s,
        times_s=_row(times_s),
        racks=racks,
        units=tuple(_of(each, left[each.name], rooms) for each in shared if not each.is_loop),
        loops=tuple(_of(each, left[each.name], rooms) for each in shared if each.is_loop),
        model_version=plan.model_version,
    )


def _by_temperature(
    site: Site, predictor: Predictor, request: PlanRequest, plan: Plan, rated_kw: Array
) -> tuple[Array, Array, Array]:
    """(T, R) kW each that the temperatures leave: expected, lower, upper."""
    state = predictor.state(request.state)
    inputs = request.inputs(np.array(plan.setpoints))
    now_c = predictor.roll_out(state, inputs).limited_c
    step_kw = STEP_SHARE * rated_kw
    more = replace(inputs, it_power_kw=inputs.it_power_kw + step_kw)
    k_per_kw = (predictor.roll_out(state, more).limited_c - now_c) / step_kw
    limit_c = np.array([rack.limit_c for rack in site.racks.values()])
    lead_s = np.asarray((np.arange(request.steps) + 1.0) * request.step_s, dtype=np.float64)
    margin_k, (below_k, _) = predictor.margins(lead_s), predictor.band(lead_s)

    def room(k: Array) -> Array:
        per_kw = np.maximum(k_per_kw, LEAST_K_PER_KW)
        left = np.where(k_per_kw > LEAST_K_PER_KW, k / per_kw, np.where(k > 0.0, np.inf, 0.0))
        return np.asarray(np.maximum(left, 0.0))

    left_k = limit_c - now_c
    return room(left_k), room(left_k - margin_k), room(left_k - below_k)


def _caps(
    spare_kw: Array, shared: tuple[_Shared, ...], left: dict[str, Array]
) -> tuple[Array, NDArray[np.str_]]:
    """(T, R) kW that ratings leave to each rack alone, and the name of the one that binds."""
    caps = np.maximum(spare_kw, 0.0)
    words = np.full(caps.shape, "rating", dtype="<U80")
    for each in shared:
        carries = each.shares > 0.0
        share = np.where(carries, each.shares, 1.0)
        room = np.where(carries, left[each.name][:, None] / share, np.inf)
        kind = "loop" if each.is_loop else "unit"
        words = np.where(room < caps, f"{kind} {each.name}", words)
        caps = np.minimum(room, caps)
    return caps, words


def _shared(site: Site) -> Iterator[_Shared]:
    racks = tuple(site.racks.values())
    to_air = np.array([rack.to_air_share for rack in racks])
    on_loop: dict[str, Array] = {name: np.zeros(len(racks)) for name in site.loops}
    for cdu in site.cdus.values():
        shares = np.array([cdu.id in rack.units for rack in racks]) * (1.0 - to_air)
        on_loop[cdu.loop] += shares
        yield _Shared(cdu.id, False, cdu.rated_kw, shares)
    for hall in site.halls:
        crahs = [crah for crah in site.crahs.values() if crah.hall == hall]
        rating = sum(crah.rated_kw for crah in crahs)
        if not crahs:
            continue
        shares = np.array([rack.hall == hall for rack in racks]) * to_air
        for crah in crahs:
            on_loop[crah.loop] += shares * (crah.rated_kw / rating)
        yield _Shared(hall, False, rating, shares)
    for loop in site.loops.values():
        yield _Shared(loop.id, True, loop.rated_kw, on_loop[loop.id])


def _of(each: _Shared, left_kw: Array, rooms: tuple[Array, ...]) -> Room:
    """What its own rating leaves, and no more than its racks can take together."""
    together = [room @ each.shares for room in rooms]
    expected, lower, upper = (_row(np.minimum(left_kw, kw)) for kw in together)
    binds = tuple(
        "rating" if a <= b else "racks" for a, b in zip(left_kw, together[1], strict=True)
    )
    return Room(each.name, expected, lower, upper, binds)


def _row(values: Any) -> Row:
    return row(np.asarray(np.round(values, 3), dtype=np.float64))
