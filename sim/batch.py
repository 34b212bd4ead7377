"""``python -m sim.batch``: a facility under its own local control, as fast as the machine goes.

Writes ``OUT/accounts.json`` and ``OUT/truth.parquet`` in the form of the hosted devices, so
that a baseline lies beside the run that it is compared with.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from facility.clock import from_iso
from facility.loading import SiteError, load_site
from sim.faults import FaultError, read_faults
from sim.inputs import InputError, inputs
from sim.parameters import PlantError, PlantParameters
from sim.run import run
from sim.simulation import LOCAL_CONTROLS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and write; exit status 2 where an input cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m sim.batch", description=__doc__)
    parser.add_argument("--site", type=Path, required=True)
    parser.add_argument("--start", required=True)
    parser.add_argument("--hours", type=float, required=True)
    parser.add_argument("--local", choices=sorted(LOCAL_CONTROLS), required=True)
    parser.add_argument("--load", type=Path)
    parser.add_argument("--weather", type=Path)
    parser.add_argument("--faults", type=Path, help="a file of [[faults]]")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(arguments)
    try:
        site = load_site(args.site)
        parameters = PlantParameters.load(args.site / "plant.toml", site)
        load, weather = inputs(site, args.load, args.weather, seed=args.seed, hours=args.hours)
        start_s = from_iso(args.start)
        faults = () if args.faults is None else read_faults(args.faults, site, start_s)
        done = run(
            site,
            parameters,
            load=load,
            weather=weather,
            local_control=args.local,
            start_s=start_s,
            hours=args.hours,
            seed=args.seed,
            faults=faults,
        )
    except (SiteError, PlantError, InputError, FaultError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    args.out.mkdir(parents=True, exist_ok=True)
    done.frame.to_parquet(args.out / "truth.parquet")
    text = json.dumps(dataclasses.asdict(done.accounts), indent=1, allow_nan=False)
    (args.out / "accounts.json").write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
