"""Storage tanks as a step finds them: level, size, and what the chillers of their loop carry."""

from __future__ import annotations

from controller.planning.settings import PlanningSettings
from controller.planning.words import StorageState
from facility.equipment import StorageTank
from facility.quantities import CHARGE, CHARGE_LEVEL, CHARGE_RATE
from facility.site import Site
from facility.telemetry import Snapshot
from models.storage import full_kw

WATER_KJ_LK = 4.17
"""Heat that a litre of water holds for each kelvin, kJ, at 25 °C: 0.997 kg x 4.18 kJ/kgK
(IAPWS-95)."""
HOUR_S = 3600.0


def charges_of(site: Site) -> tuple[str, ...]:
    """The actuator groups that set a storage tank's charge."""
    return tuple(name for name, members in site.groups.items() if members[0].quantity == CHARGE)


def states_of(site: Site, snapshot: Snapshot) -> tuple[StorageState, ...]:
    """The tanks whose charge can be planned: their level and their chillers' load are known."""
    found = []
    for group in charges_of(site):
        tank = site.storage_tanks[site.groups[group][0].equipment]
        state = _state(site, snapshot, group, tank)
        if state is not None:
            found.append(state)
    return tuple(found)


def hours_later(site: Site, now_s: float, settings: PlanningSettings) -> list[float]:
    """Middles of the hours after the horizon that a tank's schedule looks at; none without one."""
    horizon_s = settings.steps * settings.step_s
    count = int(max(settings.storage_look_ahead_h - horizon_s / HOUR_S, 0.0))
    if not charges_of(site):
        return []
    return [now_s + horizon_s + (k + 0.5) * HOUR_S for k in range(count)]


def _state(site: Site, snapshot: Snapshot, group: str, tank: StorageTank) -> StorageState | None:
    full = full_kw(site, tank)
    level, rate = (_good(site, snapshot, tank.id, name) for name in (CHARGE_LEVEL, CHARGE_RATE))
    running_kw = load_kw = 0.0
    for chiller in site.chillers.values():
        if chiller.loop != tank.loop:
            continue
        runs = _good(site, snapshot, chiller.id, "running")
        carried = _good(site, snapshot, chiller.id, "cooling_load")
        if runs is None or carried is None:
            return None
        if runs > 0.5:
            running_kw += chiller.rated_kw
            load_kw += carried
    if level is None or rate is None:
        return None
    range_k = full / (tank.rated_flow_ls * WATER_KJ_LK)
    return StorageState(
        group=group,
        level_pct=min(max(level, 0.0), 100.0),
        reserve_pct=tank.reserve_pct,
        full_kwh=1000.0 * tank.volume_m3 * WATER_KJ_LK * range_k / HOUR_S,
        full_kw=full,
        loss_pct_per_day=tank.loss_pct_per_day,
        load_kw=max(load_kw - rate / 100.0 * full, 0.0),
        running_kw=running_kw,
    )


def _good(site: Site, snapshot: Snapshot, equipment: str, quantity: str) -> float | None:
    tag = site.tag(equipment, quantity)
    return None if tag is None else snapshot.good(tag)
