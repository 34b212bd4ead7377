"""Requests for a stage: what somebody asks of a loop's sequencer, and what it shows of its own.

A request counts while a remote holds the sequencer, or while a person has set it at the panel.
Otherwise the sequencer is asked nothing, and its register shows the stage that it runs, at least
1: from there whoever takes it over begins, and nothing moves.
"""

from __future__ import annotations

from collections.abc import Mapping

from facility.site import Site
from sim.authority import DeviceAuthority
from sim.bms.setpoints import Commissioned
from sim.plant.layout import Array
from sim.plant.plant import Standing


def asked_of(
    site: Site,
    commissioned: Commissioned,
    authority: DeviceAuthority,
    panel: Mapping[int, float],
    now_s: float,
) -> dict[int, int]:
    """By row of the loops' table: the stage that is asked for now.

    ``panel`` has what people have set at the panels, by number of the site's actuator.
    """
    if not commissioned.staged:
        return {}
    loop_of = dict(commissioned.staged)
    remote = authority.remote(now_s)
    found = {}
    for i, actuator in enumerate(site.actuators.values()):
        loop = loop_of.get(int(commissioned.actuator_row[i]))
        if loop is None:
            continue
        value = authority.read(actuator.id, now_s) if remote[actuator.device] else panel.get(i)
        if value is not None:
            found[loop] = round(value)
    return found


def show_own_stages(commissioned: Commissioned, now: Standing, wanted: Array) -> None:
    """Put the stage that each sequencer runs, at least 1, where its local value is read."""
    for row, loop in commissioned.staged:
        wanted[row] = max(1.0, float(now.loops["stage"][loop]))
