"""The planner's request of a tick."""

from __future__ import annotations

from collections.abc import Mapping

from controller.estimation.forecasts import Outlook
from controller.planning.stage_choice import StageChoice
from controller.planning.words import (
    GroupLimits,
    Plan,
    PlanRequest,
    Row,
    StorageState,
    row,
    table,
)
from facility.site import Site


def request_of(  # noqa: PLR0913, PLR0917 - one argument for each thing that a plan depends on
    number: int,
    now_s: float,
    step_s: float,
    limits: tuple[GroupLimits, ...],
    ahead: Outlook,
    price_per_kwh: Row,
    state: str,
    power_factors: Mapping[str, float],
    model_version: str,
    previous: Plan | None,
    peak_kw: float | None = None,
    demand_per_kw: float = 0.0,
    standing: Mapping[str, float] | None = None,
    stages: tuple[StageChoice, ...] = (),
    charges: tuple[str, ...] = (),
    storage: tuple[StorageState, ...] = (),
    price_later_per_kwh: Row = (),
) -> PlanRequest:
    """Everything that the plan of this step depends on."""
    groups = tuple(limit.group for limit in limits)
    usable = (
        previous is not None
        and previous.groups == groups
        and len(previous.setpoints) == len(ahead.it_power_kw)
        and previous.step_s == step_s
    )
    return PlanRequest(
        number=number,
        now_s=now_s,
        step_s=step_s,
        limits=limits,
        it_power_kw=table(ahead.it_power_kw),
        wet_bulb_c=row(ahead.wet_bulb_c),
        dry_bulb_c=row(ahead.dry_bulb_c),
        price_per_kwh=price_per_kwh,
        state=state,
        power_factors=power_factors,
        model_version=model_version,
        previous=previous.shifted(now_s) if usable and previous is not None else None,
        peak_kw=peak_kw,
        demand_per_kw=demand_per_kw,
        standing=standing or {},
        stages=stages,
        charges=charges,
        storage=storage,
        price_later_per_kwh=price_later_per_kwh,
    )


def unknown_setpoints(site: Site, setpoints: Mapping[str, float]) -> str | None:
    """What to tell where a setpoint in force has never been read; None where all have."""
    unknown = [group for group in site.groups if group not in setpoints]
    if not unknown:
        return None
    more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
    return (
        f"the setpoint in force of {unknown[0]}{more} has not been read: "
        "check the read_back points and their devices"
    )
