"""Every setpoint of a plant by meaning, whether or not the site lets anybody else set it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from facility.quantities import CHARGE, STAGE_REQUEST
from facility.site import Site
from sim.plant.fws_loop import TOWER_WATER
from sim.plant.layout import Array, Index
from sim.plant.plant import Memory, Standing, unit_ids

CHW = "chw_supply_temperature_setpoint"
FWS = "fws_supply_temperature_setpoint"
CW = "cw_supply_temperature_setpoint"
TCS = "tcs_supply_temperature_setpoint"
TCS_FLOW = "tcs_flow_setpoint"
AIR = "supply_air_temperature_setpoint"
FAN = "fan_speed_setpoint"

COLUMNS = (
    ("chillers", "setpoint_c", CHW),
    ("loops", "setpoint_c", FWS),
    ("tower_water", "setpoint_c", CW),
    ("cdus", "supply_setpoint_c", TCS),
    ("cdus", "flow_setpoint_ls", TCS_FLOW),
    ("crahs", "supply_setpoint_c", AIR),
    ("crahs", "fan_setpoint_pct", FAN),
)
"""Where each setpoint lies in the plant's state: table, column, quantity."""

DEFAULTS = {CHW: 12.0, FWS: 20.0, CW: 22.0, TCS: 25.0, AIR: 20.0, FAN: 85.0, CHARGE: 0.0}
"""Commissioned values where the site names no actuator, °C and percent."""
RANGES = {
    CHW: (7.0, 18.0), FWS: (15.0, 36.0), CW: (12.0, 32.0), TCS: (18.0, 40.0),
    AIR: (15.0, 27.0), FAN: (30.0, 100.0), CHARGE: (-100.0, 100.0),
}  # fmt: skip


@dataclass(frozen=True)
class Commissioned:
    """All setpoints of a plant as one vector: where each lies, and what it was set to.

    The vector runs through `COLUMNS` in order, units in the order of their tables.
    """

    keys: tuple[tuple[str, str], ...]
    """(equipment, quantity) of each."""
    value: Array
    """As commissioned: the actuator's fallback, or a default."""
    low: Array
    high: Array
    part: dict[str, slice]
    """Where each quantity lies in the vector."""
    actuator_row: Index
    """Row in the vector of each of the site's actuators, in the site's order."""
    staged: tuple[tuple[int, int], ...] = ()
    """Loops whose sequencer takes stage requests: row in the vector, and row in the loops' table.
    They lie behind all others, at sites that have them."""
    led: tuple[tuple[int, Index], ...] = ()
    """Loops whose supply setpoint is that of their chillers, since nobody sets it itself: its
    row in the vector, and the rows of the chillers."""
    tank_loop: Index = field(default_factory=lambda: np.zeros(0, np.int64))
    """Row of the loop of each storage tank, whose charge comes behind the units' setpoints."""
    reserve_share: Mapping[int, float] = field(default_factory=dict)
    """By row of a loop: what its tank keeps for ride-through, of full."""

    @classmethod
    def of(cls, site: Site) -> Commissioned:
        """The setpoints of ``site``; actuators of other quantities are refused.

        Raises
        ------
        ValueError
            An actuator sets something that this plant does not have.
        """
        ids = unit_ids(site)
        keys: list[tuple[str, str]] = []
        part: dict[str, slice] = {}
        for table, _, quantity in COLUMNS:
            names = ids[table] if table != "tower_water" else (TOWER_WATER,)
            part[quantity] = slice(len(keys), len(keys) + len(names))
            keys += [(name, quantity) for name in names]
        tanks = tuple(site.storage_tanks.values())
        part[CHARGE] = slice(len(keys), len(keys) + len(tanks))
        keys += [(tank.id, CHARGE) for tank in tanks]
        tank_loop = np.array([ids["loops"].index(tank.loop) for tank in tanks], np.int64)
        reserves = [tank.reserve_pct / 100.0 for tank in tanks]
        by_key = {(a.equipment, a.quantity): a for a in site.actuators.values()}
        asked = [k for k, name in enumerate(ids["loops"]) if (name, STAGE_REQUEST) in by_key]
        staged = tuple((len(keys) + i, k) for i, k in enumerate(asked))
        keys += [(ids["loops"][k], STAGE_REQUEST) for k in asked]
        row = {key: i for i, key in enumerate(keys)}
        if odd := [key for key in by_key if key not in row]:
            raise ValueError(f"the simulated plant has no setpoint {odd[0][1]} on {odd[0][0]}")
        led = []
        value, low, high = (np.zeros(len(keys)) for _ in range(3))
        for i, (name, quantity) in enumerate(keys):
            actuator = by_key.get((name, quantity))
            if actuator is not None:
                value[i], low[i], high[i] = actuator.fallback, actuator.minimum, actuator.maximum
            elif quantity == TCS_FLOW:
                cdu = site.cdus[name]
                value[i], low[i] = cdu.design_tcs_flow_ls, cdu.min_tcs_flow_ls
                high[i] = cdu.design_tcs_flow_ls
            else:
                value[i] = DEFAULTS[quantity]
                low[i], high[i] = RANGES[quantity]
                # An economiser before chillers makes their water; another setpoint would let
                # it idle in the cold, and the chillers run.
                mine = [c.id for c in site.chillers.values() if c.loop == name]
                chw = by_key.get((mine[0], CHW)) if quantity == FWS and mine else None
                if chw is not None:
                    value[i], low[i], high[i] = chw.fallback, chw.minimum, chw.maximum
                if mine and quantity == FWS:
                    led.append((i, np.array([row[one, CHW] for one in mine], np.int64)))
        rows = np.array([row[(a.equipment, a.quantity)] for a in site.actuators.values()], np.int64)
        return cls(
            keys=tuple(keys),
            value=value,
            low=low,
            high=high,
            part=part,
            actuator_row=rows,
            staged=staged,
            led=tuple(led),
            tank_loop=tank_loop,
            reserve_share=dict(zip(tank_loop.tolist(), reserves, strict=True)),
        )

    def lead(self, setpoints: Array) -> None:
        """Give loops that follow their chillers the mean of these chillers' setpoints.

        Whoever sets the chillers' water sets what the economiser before them holds and what
        the sequences take for too warm; otherwise towers and chillers would work for two.
        """
        for loop, chillers in self.led:
            setpoints[loop] = setpoints[chillers].mean()

    def loops_of(self, actuators: Index) -> Index:
        """Row of the loop of each of these actuators, which all set a tank's charge."""
        first = self.part[CHARGE].start
        return np.asarray(self.tank_loop[self.actuator_row[actuators] - first])

    def follow_storage(self, setpoints: Array, now: Standing) -> None:
        """Put what local control asks of the tanks by itself in its place among ``setpoints``."""
        setpoints[self.part[CHARGE]] = now.loops["tank_own_pct"][self.tank_loop]

    def places(self, memory: Memory) -> Index:
        """Where in the plant's block each setpoint lies."""
        return np.array(list(self._places(memory)), dtype=np.int64)

    def _places(self, memory: Memory) -> Iterable[int]:
        for table, column, quantity in COLUMNS:
            part = self.part[quantity]
            for i in range(part.stop - part.start):
                yield memory.place(table, i, column)
        for loop in self.tank_loop:
            yield memory.place("loops", int(loop), "tank_setpoint_pct")
        for _, k in self.staged:
            yield memory.place("loops", k, "stage_setpoint")
