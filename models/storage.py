"""Storage tanks in what a plant carries: its charge is heat of its loop, like that of racks."""

from __future__ import annotations

import numpy as np

from facility.devices import Actuator
from facility.equipment import RackKind, StorageTank
from facility.quantities import CHARGE, CHARGE_RATE
from facility.site import Site
from models.contract import Array
from models.layout import Layout

CHARGE_PCT = (-105.0, 105.0)
"""What a charge may read: full discharge to full charge, and the errors of its meters."""


def full_kw(site: Site, tank: StorageTank) -> float:
    """Heat that full flow through a tank carries over its loop's design range, kW."""
    loop = site.loops[tank.loop]
    return tank.rated_flow_ls * loop.rated_kw / loop.design_flow_ls


def charge_heat(site: Site, layout: Layout) -> tuple[Array, Array]:
    """(G,) liquid-side and air-side heat that a percent of each group's setpoint adds, kW.

    A tank's charge is counted where the heat of its loop comes from: to the air of the CRAHs on it
    and the liquid of the CDUs on it, by their racks' rating; where it serves no unit itself, to
    those of the loops that it trims. 0 of groups that are no charge.
    """
    liquid, air = np.zeros(len(layout.groups)), np.zeros(len(layout.groups))
    for index, name in enumerate(layout.groups):
        first = site.groups[name][0]
        tank = site.storage_tanks.get(first.equipment)
        if tank is None or first.quantity != CHARGE:
            continue
        to_air = _air_share(site, tank.loop)
        kw = full_kw(site, tank) / 100.0
        liquid[index], air[index] = (1.0 - to_air) * kw, to_air * kw
    return liquid, air


def measured_tag(site: Site, actuator: Actuator, columns: set[str]) -> str | None:
    """The column that shows what a charge really was; None where that is no charge, or not there.

    Its setpoint in force is a request: local control keeps a tank still for want of spare cooling,
    and gives what ride-through needs.
    """
    if actuator.quantity != CHARGE:
        return None
    tag = site.tag(actuator.equipment, CHARGE_RATE)
    return tag if tag in columns else None


def _air_share(site: Site, loop: str) -> float:
    """Air-side share of the rated heat that a loop's units carry."""
    loops = {loop}
    served = {cdu.loop for cdu in site.cdus.values()} | {c.loop for c in site.crahs.values()}
    if loop not in served:
        loops = {each.id for each in site.loops.values() if each.trim == loop}
    cdus = {cdu.id for cdu in site.cdus.values() if cdu.loop in loops}
    halls = {crah.hall for crah in site.crahs.values() if crah.loop in loops}
    racks = site.racks.values()
    air = sum(r.rated_kw * r.to_air_share for r in racks if r.hall in halls)
    liquid = sum(
        r.rated_kw * (1.0 - r.to_air_share)
        for r in racks
        if r.kind is not RackKind.AIR and cdus & set(r.units)
    )
    return air / (air + liquid) if air + liquid > 0.0 else 0.0
