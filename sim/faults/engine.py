"""The faults of a running simulation: what holds now, and when that changes next.

Everything follows from the faults and the plant time alone, in steps of `GROWTH_STEP_S` where
a fault grows, so that a run repeats bit for bit however it is advanced.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from facility.site import Site
from sim.faults.effects import CONTROL_SENSORS, HEALTHY, Held, changed, held, held_by_sensor
from sim.faults.fault import KINDS, SENSORS, Fault, check, table_of
from sim.plant.layout import Array, Index, Table
from sim.plant.plant import Memory, Units, unit_ids

GROWTH_STEP_S = 30.0
TRIPPED_CONTACTS = {"available": 0.0, "fault_alarm": 1.0}
DAY_S = 86400.0


class FaultEngine:
    """Faults over a plant.

    Parameters
    ----------
    site
        What may break.
    units
        Parameters that faults may change: the simulation's own copy.
    memory
        Where the plant's state lies.
    sensor_row
        Row of each measured tag in the vector of sensors.
    """

    def __init__(
        self, site: Site, units: Units, memory: Memory, sensor_row: dict[str, int]
    ) -> None:
        self.faults: tuple[Fault, ...] = ()
        self._struck: tuple[str, ...] = ()
        self._site, self._memory = site, memory
        self._parameters: dict[str, Table] = units._asdict()
        self._ids = unit_ids(site)
        self._sensor_row = sensor_row
        self._frozen: dict[Fault, float] = {}
        self._places: Index = np.zeros(0, dtype=np.int64)
        self._values: Array = np.zeros(0)
        self._columns: dict[int, str] = {}
        self._before: dict[tuple[str, str, int], float] = {}
        self.silent: frozenset[str] = frozenset()
        """Devices that do not answer."""
        self.local: frozenset[str] = frozenset()
        """Devices that somebody switched to local."""
        self.panel: dict[str, float] = {}
        """Setpoints that somebody changed, by actuator."""
        self.lost: frozenset[str] = frozenset()
        """Tags of failed sensors."""
        self.contacts: dict[str, float] = {}
        """Contacts of machines that tripped, by tag."""

    def set(self, faults: Sequence[Fault]) -> None:
        """Take these faults in the place of those so far.

        Raises
        ------
        FaultError
            A fault that cannot be at this site.
        """
        for fault in faults:
            check(fault, self._site)
        self.faults = tuple(faults)
        self._struck = tuple(table_of(fault, self._site) for fault in faults)

    def active(self, now_s: float) -> tuple[Fault, ...]:
        """The faults that hold at ``now_s``."""
        return tuple(f for f in self.faults if f.start_s <= now_s + 1e-6 < f.end_s)

    def next_change_s(self, now_s: float) -> float:
        """The next moment after ``now_s`` at which something breaks, grows, or is mended."""
        return min((m for f in self.faults for m in self._moments(f, now_s)), default=math.inf)

    def _moments(self, fault: Fault, now_s: float) -> Iterator[float]:
        for moment in (fault.start_s, fault.end_s):
            if moment > now_s + 1e-6:
                yield moment
        if fault.start_s <= now_s + 1e-6 < fault.end_s and (
            fault.kind == "sensor_drift" or fault.share(now_s) < 1.0
        ):
            grown = math.floor((now_s - fault.start_s + 1e-6) / GROWTH_STEP_S) + 1
            yield fault.start_s + grown * GROWTH_STEP_S

    def change(self, now_s: float, show: Callable[[], Array]) -> None:
        """Bring the plant to the faults of ``now_s``: mend what is over, break what begins.

        ``show`` answers what the sensors show, frozen ones aside.
        """
        active = self.active(now_s)
        self._frozen = {f: value for f, value in self._frozen.items() if f in active}
        for fault in active:
            if fault.kind == "sensor_freeze" and fault not in self._frozen:
                self._frozen[fault] = float(show()[self._sensor_row[fault.place]])
        found: dict[int, tuple[str, float]] = {}
        self.contacts = {}
        for fault in active:
            for item in self._held(fault, now_s):
                self._add(item, found)
                if item.column == "tripped":
                    self._report(item)
        for place, column in self._columns.items():
            healthy = HEALTHY.get(column, 0.0)
            if place not in found and healthy is not None:
                self._memory.block[place] = healthy
        self._columns = {place: column for place, (column, _) in found.items()}
        self._places = np.array(list(found), dtype=np.int64)
        self._values = np.array([value for _, value in found.values()])
        self._change_parameters(active, now_s)
        by_kind = {kind: [f for f in active if f.kind == kind] for kind in KINDS}
        self.silent = frozenset(f.place for f in by_kind["communication_loss"])
        self.local = frozenset(f.place for f in by_kind["panel_local"])
        self.lost = frozenset(f.place for f in by_kind["sensor_loss"])
        self.panel = {f.place: f.severity or 0.0 for f in by_kind["panel_setpoint"]}

    def _held(self, fault: Fault, now_s: float) -> Iterator[Held]:
        amount = self._amount(fault, now_s)
        if fault.kind not in SENSORS:
            table = self._struck[self.faults.index(fault)]
            yield from held(fault, table, amount, trimmed=self._is_trimmed(fault.place))
            return
        point = self._site.points[fault.place]
        for table, quantity in sorted(CONTROL_SENSORS):
            if point.quantity == quantity and point.equipment in self._ids[table]:
                shown = self._frozen.get(fault)
                yield from held_by_sensor(fault, table, point.equipment, amount, shown)

    def _is_trimmed(self, place: str) -> bool:
        loop = self._site.loops.get(place)
        return loop is not None and bool(loop.trim)

    def _report(self, item: Held) -> None:
        """A machine that has tripped says so where it has contacts for it."""
        for unit in self._ids[item.table] if item.unit is None else (item.unit,):
            for quantity, value in TRIPPED_CONTACTS.items():
                if (tag := self._site.tag(unit, quantity)) is not None:
                    self.contacts[tag] = value

    def _add(self, item: Held, found: dict[int, tuple[str, float]]) -> None:
        """Where two faults hold one column, the one farther from health does."""
        ids = self._ids.get(item.table, ())
        healthy = HEALTHY.get(item.column) or 0.0
        for unit in ids if item.unit is None else (item.unit,):
            place = self._memory.place(item.table, ids.index(unit), item.column)
            before = found.get(place)
            if before is None or abs(item.value - healthy) >= abs(before[1] - healthy):
                found[place] = (item.column, item.value)

    def _change_parameters(self, active: tuple[Fault, ...], now_s: float) -> None:
        for (table, column, row), healthy in self._before.items():
            self._parameters[table][column][row] = healthy
        self._before = {}
        for fault in active:
            table = self._struck[self.faults.index(fault)]
            trimmed = self._is_trimmed(fault.place)
            for item in changed(fault, table, self._amount(fault, now_s), trimmed=trimmed):
                row = self._ids[item.table].index(item.unit)
                values = self._parameters[item.table][item.column]
                key = (item.table, item.column, row)
                self._before.setdefault(key, float(values[row]))
                values[row] = item.change(float(values[row]))

    @staticmethod
    def _amount(fault: Fault, now_s: float) -> float:
        """The severity reached at the last step of growth."""
        since_s = now_s - fault.start_s + 1e-6
        at_s = fault.start_s + math.floor(since_s / GROWTH_STEP_S) * GROWTH_STEP_S
        if fault.kind == "sensor_drift":
            return (fault.severity or 0.0) * (at_s - fault.start_s) / DAY_S
        return (fault.severity or 0.0) * fault.share(at_s)

    def impose(self, block: Array) -> None:
        """Hold what the faults hold: before every stretch of steps."""
        if self._places.size:
            block[self._places] = self._values

    def sensor_errors(self, now_s: float) -> Array | None:
        """What biased and drifting sensors show more than they should, by row of the sensors."""
        wrong = [f for f in self.active(now_s) if f.kind in ("sensor_bias", "sensor_drift")]
        if not wrong:
            return None
        errors = np.zeros(len(self._sensor_row))
        for fault in wrong:
            errors[self._sensor_row[fault.place]] += self._amount(fault, now_s)
        return errors

    def freeze(self, seen: Array) -> Array:
        """Put the frozen values over what the sensors show."""
        for fault, value in self._frozen.items():
            seen[self._sensor_row[fault.place]] = value
        return seen
