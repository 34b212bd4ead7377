"""How far a run in half steps leads away from one in whole steps.

A sequence that starts a machine once a threshold is passed can do so one control period earlier
or later for a thousandth of a kelvin, and a stage moved by 30 s moves temperatures by kelvins for
some minutes. That says nothing of the integration; so the half steps follow the commands of the
whole ones, and beside them runs a plant that decides for itself.
"""

from __future__ import annotations

import numpy as np

from benchmarks.scaled import reference_site
from facility.clock import from_iso
from sim.bms.control import LocalControl
from sim.parameters import PlantParameters
from sim.plant.jobs import GeneratedLoad
from sim.plant.layout import Array, Index
from sim.plant.plant import Standing
from sim.plant.weather import generated_weather
from sim.run import warmed_up

Said = tuple[Index, Array, Array]
"""What a control changed in the plant's block: where, to what; and its setpoints."""


class Speaker:
    """A local control whose decisions are kept."""

    def __init__(self, inner: LocalControl, block: Array) -> None:
        self._inner, self._block = inner, block
        self.name, self.sequencer = inner.name, inner.sequencer
        self.said: list[Said] = []

    def update(self, now: Standing, dt_s: float) -> Array:
        before = self._block.copy()
        wanted = self._inner.update(now, dt_s)
        at = np.flatnonzero(before != self._block)
        self.said.append((at, self._block[at].copy(), wanted.copy()))
        return wanted


class Follower:
    """A local control that repeats, period by period, what another decided."""

    def __init__(self, said: list[Said], of: LocalControl, block: Array) -> None:
        self._said, self._block = iter(said), block
        self.name, self.sequencer = of.name, of.sequencer

    def update(self, now: Standing, dt_s: float) -> Array:  # noqa: ARG002 - it was decided before
        at, values, wanted = next(self._said)
        self._block[at] = values
        return wanted


def halving_k(name: str, start: str, hours: float, seed: int) -> dict[str, float]:
    """Largest differences at any minute of a reference site's run, K.

    Returns
    -------
    dict
        ``racks_k`` (limited temperatures) and ``others_k`` (all others) under the same commands;
        ``deciding_k``: racks, where the half steps decide for themselves.
    """
    site = reference_site(name)
    start_s = from_iso(start)
    whole = warmed_up(
        site,
        PlantParameters.for_site(site, seed),
        load=GeneratedLoad(site, seed),
        weather=generated_weather(seed),
        local_control="guideline36",
        start_s=start_s,
        seed=seed,
    )
    half, deciding = whole.copy(), whole.copy()
    half.step_s = deciding.step_s = 0.5 * whole.step_s
    speaker = Speaker(whole._local, whole._memory.block)
    whole._local = speaker
    half._local = Follower(speaker.said, half._local, half._memory.block)
    limited = {site.tag(rack.id, rack.limited_temperature) for rack in site.racks.values()}
    racks_k = others_k = deciding_k = 0.0
    for minute in range(1, round(60.0 * hours) + 1):
        for simulation in (whole, half, deciding):
            simulation.advance(start_s + 60.0 * minute)
        one, two, three = whole.truth(), half.truth(), deciding.truth()
        for tag, value in one.items():
            if tag in limited:
                racks_k = max(racks_k, abs(value - two[tag]))
                deciding_k = max(deciding_k, abs(value - three[tag]))
            elif tag.endswith("temperature"):
                others_k = max(others_k, abs(value - two[tag]))
    return {"racks_k": racks_k, "others_k": others_k, "deciding_k": deciding_k}
