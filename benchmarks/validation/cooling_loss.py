"""How long racks last without cooling, beside published minutes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.scaled import reference_site
from facility.clock import from_iso
from facility.equipment import RackKind
from sim.faults.fault import Fault
from sim.parameters import PlantParameters
from sim.plant.layout import Array
from sim.plant.weather import ConstantWeather
from sim.plant.workload import ConstantLoad
from sim.run import warmed_up

START_S = from_iso("2024-07-10")
FAULT_AFTER_S = 60.0
SHUTDOWN_INLET_C = 40.0
"""Inlet at which servers of class A3 leave their allowable range (ASHRAE TC 9.9, 2021); the
published studies count to the shutdown of servers, not to 35 °C."""


@dataclass(frozen=True)
class Trip:
    """A failure and what followed, by the second."""

    title: str
    published: str
    seconds: Array
    """From the failure on; 0 is the failure."""
    temperature_c: pd.DataFrame
    """Limited temperature of each rack that the failed unit cools."""
    limit_c: float

    def minutes_to(self, temperature_c: float) -> float:
        """Minutes from the failure until the first rack is that hot; infinity if none is."""
        hot = (self.temperature_c.max(axis=1) >= temperature_c).to_numpy() & (self.seconds > 0.0)
        return float(self.seconds[hot][0]) / 60.0 if hot.any() else np.inf


def cdu_pump_trip(share: float = 1.0, last_s: float = 300.0) -> Trip:
    """A CDU's pump stops at campus."""
    site = reference_site("campus")
    cdu = next(iter(site.cdus))
    racks = [r.id for r in site.racks.values() if r.units == (cdu,)]
    return _run(
        "campus",
        (Fault("pump_trip", cdu, START_S + FAULT_AFTER_S),),
        [f"{rack}.case_temperature" for rack in racks],
        site.racks[racks[0]].limit_c,
        share,
        last_s,
        "CDU pump trip: cold-plate cases of its racks",
        "shutdown in under a minute (InterPACK2017, V001T02A008, measured)",
    )


def all_crahs_trip(share: float = 0.75, last_s: float = 900.0) -> Trip:
    """All CRAH fans of the campus hall stop."""
    site = reference_site("campus")
    racks = [r.id for r in site.racks.values() if r.kind is RackKind.AIR]
    faults = tuple(Fault("fan_trip", crah, START_S + FAULT_AFTER_S) for crah in site.crahs)
    return _run(
        "campus",
        faults,
        [f"{rack}.inlet_temperature" for rack in racks],
        site.racks[racks[0]].limit_c,
        share,
        last_s,
        "all CRAH fans trip: server inlets",
        "5 kW a cabinet: 3 min 9 s, 10 kW: under 1 min to shutdown (Opengate 2007)",
    )


def _run(  # noqa: PLR0917 - a case by its parts
    name: str,
    faults: tuple[Fault, ...],
    tags: list[str],
    limit_c: float,
    share: float,
    last_s: float,
    title: str,
    published: str,
) -> Trip:
    site = reference_site(name)
    simulation = warmed_up(
        site,
        PlantParameters.for_site(site, 1),
        load=ConstantLoad(site, share),
        weather=ConstantWeather(28.0, 20.0),
        local_control="guideline36",
        start_s=START_S,
        seed=1,
        faults=faults,
    )
    rows, seconds = [], np.arange(0.0, FAULT_AFTER_S + last_s + 1.0)
    for second in seconds:
        simulation.advance(START_S + float(second))
        truth = simulation.truth()
        rows.append([truth[tag] for tag in tags])
    frame = pd.DataFrame(rows, index=seconds - FAULT_AFTER_S, columns=tags)
    return Trip(title, published, seconds - FAULT_AFTER_S, frame, limit_c)
