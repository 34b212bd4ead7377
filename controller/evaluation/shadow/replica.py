"""A second hall beside the recorded one: the same load and weather, other setpoints.

The learned model follows the recorded plant and learns each sensor's offset as it does live. The
second hall runs on the same model with those offsets, so that what the model gets wrong of the
plant as it is, it does not count as an effect of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import isnan

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from controller.estimation.history import tags_used
from controller.estimation.learned import LearnedEstimator
from controller.evaluation.shadow.beside import shown
from facility.commands import Mode
from facility.quantities import DISPENSABLE
from facility.site import Site
from facility.telemetry import Quality, Reading, Snapshot
from models.contract import Array, Inputs, Trajectory
from models.dataset import STEP_S, DatasetError, History
from models.registry import Bundle
from models.state import ThermalState
from models.thermal import MEMORY_ROWS

FACTORS_ROWS = 45
"""Minutes of the record from which measured over expected power is taken."""


class ShadowError(Exception):
    """A record that cannot be followed: what is wrong and how to mend it."""


class Replica:
    """Both halls at one moment.

    Parameters
    ----------
    frame
        The record: UTC index, the site's tags as columns, canonical units, NaN for gaps.

    Raises
    ------
    ShadowError
        The record lacks what the model needs, or half an hour of whole data to start from.
    """

    def __init__(self, site: Site, bundle: Bundle, frame: pd.DataFrame) -> None:
        self.site, self._thermal, self._bundle = site, bundle.thermal, bundle
        try:
            self.history = History.of(site, frame)
        except DatasetError as error:
            raise ShadowError(str(error)) from None
        self._frame = frame[[t for t in frame.columns if t in site.points]].astype(float)
        self._frame = self._frame.resample(f"{STEP_S:g}s").mean()
        self._known = self._frame[[tag for tag in tags_used(site) if tag in self._frame]]
        self._tags = [str(tag) for tag in self._frame.columns]
        self._values = self._frame.to_numpy(np.float64)
        self.row = _first_row(self.history)
        start = self._thermal.start_from(self.history.part(0, self.row))
        self._plant, self._ours = start, start
        self._group_of = {
            a: g for g, members in site.groups.items() for a in (m.id for m in members)
        }
        self._sizes = {name: len(members) for name, members in site.groups.items()}
        self.held: dict[str, float] = {}
        """By actuator: values that we hold; the others are the plant's own."""
        self.armed: set[str] = set()
        """Devices that we hold."""
        self._own: dict[str, dict[str, Reading]] = {name: {} for name in site.devices}
        self._modes = modes_beside(site)
        self.limited_c: Array = self.history.limited_c[self.row - 1]
        """(R,) of our hall, at the end of the last minute."""
        self.warmer_k: Array = np.zeros_like(self.limited_c)
        """(R,) our hall over the recorded one, both as the model has them."""
        self._supply: Mapping[str, float] = {}
        self.setpoints = np.array(self.history.setpoints)
        """(N, G) of our hall; those of rows to come are the plant's own."""
        self.reached = np.array(self.history.setpoints)
        """(N, G) the same as far as our hall gets to them: supplies where one is measured."""
        self.reached_plant = np.array(self.history.setpoints)
        """And of the recorded plant, by the same model."""

    @property
    def now_s(self) -> float:
        """Plant time at which both halls stand: the end of the last minute lived through."""
        return float(self.history.time_s[self.row - 1]) + STEP_S

    @property
    def ended(self) -> bool:
        """Whether the record has been lived through."""
        return self.row >= self.history.rows

    @property
    def state(self) -> ThermalState:
        """Of our hall, with the offsets that the recorded one has taught."""
        return replace(
            self._ours,
            supply_offsets=self._plant.supply_offsets,
            rack_offsets=self._plant.rack_offsets,
        )

    def minute(self) -> bool:
        """Live through one minute in both halls; False where the record is broken there.

        After a gap in load or weather our hall starts again from the recorded one.
        """
        row, history = self.row, self.history
        self.row += 1
        if not history.usable[row]:
            return False
        inputs = history.inputs(row, row + 1)
        if self._plant.time_s < inputs.start_s - STEP_S:
            self._plant = self._ours = self._thermal.settled(inputs)
        mine = replace(inputs, setpoints=self._mine(row)[None, :])
        shown = self._thermal.roll_out(self.state, mine)
        theirs = self._thermal.roll_out(self._plant, inputs)
        blind = (
            np.full(history.supply_c.shape[1], np.nan),
            np.full(history.limited_c.shape[1], np.nan),
        )
        self._ours = self._thermal.correct(self.state, mine, *blind)
        self._plant = self._thermal.correct(
            self._plant, inputs, history.supply_c[row], history.limited_c[row]
        )
        self.limited_c = shown.limited_c[0]
        self.warmer_k = self.limited_c - theirs.limited_c[0]
        self._supply = _supplies(shown)
        self.reached[row] = self._reached(mine, self._supply)
        self.reached_plant[row] = self._reached(inputs, _supplies(theirs))
        return True

    def hold(self, actuator: str, value: float) -> None:
        """Set an actuator of our hall from now on."""
        self.held[actuator] = value

    def give_back(self, device: str) -> None:
        """Our hall's device is its own again, at what the recorded plant had."""
        self.armed.discard(device)
        for actuator in self.site.device_actuators(device):
            self.held.pop(actuator.id, None)

    def snapshot(self) -> Snapshot:
        """Our hall as the gateway would show it, at `now_s`."""
        now_s = self.now_s
        values = dict(zip(self._tags, self._values[self.row - 1].tolist(), strict=True))
        for actuator in self.site.actuators.values():
            if actuator.id in self.held:
                values[actuator.read_back] = self.held[actuator.id]
        for rack, value in zip(self.site.racks.values(), self.limited_c, strict=True):
            tag = self.site.tag(rack.id, rack.limited_temperature)
            if tag is not None:
                values[tag] = float(value)
        for node in self._bundle.thermal.layout.nodes:
            if node.tag and node.id in self._supply and self.held:
                values[node.tag] = self._supply[node.id]
        readings = {
            tag: Reading(None, Quality.ABSENT, now_s, "not in the record")
            if isnan(value)
            else Reading(value, Quality.GOOD, now_s)
            for tag, value in values.items()
        }
        seen = shown(self.site, now_s, readings, self.armed, self._own)
        return replace(seen, modes=self._modes)

    def recent(self) -> pd.DataFrame:
        """The record's last minutes as known now: nothing later is in it."""
        return self._known.iloc[max(0, self.row - FACTORS_ROWS) : self.row]

    def _reached(self, inputs: Inputs, supply: Mapping[str, float]) -> Array:
        """(G,) setpoints of one row, but for supplies what a hall reached of them."""
        found = np.array(inputs.setpoints[0])
        layout = self._thermal.layout
        for group, node in layout.supplied:
            found[group] = supply[layout.nodes[node].id]
        return found

    def _mine(self, row: int) -> Array:
        """(G,) our setpoints in a row, and kept as such: ours where we hold, else the plant's."""
        for g, (name, members) in enumerate(self.site.groups.items()):
            ours = [self.held[m.id] for m in members if m.id in self.held]
            if ours:
                others = self.history.setpoints[row, g] * (self._sizes[name] - len(ours))
                self.setpoints[row, g] = (sum(ours) + others) / self._sizes[name]
        return np.asarray(self.setpoints[row])


class ReplicaEstimator:
    """The `controller.estimation` port over a replica: its own state is known, not estimated."""

    def __init__(self, replica: Replica, learned: LearnedEstimator) -> None:
        self._replica, self._learned = replica, learned

    def start(self, _frame: pd.DataFrame) -> ThermalState:
        """The replica's state."""
        return self._replica.state

    def follow(self, _state: ThermalState, _frame: pd.DataFrame) -> ThermalState:
        """The replica's state: the frame is what it has shown itself."""
        return self._replica.state

    def power_factors(self, _frame: pd.DataFrame) -> Mapping[str, float]:
        """Measured over expected power of the recorded plant, which alone has meters."""
        return self._learned.power_factors(self._replica.recent())

    def to_text(self, state: ThermalState) -> str:
        """The state as text for a record."""
        return self._learned.to_text(state)

    def time_s(self, state: ThermalState) -> float:
        """The moment that a state is of."""
        return state.time_s


def modes_beside(site: Site) -> dict[str, Mode]:
    """By actuator: what a second hall may be asked for.

    Not the charge of a storage tank or the machines of a sequencer: what they then hold and run
    would have to be lived through, and the record has those of the plant.
    """
    return {
        actuator.id: Mode.OFF if actuator.quantity in DISPENSABLE else Mode.AUTOMATIC
        for actuator in site.actuators.values()
    }


def whole_inputs(history: History, setpoints: Array) -> tuple[NDArray[np.intp], Inputs]:
    """The usable rows (N',) of a history, and what drove the hall in them under ``setpoints``."""
    rows = np.flatnonzero(history.usable)
    return rows, Inputs(
        start_s=float(history.time_s[rows[0]]),
        step_s=STEP_S,
        setpoints=setpoints[rows],
        it_power_kw=history.it_power_kw[rows],
        wet_bulb_c=history.wet_bulb_c[rows],
        dry_bulb_c=history.dry_bulb_c[rows],
    )


def _first_row(history: History) -> int:
    """The first row after half an hour of whole data."""
    run = 0
    for row in range(history.rows):
        run = run + 1 if history.usable[row] else 0
        if run >= MEMORY_ROWS:
            return row + 1
    raise ShadowError(
        f"the record has no {MEMORY_ROWS} minutes on end with load, weather and setpoints; "
        "export a longer one, or repair these columns"
    )


def _supplies(shown: Trajectory) -> dict[str, float]:
    """By node: the supply that our hall reached."""
    return {name: float(values[-1]) for name, values in {**shown.supply_c, **shown.loop_c}.items()}
