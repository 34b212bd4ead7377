"""The plant's own control on its own: readings in, orders out, without a simulator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from facility.site import Site
from sim.bms.control import LocalControl
from sim.bms.fixed import Fixed
from sim.bms.guideline36 import Guideline36
from sim.bms.setpoints import Commissioned
from sim.bms.stage_requests import show_own_stages
from sim.parameters import PlantParameters
from sim.plant.plant import STATE_LAYOUTS, Memory, links, unit_ids
from sim.plant.signals import COLUMNS, OUTDOOR

CONTROLS = {"fixed": Fixed, "guideline36": Guideline36}
VALVE_POSITION = "valve_position"


@dataclass(frozen=True)
class Orders:
    """What the control wants of the plant until it is asked again."""

    setpoints: dict[tuple[str, str], float]
    """By (equipment, quantity), canonical units."""
    differential_pressure_kpa: dict[str, float]
    """By loop, over its branches."""
    pumps: dict[str, int]
    """Running on the header of each loop."""
    chillers: dict[str, bool]
    economisers: dict[str, bool]
    """By loop: whether its tower exchanger may carry heat."""
    trims: dict[str, bool]
    """By loop: whether the exchanger to its colder loop may."""


class BuildingControl:
    """Guideline 36 (or fixed setpoints) for a site, fed from wherever its readings come.

    Parameters
    ----------
    site, parameters
        The site and its plant: sizes, pumps, design pressures.
    name
        ``guideline36`` or ``fixed``.

    Raises
    ------
    ValueError
        There is no control of that name, or the site sets what no plant has.

    Examples
    --------
    A summer afternoon on the reference hall: the outdoor air, the loops' temperatures and the
    valves of the units are enough for it to start a chiller and to reset its setpoints.

    >>> from facility.loading import parse_site
    >>> from sim.parameters import PlantParameters
    >>> from sim.sites import DESIGNS
    >>> from sim.sites.writer import texts
    >>> files = dict(texts(DESIGNS["campus"](), 15_000))
    >>> site = parse_site(files["site.toml"], files["points.csv"])
    >>> control = BuildingControl(site, PlantParameters.for_site(site, seed=1))
    >>> readings = {
    ...     ("outdoor", "wet_bulb_temperature"): 25.0,
    ...     ("cool", "fws_supply_temperature"): 22.0,
    ...     ("cool", "fws_return_temperature"): 24.0,
    ...     ("warm", "fws_supply_temperature"): 31.0,
    ...     ("warm", "fws_return_temperature"): 38.0,
    ... }
    >>> readings |= {(cdu, "valve_position"): 70.0 for cdu in site.cdus}
    >>> readings |= {(crah, "valve_position"): 97.0 for crah in site.crahs}
    >>> readings |= {
    ...     (r.id, "inlet_temperature"): 26.0 for r in site.racks.values() if not r.design_flow_ls
    ... }
    >>> for minute in range(6):
    ...     orders = control.update(readings, dt_s=60.0)
    >>> orders.chillers
    {'chiller1': True, 'chiller2': True, 'chiller3': False}
    >>> orders.economisers
    {'cool': False, 'warm': True}
    >>> round(orders.setpoints["chiller1", "chw_supply_temperature_setpoint"], 1)
    11.4
    >>> round(orders.differential_pressure_kpa["cool"])
    150
    """

    def __init__(self, site: Site, parameters: PlantParameters, name: str = "guideline36") -> None:
        if name not in CONTROLS:
            known = ", ".join(CONTROLS)
            raise ValueError(f"there is no local control {name!r}; there are {known}")
        self._memory = Memory({kind: len(ids) for kind, ids in parameters.ids.items()})
        self._commissioned = Commissioned.of(site)
        self._ids = unit_ids(site) | {"outdoor": (OUTDOOR,)}
        self._rows = {
            unit: (table, row)
            for table, units in self._ids.items()
            for row, unit in enumerate(units)
        }
        self._control: LocalControl = CONTROLS[name](
            parameters.units, links(site), self._commissioned
        )
        self._setpoint_places = self._commissioned.places(self._memory)
        self._memory.block[self._setpoint_places] = self._commissioned.value

    def update(self, readings: Mapping[tuple[str, str], float], dt_s: float) -> Orders:
        """Take what is known now, decide for ``dt_s``; what is not given stays as it was.

        Parameters
        ----------
        readings
            By (equipment, quantity of its points) in canonical units; what has no point by the
            name of its column in the plant's state (``("warm", "after_tower_c")``).

        Raises
        ------
        KeyError
            There is no such equipment, or it has no such quantity.
        """
        for (unit, quantity), value in readings.items():
            self._take(unit, quantity, value)
        wanted = self._control.update(self._memory.state, dt_s)
        show_own_stages(self._commissioned, self._memory.state, wanted)
        self._control.sequencer.run_storage(self._memory.state, self._memory.pipes.tank)
        self._commissioned.follow_storage(wanted, self._memory.state)
        self._memory.block[self._setpoint_places] = wanted
        state, ids = self._memory.state, self._ids
        headers = [*zip(ids["loops"], state.loops, strict=True)]
        headers += [*zip(ids["tower_water"], state.tower_water, strict=True)]
        loops = headers[: len(ids["loops"])]
        return Orders(
            setpoints={
                key: float(value)
                for key, value in zip(self._commissioned.keys, wanted, strict=True)
            },
            differential_pressure_kpa={name: float(s["dp_setpoint_kpa"]) for name, s in headers},
            pumps={name: int(s["pumps_wanted"] * (s["enabled"] > 0.5)) for name, s in headers},
            chillers={
                name: bool(on > 0.5)
                for name, on in zip(ids["chillers"], state.chillers["commanded"], strict=True)
            },
            economisers={name: bool(s["economiser"] > 0.5) for name, s in loops},
            trims={name: bool(s["trim_enabled"] > 0.5) for name, s in loops},
        )

    def _take(self, unit: str, quantity: str, value: float) -> None:
        if unit not in self._rows:
            raise KeyError(f"the plant has no {unit!r}; it has {', '.join(sorted(self._rows))}")
        table, row = self._rows[unit]
        column = COLUMNS[table].get(quantity, quantity)
        if column not in STATE_LAYOUTS[table].meaning:
            known = ", ".join(sorted({*COLUMNS[table], *STATE_LAYOUTS[table].meaning}))
            raise KeyError(f"{unit} has no {quantity!r}; it has {known}")
        self._memory.block[self._memory.place(table, row, column)] = value
        if column == VALVE_POSITION:
            self._memory.block[self._memory.place(table, row, "valve")] = value / 100.0
