"""The data-centre zones of EnergyPlus' own large office, as the package ships it.

ASHRAE 90.1-2019's large office has four data-centre zones, one in the basement and one on each
kind of floor. Each is cooled by a water-to-air heat pump on a loop of its own: none of their heat
reaches the two chillers. So what they can be asked for is how much of the computers' electricity
their air hands on, hour by hour.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.validation import energyplus

INPUT = "ASHRAE901_OfficeLarge_STD2019_Denver.idf"
ZONES = ("basement", "bot", "mid", "top")
REMOVED = ("runperiod,", "output:")
RUN_PERIOD = "RunPeriod, Summer, 7, 15, , 7, 17, , Sunday, No, No, No, Yes, Yes"
SHOWN = {
    "it_w": "Zone Electric Equipment Electricity Rate",
    "cooled_w": "Zone Air System Sensible Cooling Rate",
    "air_c": "Zone Air Temperature",
}


@dataclass(frozen=True)
class Zones:
    """Three summer days of the four zones together."""

    it_kw: float
    """Mean electricity of the computers, kW."""
    handed_on: float
    """Heat that their air conditioning takes over that electricity, mean."""
    least: float
    most: float
    """The same, in single time steps."""
    warmest_c: float


def variables() -> dict[str, tuple[str, str]]:
    """What is asked of EnergyPlus: column -> (zone, output variable)."""
    return {
        f"{zone}_{column}": (f"DataCenter_{zone}_ZN_6", name)
        for zone in ZONES
        for column, name in SHOWN.items()
    }


def idf(text: str) -> str:
    """The office as shipped, but for its run periods and its outputs."""
    bare = "\n".join(line.split("!")[0] for line in text.splitlines())
    objects = [part.strip() for part in bare.split(";")]
    kept = [o for o in objects if o and not o.lower().startswith(REMOVED)]
    wanted = [f"Output:Variable, {key}, {name}, Timestep" for key, name in variables().values()]
    return ";\n".join([*kept, RUN_PERIOD, *wanted, "Output:SQLite, Simple"]) + ";\n"


def simulate() -> Zones:
    """Run the office (under a minute).

    Raises
    ------
    benchmarks.validation.energyplus.EnergyPlusError
        EnergyPlus is not installed, or gave up.
    """
    shipped = energyplus.model_file(INPUT).read_text(encoding="latin-1")
    table = energyplus.run(idf(shipped), {}, variables())
    it_w = table[[f"{zone}_it_w" for zone in ZONES]].sum(axis=1)
    share = table[[f"{zone}_cooled_w" for zone in ZONES]].sum(axis=1) / it_w
    return Zones(
        it_kw=float(it_w.mean()) / 1e3,
        handed_on=float(share.mean()),
        least=float(share.min()),
        most=float(share.max()),
        warmest_c=float(max(table[f"{zone}_air_c"].max() for zone in ZONES)),
    )
