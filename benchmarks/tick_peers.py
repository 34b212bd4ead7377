"""The same step of a hall by peers: the plain sparse problem in CVXPY, and do-mpc with IPOPT.

Both are given what a modeller would give them: one state a rack, which goes to where it would
settle with the mean rate of the learned model's lags; static gains and power from that model;
every rack and every step of four hours, setpoints free at each; temperatures soft, setpoints and
their rates hard, energy at its price. Neither verifies its answer rack by rack, as ours does.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse

from benchmarks.scaled import HALL_RACKS, scaled_site
from benchmarks.sized import planned_request, untrained
from controller.planning.corridor import Corridor
from controller.planning.linearise import power_cuts
from controller.planning.predictor import LearnedPredictor
from controller.planning.problem import Cuts
from controller.planning.settings import PlanningSettings
from controller.planning.situation import Situation
from controller.planning.solve import PlanMaker
from controller.planning.verify import rollout
from models.contract import Array

SLACK_KWH_PER_K = 30.0
"""Penalty of a kelvin too warm for a step, at the mean price."""
PRICE = 0.1


@dataclass(frozen=True)
class Hall:
    """One state a rack about holding still; T steps, R racks, G scaled setpoints."""

    rate: Array
    """(R,) share of the way that a step goes."""
    gain: sparse.csr_array
    """(R, G) K where a rack would settle, for a scaled unit."""
    room: Array
    """(T, R) K to the limit less the margin."""
    cuts: Cuts
    lower: Array
    """(T, G) scaled."""
    upper: Array
    rise: Array
    fall: Array
    hours: Array
    """(T,) times the relative price."""
    features: Array
    """(F, G)."""


def ours_s(racks: int) -> tuple[float, Situation]:
    """Processor seconds of a plan that follows one, and its situation at every step."""
    settings = PlanningSettings()
    site = scaled_site(racks // HALL_RACKS)
    bundle = untrained(site)
    predictor = LearnedPredictor(site, bundle)
    maker = PlanMaker(site, predictor, settings)
    request = planned_request(site, bundle, settings, (PRICE,) * settings.steps)
    started = maker.make(request).plan
    if started is None:
        raise RuntimeError("there is no plan to start from")
    request = replace(request, previous=started.setpoints)
    began = time.process_time()
    plan = maker.make(request).plan
    seconds = time.process_time() - began
    if plan is None or not plan.verified:
        raise RuntimeError("our plan was not verified")
    full = PlanMaker(site, predictor, replace(settings, blocks=(1,) * settings.steps))
    state, corridor = predictor.state(request.state), Corridor(request, full.settings)
    return seconds, Situation(site, request, state, full.layout, corridor, predictor)


def hall_of(situation: Situation) -> Hall:
    """The learned model about holding still, with one state a rack."""
    predictor, layout, corridor = situation.predictor, situation.layout, situation.corridor
    hold = rollout(situation, corridor.holding())
    steps, racks = situation.request.steps, len(layout.rack_names)
    held = situation.inputs(hold.blocks)
    found, _ = predictor.linearise(situation.state, held, (steps,), range(racks))
    place = (found.rack, found.group)
    gain = sparse.csr_array(
        (found.gain[:, -1, 0] * layout.scale[found.group], place), shape=(racks, layout.groups)
    )
    first, last = np.zeros(racks), np.full(racks, 1e-9)
    np.add.at(first, found.rack, np.abs(found.gain[:, 0, 0]))
    np.add.at(last, found.rack, np.abs(found.gain[:, -1, 0]))
    lower, upper = corridor.ends
    rise, fall = corridor.rates
    return Hall(
        rate=np.clip(first / last, 0.05, 0.95),
        gain=gain,
        room=situation.wished_c[situation.fine_ends] - hold.fine_c[situation.fine_ends],
        cuts=power_cuts(situation, hold.blocks, []),
        lower=(lower - hold.blocks) / layout.scale,
        upper=(upper - hold.blocks) / layout.scale,
        rise=np.maximum(rise / layout.scale, 1e-6),
        fall=np.maximum(fall / layout.scale, 1e-6),
        hours=situation.hours,
        features=layout.features,
    )


def plain_s(situation: Situation) -> float:
    """Processor seconds of a step by the plain sparse problem, stated anew and solved once."""
    import cvxpy as cp

    began = time.process_time()
    hall = hall_of(situation)
    (steps, racks), groups = hall.room.shape, hall.lower.shape[1]
    settings = PlanningSettings()
    v, y = cp.Variable((steps, groups)), cp.Variable((steps, len(hall.features)))
    p = cp.Variable((steps, hall.cuts.components))
    warm, over = cp.Variable((steps, racks)), cp.Variable((steps, racks), nonneg=True)
    before = cp.vstack([np.zeros((1, racks)), warm[:-1]])
    move = v - cp.vstack([np.zeros((1, groups)), v[:-1]])
    keep = np.tile(1.0 - hall.rate, (steps, 1))
    settles = v @ (sparse.diags_array(hall.rate) @ hall.gain).T
    z = cp.vec(cp.hstack([v, y]), order="C")
    constraints = [
        warm == cp.multiply(keep, before) + settles,
        warm <= hall.room + over,
        y == v @ hall.features.T,
        hall.cuts.slope @ z + hall.cuts.at_nominal <= cp.vec(p, order="C")[hall.cuts.power],
        v >= hall.lower,
        v <= hall.upper,
        move <= hall.rise,
        -move <= hall.fall,
    ]
    cost = (
        cp.sum(p.T @ hall.hours)
        + settings.move_kwh * cp.norm1(move)
        + settings.turn_kwh * cp.sum_squares(move)
        + SLACK_KWH_PER_K * cp.sum(over + cp.square(over))
    )
    problem = cp.Problem(cp.Minimize(cost), constraints)
    problem.solve(solver="CLARABEL")
    if problem.status not in ("optimal", "optimal_inaccurate"):
        raise RuntimeError(f"the plain problem was {problem.status}")
    return time.process_time() - began


def dompc_s(situation: Situation) -> float:
    """Processor seconds of a step of do-mpc, its set-up not counted."""
    import casadi as ca
    import do_mpc

    hall = hall_of(situation)
    (steps, racks), groups = hall.room.shape, hall.lower.shape[1]
    model = do_mpc.model.Model("discrete", "SX")
    warm = model.set_variable("_x", "warm", shape=(racks, 1))
    model.set_variable("_x", "last", shape=(groups, 1))
    v = model.set_variable("_u", "v", shape=(groups, 1))
    gain = ca.DM(np.asarray((sparse.diags_array(hall.rate) @ hall.gain).todense()))
    model.set_rhs("warm", ca.DM(1.0 - hall.rate) * warm + gain @ v)
    model.set_rhs("last", v)
    z = ca.vertcat(v, ca.DM(hall.features) @ v) if len(hall.features) else v
    rows = hall.cuts.power < hall.cuts.components
    width = groups + len(hall.features)
    slope = ca.DM(np.asarray(hall.cuts.slope[np.flatnonzero(rows)][:, :width].todense()))
    values = slope @ z + ca.DM(hall.cuts.at_nominal[rows])
    owner = hall.cuts.power[rows]
    power = 0
    for component in range(hall.cuts.components):
        # The highest cut, smoothed to 0.1 kW: IPOPT wants derivatives.
        own = ca.vertcat(*(values[int(i)] for i in np.flatnonzero(owner == component)))
        power += 0.1 * ca.logsumexp(own / 0.1)
    model.set_expression("cost", power * float(hall.hours.mean()))
    model.setup()
    mpc = do_mpc.controller.MPC(model)
    mpc.settings.n_horizon, mpc.settings.t_step = steps, 300.0
    mpc.settings.store_full_solution = False
    mpc.settings.supress_ipopt_output()
    mpc.set_objective(mterm=ca.DM(0), lterm=model.aux["cost"])
    mpc.set_rterm(v=float(PlanningSettings().turn_kwh))
    mpc.bounds["lower", "_u", "v"] = hall.lower[-1]
    mpc.bounds["upper", "_u", "v"] = hall.upper[-1]
    options: dict[str, Any] = {"soft_constraint": True, "penalty_term_cons": SLACK_KWH_PER_K}
    mpc.set_nl_cons("warm", model.x["warm"], ub=hall.room.min(axis=0), **options)
    step = model.u["v"] - model.x["last"]
    mpc.set_nl_cons("rise", step, ub=hall.rise.min(axis=0))
    mpc.set_nl_cons("fall", -step, ub=hall.fall.min(axis=0))
    mpc.setup()
    start = np.zeros((racks + groups, 1))
    mpc.x0 = start
    mpc.set_initial_guess()
    mpc.make_step(start)  # the first is from cold
    began = time.process_time()
    mpc.make_step(start)
    seconds = time.process_time() - began
    if not mpc.solver_stats["success"]:
        raise RuntimeError(f"do-mpc found no answer: {mpc.solver_stats['return_status']}")
    return seconds


def plain_over_ours(racks: int) -> dict[str, float]:
    """Seconds of each."""
    seconds, situation = ours_s(racks)
    return {"ours_s": seconds, "peer_s": plain_s(situation)}


def dompc_over_ours(racks: int) -> dict[str, float]:
    """Seconds of each."""
    seconds, situation = ours_s(racks)
    return {"ours_s": seconds, "peer_s": dompc_s(situation)}
