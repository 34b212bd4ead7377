"""A shadow run over a record: the live control step and the envelope on the second hall."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from controller.authority.automatic import ModeAlone
from controller.evaluation.series import component_tags
from controller.evaluation.shadow.beside import EnvelopeBeside, WouldBe
from controller.evaluation.shadow.replica import Replica, ReplicaEstimator, whole_inputs
from controller.loop import TICK_S
from controller.tick import Parts, TickState, tick
from facility.site import Site
from models.contract import Array

if TYPE_CHECKING:
    from controller.estimation.forecasts import Prices
    from controller.planning.settings import PlanningSettings
    from controller.planning.words import Planner
    from models.registry import Bundle


@dataclass(frozen=True)
class ShadowStudy:
    """What a shadow run has seen; (N,) over the usable minutes of the record."""

    site: Site
    times_s: Array
    """Start of each minute."""
    measured_kw: Array
    """Cooling, by the plant's own meters; NaN where one was silent."""
    plant_kw: Array
    """The same as the model expects it under the plant's own setpoints."""
    ours_kw: Array
    """And under ours."""
    still_kw: Array
    """And under the day's means of the plant's own setpoints."""
    leakage_kw: Array
    """IT power that our temperatures would have added (negative: saved)."""
    it_kw: Array
    wet_bulb_c: Array
    room_plant_k: Array
    """Least room of any rack below its limit, as measured; NaN where none was measured."""
    room_ours_k: Array
    """And of our hall, as the model expects it."""
    setpoints_plant: Array
    """(N, G)."""
    setpoints_ours: Array
    """(N, G)."""
    held_share: float
    """Of actuator-minutes that were ours."""
    would_be: WouldBe
    ticks: int
    fallbacks: int
    absent: int
    """Minutes without whole data."""
    hottest: tuple[tuple[float, str, float], ...]
    """Our hall's ten hours with least room: start, rack, room in K."""


async def run_shadow(
    site: Site,
    bundle: Bundle,
    frame: pd.DataFrame,
    planner: Planner,
    settings: PlanningSettings,
    *,
    prices: Prices | None = None,
    every_s: float = TICK_S,
    progress: Callable[[float], None] | None = None,
) -> ShadowStudy:
    """Live through a record with the control step beside it.

    Nothing later than the moment of a step reaches it: it sees the second hall's past, and
    forecasts of its own.

    Raises
    ------
    ShadowError
        The record cannot be followed.
    """
    from controller.estimation.learned import LearnedEstimator, LearnedForecaster

    replica = Replica(site, bundle, frame)
    learned = LearnedEstimator(site, bundle)
    gateway = EnvelopeBeside(replica)
    parts = Parts(
        site=site,
        model_version=bundle.version,
        estimator=ReplicaEstimator(replica, learned),
        forecaster=LearnedForecaster(site, bundle),
        planner=planner,
        authority=ModeAlone(),
        gateway=gateway,
        prices=prices,
        settings=settings,
    )
    state, ticks, fallbacks, held = TickState.start(site), 0, 0, 0
    shape = (replica.history.rows, len(site.racks))
    first, room, warmer_k = replica.row, np.full(shape, np.nan), np.zeros(shape)
    limits_c = np.array([rack.limit_c for rack in site.racks.values()])
    next_tick_s = replica.now_s
    while not replica.ended:
        if not replica.minute():
            continue
        room[replica.row - 1] = limits_c - replica.limited_c
        warmer_k[replica.row - 1] = replica.warmer_k
        snapshot = replica.snapshot()
        state = state.seen(snapshot)
        held += len(replica.held)
        gateway.scan(snapshot)
        if replica.now_s >= next_tick_s:
            next_tick_s = replica.now_s + every_s
            gateway.look_back(snapshot)
            state, record = await tick(state, replica.snapshot(), parts)
            ticks += 1
            fallbacks += record.fallback
            if progress is not None:
                progress((replica.row - first) / (replica.history.rows - first))
    counts = _Counts(ticks, fallbacks, held)
    beside = _Temperatures(room[first:], warmer_k[first:])
    return _study(replica, bundle, first, beside, gateway.would_be, counts)


@dataclass(frozen=True)
class _Counts:
    ticks: int
    fallbacks: int
    held_minutes: int


@dataclass(frozen=True)
class _Temperatures:
    """(N, R) of our hall: room below the limits, and how much warmer than the recorded one."""

    room_k: Array
    warmer_k: Array


def _study(
    replica: Replica,
    bundle: Bundle,
    first: int,
    beside: _Temperatures,
    would_be: WouldBe,
    counts: _Counts,
) -> ShadowStudy:
    """Both halls' energy and temperatures over the usable minutes since the start."""
    site, history = replica.site, replica.history.part(first, replica.history.rows)
    # Power is of what machines reach: a setpoint below costs no more, on either side.
    rows, plant = whole_inputs(history, replica.reached_plant[first:])
    _, ours = whole_inputs(history, replica.reached[first:])
    still = replace(plant, setpoints=_daily_means(history.time_s[rows], plant.setpoints))
    room = beside.room_k[rows]
    limits_c = np.array([rack.limit_c for rack in site.racks.values()])
    liquid = np.asarray(bundle.power.leakage_kw_per_k(plant.it_power_kw))
    meters = [tag for tags in component_tags(site).values() for tag in tags if tag is not None]
    silent = np.full(history.rows, np.nan)
    measured = np.sum([history.meters.get(tag, silent) for tag in meters], axis=0)
    return ShadowStudy(
        site=site,
        times_s=history.time_s[rows],
        measured_kw=measured[rows],
        plant_kw=np.sum(list(bundle.power.predict(plant).values()), axis=0),
        ours_kw=np.sum(list(bundle.power.predict(ours).values()), axis=0),
        still_kw=np.sum(list(bundle.power.predict(still).values()), axis=0),
        leakage_kw=(liquid * beside.warmer_k[rows]).sum(axis=1),
        it_kw=plant.it_power_kw.sum(axis=1),
        wet_bulb_c=plant.wet_bulb_c,
        room_plant_k=_least(limits_c - history.limited_c[rows]),
        room_ours_k=_least(room),
        setpoints_plant=history.setpoints[rows],
        setpoints_ours=replica.setpoints[first:][rows],
        held_share=counts.held_minutes / max(len(rows) * len(site.actuators), 1),
        would_be=would_be,
        ticks=counts.ticks,
        fallbacks=counts.fallbacks,
        absent=history.rows - len(rows),
        hottest=_hottest(site, history.time_s[rows], room),
    )


def _daily_means(times_s: Array, values: Array) -> Array:
    """(N, G) each row's mean over its day."""
    _, at = np.unique(times_s // 86_400.0, return_inverse=True)
    counts = np.bincount(at)
    means = [np.bincount(at, weights=column) / counts for column in values.T]
    return np.stack(means, axis=1)[at]


def _least(room: Array) -> Array:
    """(N,) least over the racks that there are; NaN where there is none."""
    found = np.where(np.isnan(room), np.inf, room).min(axis=1)
    return np.where(np.isinf(found), np.nan, found)


def _hottest(site: Site, times_s: Array, room: Array) -> tuple[tuple[float, str, float], ...]:
    """Of the ten hours with least room: their start, the rack and its room."""
    racks, hours = list(site.racks), times_s // 3600.0
    worst = []
    for hour in np.unique(hours):
        part = room[hours == hour]
        if np.isnan(part).all():
            continue
        rack = int(np.nanargmin(np.nanmin(part, axis=0)))
        worst.append((float(hour) * 3600.0, racks[rack], float(np.nanmin(part[:, rack]))))
    return tuple(sorted(worst, key=lambda one: one[2])[:10])
