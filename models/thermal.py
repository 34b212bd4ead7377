"""The thermal model of a hall: from setpoints, load and weather to every rack's temperature.

Chain: tower water, loops, units (`models.supplies`), racks (`models.racks`); at 60 s
inside, whatever step the caller thinks in, so that answers at 60 and 300 s agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from facility.site import Site
from models.contract import Array, Inputs, Sensitivities, Trajectory
from models.dataset import STEP_S, DatasetError, History
from models.layout import Layout, layout_of
from models.plain import Marched, Plain
from models.racks import Racks
from models.routes import Routes, routes_of
from models.sensitivity import Nominal, owed, sensitivities
from models.state import OffsetNoise, Offsets, ThermalState
from models.supplies import Supplies, SupplyDrive

MEMORY_ROWS = 30
"""Fewest minutes of history that a state can be started from."""


class ThermalNet(nn.Module):
    """All that is learned about temperatures."""

    def __init__(self, layout: Layout, seed: int) -> None:
        super().__init__()
        self.supplies = Supplies(layout)
        self.racks = Racks(layout, seed)


@dataclass(frozen=True)
class ThermalModel:
    """A trained model, bound to its site."""

    layout: Layout
    net: ThermalNet
    supply_noise: OffsetNoise
    rack_noise: OffsetNoise

    @cached_property
    def routes(self) -> Routes:
        """How setpoints reach racks."""
        return routes_of(self.layout)

    @cached_property
    def plain(self) -> Plain:
        """What has been learned as plain arrays, taken on first use: a model is not fitted on."""
        return Plain.of(self.layout, self.net)

    def start(self, site: Site, recent: pd.DataFrame) -> ThermalState:
        """A state at the end of ``recent``: half an hour or more of history, better two hours.

        Raises
        ------
        DatasetError
            ``recent`` is unusable, or too short, or of another site.
        """
        if layout_of(site).racks != self.layout.racks or site.id != self.layout.site_id:
            raise DatasetError([f"this model is of site {self.layout.site_id}, not of {site.id}"])
        return self.start_from(History.of(site, recent))

    def start_from(self, history: History) -> ThermalState:
        """The same, from a checked history."""
        bad = np.flatnonzero(~history.usable)
        first = int(bad[-1]) + 1 if len(bad) else 0
        if history.rows - first < MEMORY_ROWS:
            raise DatasetError(
                [
                    f"only {history.rows - first} unbroken minutes at the end of the history; "
                    f"{MEMORY_ROWS} are needed: wait, or repair the load and weather columns"
                ]
            )
        state = self.settled(history.inputs(first, first + 1))
        for row in range(first, history.rows):
            state = self.correct(
                state, history.inputs(row, row + 1), history.supply_c[row], history.limited_c[row]
            )
        return state

    def update(
        self, state: ThermalState, inputs: Inputs, measured: Mapping[str, float | None]
    ) -> ThermalState:
        """The state after ``inputs`` were in force, corrected by what is ``measured`` then.

        ``measured`` is by tag; None or absent where a reading cannot be used: the
        sensor's offset stays as it is.
        """

        def pick(tags: Sequence[str | None]) -> Array:
            values = (None if tag is None else measured.get(tag) for tag in tags)
            return np.array([np.nan if v is None else v for v in values])

        return self.correct(
            state, inputs, pick([n.tag for n in self.layout.nodes]), pick(self.layout.limited_tags)
        )

    def roll_out(self, state: ThermalState, inputs: Inputs) -> Trajectory:
        """Every rack and unit over a horizon."""
        every = inner_steps(inputs)
        marched = self._march(state, inputs)
        found = marched.supplied.supply_c[every - 1 :: every]
        limited = marched.limited_c[every - 1 :: every]
        nodes = list(enumerate(self.layout.nodes))
        return Trajectory(
            limited_c=limited,
            supply_c={n.id: found[:, i] for i, n in nodes if n.kind in ("cdu", "crah")},
            loop_c={n.id: found[:, i] for i, n in nodes if n.kind in ("tower", "loop")},
        )

    def reached(self, inputs: Inputs) -> Array:
        """(T, G) setpoints as far as the plant gets to them: supplies where they are measured.

        Each step for itself, as if its inputs were held; other setpoints as they are.
        """
        with torch.no_grad():
            supply = self.net.supplies.settled(supply_drive(self.layout, inputs))
        ends = supply[inner_steps(inputs) - 1 :: inner_steps(inputs)].numpy()
        found = np.array(inputs.setpoints, dtype=np.float64)
        for group, node in self.layout.supplied:
            found[:, group] = ends[:, node]
        return found

    def trace(self, state: ThermalState, inputs: Inputs, sub: int, fine: int) -> Array:
        """Every rack's limited temperature, ``sub`` times a minute at first, then every minute.

        Parameters
        ----------
        sub, fine
            Lines a minute for the first ``fine`` minutes of the horizon.
        """
        return self._march(state, inputs, sub, fine).limited_c

    def sensitivities(
        self,
        state: ThermalState,
        inputs: Inputs,
        racks: Sequence[int] | None = None,
        blocks: Sequence[int] | None = None,
    ) -> Sensitivities:
        """How the limited temperatures answer to the setpoints about the roll-out.

        Parameters
        ----------
        racks
            Indices of the racks that are asked for; None: all.
        blocks
            Steps for which a move is held, one entry a block, with the sum T; None: each
            step moves on its own. With few blocks it is several times faster.
        """
        return sensitivities(self._nominal(state, inputs, blocks), racks)

    def linearise(
        self,
        state: ThermalState,
        inputs: Inputs,
        racks: Sequence[int] | None,
        blocks: Sequence[int] | None,
        weight: Array | None,
    ) -> tuple[Sensitivities, Array]:
        """`sensitivities`, and (B, G) the derivative of ``sum(weight * limited_c)``, all racks.

        ``weight`` is (T, R); the sum needs no memory for each rack.
        """
        nominal = self._nominal(state, inputs, blocks)
        if weight is None:
            total = np.zeros((len(nominal.blocks), len(self.layout.groups)))
        else:
            total = owed(nominal, weight)
        return sensitivities(nominal, racks), total

    def _nominal(
        self, state: ThermalState, inputs: Inputs, blocks: Sequence[int] | None
    ) -> Nominal:
        drive, every = self.plain.drive(inputs), inner_steps(inputs)
        return Nominal(
            self.layout,
            self.routes,
            self.plain,
            drive,
            self.plain.supply(drive, every, state.nodes, state.supply_offsets.value_k),
            every,
            tuple(blocks) if blocks is not None else (1,) * inputs.steps,
        )

    def _march(self, state: ThermalState, inputs: Inputs, sub: int = 1, fine: int = 0) -> Marched:
        return self.plain.march(
            self.plain.drive(inputs),
            inner_steps(inputs),
            (state.nodes, state.racks),
            state.supply_offsets.value_k,
            state.rack_offsets.value_k,
            sub,
            fine,
        )

    def correct(
        self, state: ThermalState, inputs: Inputs, supply_c: Array, limited_c: Array
    ) -> ThermalState:
        """As `update`, with the readings of all nodes (M,) and racks (R,); NaN: cannot be used."""
        marched = self._march(state, inputs)
        after_s = inputs.steps * inputs.step_s
        later = state.later(inputs.start_s + after_s, marched.supplied.nodes, marched.racks)
        shown, expected = marched.supplied.supply_c[-1], marched.limited_c[-1]
        return ThermalState(
            later.time_s,
            later.nodes,
            later.racks,
            state.supply_offsets.update(supply_c - shown, after_s, self.supply_noise),
            state.rack_offsets.update(limited_c - expected, after_s, self.rack_noise),
        )

    def settled(self, inputs: Inputs) -> ThermalState:
        """The state in which these inputs would leave everything as it is."""
        count, racks = len(self.layout.nodes), len(self.layout.racks)
        marched = self.plain.march(
            self.plain.drive(inputs), inner_steps(inputs), None, np.zeros(count), np.zeros(racks)
        )
        return ThermalState(
            inputs.start_s,
            marched.supplied.nodes,
            marched.racks,
            Offsets.unknown(count),
            Offsets.unknown(racks),
        )


def inner_steps(inputs: Inputs) -> int:
    """Steps of 60 s in one of the caller's.

    Raises
    ------
    ValueError
        The caller's step is no multiple of 60 s.
    """
    every = round(inputs.step_s / STEP_S)
    if every < 1 or abs(every * STEP_S - inputs.step_s) > 1e-6:
        raise ValueError(f"a step of {inputs.step_s:g} s is no multiple of {STEP_S:g} s")
    return every


def expand(values: Array, every: int) -> Tensor:
    """Hold each row for ``every`` inner steps."""
    return torch.as_tensor(np.repeat(np.asarray(values, dtype=np.float64), every, axis=0))


def supply_drive(layout: Layout, inputs: Inputs) -> SupplyDrive:
    """What drives the supplies, at 60 s."""
    every = inner_steps(inputs)
    return SupplyDrive(
        *node_drive(
            layout,
            expand(inputs.setpoints, every),
            expand(inputs.it_power_kw, every),
        ),
        wet_bulb_c=expand(inputs.wet_bulb_c, every).unsqueeze(-1),
    )


def node_drive(
    layout: Layout, setpoints: Tensor, it_power_kw: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Setpoint, flow (share) and load (share) of each node, (..., M)."""
    nodes = layout.nodes
    setpoint = setpoints[..., [max(n.setpoint, 0) for n in nodes]]
    there = torch.tensor([float(n.flow >= 0) / n.flow_scale for n in nodes], dtype=torch.float64)
    flow = setpoints[..., [max(n.flow, 0) for n in nodes]] * there
    load = it_power_kw @ torch.as_tensor(layout.load_share).T
    return setpoint, flow, load
