"""``python -m sim.devices``: a simulated facility behind its devices' protocols."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from facility.loading import SiteError, load_site
from sim.devices.host import HostError, check_addresses
from sim.devices.options import Options, parse
from sim.devices.run import host_run
from sim.faults import Fault, FaultError, read_faults
from sim.inputs import InputError, inputs
from sim.parameters import PlantError, PlantParameters
from sim.run import warmed_up
from sim.simulation import Simulation


def main(arguments: Sequence[str] | None = None) -> int:
    """Host until the end of the run; exit status 2 where it cannot be begun."""
    options = parse(arguments)
    try:
        simulation = _simulation(options)
        asyncio.run(host_run(simulation.site, simulation, options.run))
    except (SiteError, PlantError, InputError, HostError, FaultError) as error:
        sys.stderr.write(f"{error}\nnothing was started\n")
        return 2
    return 0


def _simulation(options: Options) -> Simulation:
    site = load_site(options.site)
    check_addresses(site)  # before the plant is warmed up, which takes seconds
    parameters = PlantParameters.load(options.site / "plant.toml", site)
    ready = options.run.out / "ready.json"
    sys.stderr.write(f"warming the plant up; {ready} is there when its devices listen\n")
    hours = (options.run.ends_at_s - options.run.start_s) / 3600.0
    load, weather = inputs(site, options.load, options.weather, seed=options.seed, hours=hours)
    faults: tuple[Fault, ...] = ()
    if options.faults is not None:
        faults = read_faults(options.faults, site, options.run.start_s)
    return warmed_up(
        site,
        parameters,
        load=load,
        weather=weather,
        local_control=options.local,
        start_s=options.run.start_s,
        seed=options.seed,
        faults=faults,
    )


if __name__ == "__main__":
    sys.exit(main())
