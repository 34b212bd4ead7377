"""How a simulation begins: everything at room temperature, and the weather that it sees."""

from __future__ import annotations

from sim.plant.plant import Memory
from sim.plant.weather import MeasuredWetBulb, WeatherSource
from sim.plant.workload import LoadSource

START_C = 20.0


def merged_weather(load: LoadSource, weather: WeatherSource) -> WeatherSource:
    """The weather, with the wet bulb that a measured load brings in the place of its own."""
    measured = load.wet_bulb()
    return weather if measured is None else MeasuredWetBulb(weather, *measured)


def settle(memory: Memory) -> None:
    """Everything at room temperature and in order, nothing running."""
    for table in memory.state:
        for column in table.dtype.names or ():
            if column.endswith("_c") or column.startswith("chw_"):
                table[column] = START_C
            elif column == "available":
                table[column] = 1.0
    for name in memory.pipes._fields:
        if not name.endswith("_at"):
            getattr(memory.pipes, name)[:] = START_C
