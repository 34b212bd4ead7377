"""From the history to the thermal state: stale and bad sensors handled, inputs held.

A sensor without a good reading corrects nothing (its offset stays as it was). An *input* that
was not measured (load, weather, a setpoint in force) is held at its last good value, and the
record says so; the state is never fed a guess without a name. What racks can be estimated without
(a storage tank's charge, a sequencer's stage) is taken to be the plant's own where nobody has ever
seen it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import pandas as pd

from controller.estimation.history import ROW_S, History
from facility.clock import iso
from facility.quantities import CHARGE, CHARGE_RATE, DISPENSABLE
from facility.site import Site

OUTDOOR = "outdoor"

MEMORY_S = 7200.0
"""History that a state is started from, at most."""

LEAST_ROWS = 45
"""Minutes that a frame reaches back, if need be by its first row: the model wants 30."""

HISTORY = "history"
"""The name under which a record says so, among the inputs held."""

RESTART_AFTER_S = 1800.0
"""A gap in the history longer than this starts the state anew."""


class EstimateError(Exception):
    """The state cannot be known yet: what is missing."""


class Estimator(Protocol):
    """What estimation asks of the thermal model."""

    def start(self, frame: pd.DataFrame) -> Any:
        """A state at the end of a frame whose inputs are whole."""
        ...

    def follow(self, state: Any, frame: pd.DataFrame) -> Any:
        """The state at the end of ``frame``, which begins where the state ends."""
        ...

    def power_factors(self, frame: pd.DataFrame) -> Mapping[str, float]:
        """By component: measured over expected electric power, over the last of the frame."""
        ...

    def to_text(self, state: Any) -> str:
        """The state as text for a record."""
        ...

    def time_s(self, state: Any) -> float:
        """The moment that a state is of."""
        ...


@dataclass(frozen=True)
class Estimate:
    """What is known of the hall at a moment."""

    time_s: float
    state: Any
    """The model's own thermal state."""
    frame: pd.DataFrame
    """The history with its inputs held where they were not measured."""
    held: Mapping[str, str] = field(default_factory=dict)
    """Inputs that are held now, by tag, and since when."""


def estimate(
    previous: Estimate | None, history: History, site: Site, estimator: Estimator
) -> Estimate:
    """The state at the end of ``history``.

    Raises
    ------
    EstimateError
        An input has never been measured, or the history is too short for the model.
    """
    if not history.times_s:
        raise EstimateError("no snapshot has been seen yet")
    frame, held = with_inputs_held(history, site)
    if len(frame) < LEAST_ROWS:
        held[HISTORY] = f"{len(frame)} minutes are known; before, it is taken to have stood so"
        frame = reaching_back(frame, LEAST_ROWS)
    now_s = history.times_s[-1]
    state = None
    if previous is not None and now_s - previous.time_s <= RESTART_AFTER_S:
        # A row stamped with its minute's start ends a minute later.
        new = frame[
            frame.index >= pd.Timestamp(estimator.time_s(previous.state), unit="s", tz="UTC")
        ]
        state = estimator.follow(previous.state, new) if len(new) else previous.state
    if state is None:
        recent = frame[frame.index > frame.index[-1] - pd.Timedelta(seconds=MEMORY_S)]
        try:
            state = estimator.start(recent)
        except ValueError as error:
            raise EstimateError(str(error)) from error
    return Estimate(now_s, state, frame, held)


def reaching_back(frame: pd.DataFrame, rows: int) -> pd.DataFrame:
    """The frame with its first row repeated before it, a minute apart, up to ``rows`` rows.

    After a start little is known. That the hall has stood as it was first seen is the least
    that can be assumed; the offsets take up what is wrong with it within minutes.
    """
    missing = rows - len(frame)
    if missing <= 0:
        return frame
    earlier = frame.iloc[[0] * missing].copy()
    step = pd.Timedelta(seconds=ROW_S)
    earlier.index = pd.DatetimeIndex([frame.index[0] - step * i for i in range(missing, 0, -1)])
    return pd.concat([earlier, frame]).asfreq(f"{ROW_S:g}s")


def input_tags(site: Site) -> tuple[str, ...]:
    """The tags of what drives the hall: load, weather, setpoints in force."""
    racks = [site.tag(rack, "it_power") for rack in site.racks]
    weather = [site.tag(OUTDOOR, q) for q in ("wet_bulb_temperature", "dry_bulb_temperature")]
    setpoints = [actuator.read_back for actuator in site.actuators.values()]
    return tuple(tag for tag in (*racks, *weather, *setpoints) if tag is not None)


def with_inputs_held(history: History, site: Site) -> tuple[pd.DataFrame, dict[str, str]]:
    """The frame with every input filled forward (and back, before its first reading).

    Raises
    ------
    EstimateError
        An input has no good reading at all, and is none that can be done without.
    """
    frame = history.frame()
    inputs = [tag for tag in input_tags(site) if tag in frame.columns]
    part = frame[inputs]
    unseen = part.columns[part.isna().all()]
    own = {
        actuator.read_back: actuator.fallback
        for actuator in site.actuators.values()
        if actuator.quantity in DISPENSABLE and actuator.read_back in unseen
    }
    never = [str(tag) for tag in unseen if tag not in own]
    if never:
        some = ", ".join(never[:5])
        raise EstimateError(
            f"{len(never)} inputs have not been read since the start, among them {some}: "
            "check their devices and the points list"
        )
    held = {
        tag: f"no good reading in the history; taken to be its fallback, {value:g}"
        for tag, value in own.items()
    }
    part = part.fillna(own)
    missing = part.iloc[-1]
    for tag in missing.index[missing.isna()]:
        held[str(tag)] = f"{_silent_since(history, str(tag))}; held at its last value"
    for tag in _silent_charges(frame, site):
        since = _silent_since(history, tag)
        held[tag] = f"{since}; its last value and then the charge in force stand for it"
    values = frame.to_numpy(copy=True)
    values[:, frame.columns.get_indexer(pd.Index(inputs))] = part.ffill().bfill().to_numpy()
    return pd.DataFrame(values, index=frame.index, columns=frame.columns), held


def _silent_since(history: History, tag: str) -> str:
    found = history.last(tag)
    since = iso(found[0]) if found is not None else "before the history"
    return f"no good reading since {since}"


def _silent_charges(frame: pd.DataFrame, site: Site) -> Iterator[str]:
    """Tags of what storage tanks really do, where no good reading shows it now.

    `models.dataset` knows how to do without them.
    """
    for actuator in site.actuators.values():
        tag = site.tag(actuator.equipment, CHARGE_RATE) if actuator.quantity == CHARGE else None
        if tag is not None and tag in frame.columns and bool(frame[tag].isna().iloc[-1]):
            yield tag
