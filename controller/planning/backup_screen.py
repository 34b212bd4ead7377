"""The envelope's worst case for all circuits of a site at once, in arrays.

`safety.backup_held` asks one setpoint at a time and says why; a plan tries tens of thousands of
setpoints. The curves and the least flow are the envelope's own, and the tests hold every bound
here to the one that it would name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.contract import Array
from safety.arithmetic import GRAINS_PER_UNIT, grains, units
from safety.backup import FILM_EXPONENT, LEAST_SHARE, Backup, Coldplate, least_flow

Ints = NDArray[np.int64]

NEAR_K = 0.02
"""A circuit that is this far from its limit asks for nothing: twice the step to which the
envelope rounds."""


class BackupScreen:
    """The circuits of a site as arrays."""

    def __init__(self, backup: Backup, group_of: Mapping[str, int]) -> None:
        circuits = list(enumerate(backup.circuits))
        self._circuits = [circuit for _, circuit in circuits]
        self._known_flows: dict[tuple[int, int], float] = {}
        paths = [(c, p, backup.levers[p.actuator]) for c, each in circuits for p in each.paths]
        self._path_circuit = _ints([c for c, _, _ in paths])
        self._path_group = _ints([group_of[p.actuator] for _, p, _ in paths])
        self._coldest = _floats([units(grains(lever.minimum)) for _, _, lever in paths])
        self._lift_k = _floats([p.lift_k for _, p, _ in paths])
        self._drift_k = _floats([np.inf if p.drift_k is None else p.drift_k for _, p, _ in paths])
        self._path_own = _floats([lever.fallback for _, _, lever in paths])
        flows = [(c, f, backup.levers[f.actuator]) for c, each in circuits for f in each.flows]
        self._flow_circuit = _ints([c for c, _, _ in flows])
        self._flow_group = _ints([group_of[f.actuator] for _, f, _ in flows])
        self._amount = _floats([f.amount for _, f, _ in flows])
        self._fastest = _floats([units(grains(lever.maximum)) for _, _, lever in flows])
        self._several = np.bincount(self._flow_circuit)[self._flow_circuit] > 1
        self._flow_own = _floats([lever.fallback for _, _, lever in flows])
        self.flows = np.isin(np.arange(1 + max(group_of.values(), default=-1)), self._flow_group)
        """(G,) whether a setpoint moves coolant or air."""
        groups = [
            list(dict.fromkeys(group_of[name] for name in each.setpoints))
            for each in self._circuits
        ]
        most = max((len(each) for each in groups), default=0)
        padded = [[*each, *[-1] * (most - len(each))] for each in groups]
        self._groups_of = _ints(padded).reshape(len(groups), most)
        self._path_number = _ints([groups[c].index(group_of[p.actuator]) for c, p, _ in paths])
        self._flow_number = _ints([groups[c].index(group_of[f.actuator]) for c, f, _ in flows])
        self._given = _floats([each.given for each in self._circuits])
        rests = [each.rest_c for each in self._circuits]
        self._rest_c = _floats([-np.inf if rest is None else rest for rest in rests])
        weather = [each.weather or (0.0, -np.inf) for each in self._circuits]
        self._slope = _floats([slope for slope, _ in weather])
        self._weather_k = _floats([lift_k for _, lift_k in weather])
        self._moves = np.array([bool(each.flows) for each in self._circuits], dtype=bool)
        self._loses_one = np.array([each.loses_one for each in self._circuits], dtype=bool)
        curves = [(c, curve) for c, each in circuits for curve in each.curves]
        cold = [(c, curve) for c, curve in curves if isinstance(curve, Coldplate)]
        air = [(c, curve) for c, curve in curves if not isinstance(curve, Coldplate)]
        self._cold_circuit = _ints([c for c, _ in cold])
        self._cold = _floats([(q.limit_c, q.coolant_k, q.fixed_k, q.film_k) for _, q in cold])
        self._air_circuit = _ints([c for c, _ in air])
        self._air = _floats([(q.limit_c, q.servers_m3s, q.rise_k, q.share, q.gain) for _, q in air])

    def excess_k(self, sets: tuple[Array, ...], wet_bulb_c: float) -> Array:
        """(circuits,) how far the worst rack of each would be above its limit.

        Parameters
        ----------
        sets
            Setpoints by group, (G,) each; the worst of them counts.
        wet_bulb_c
            As `WorstCase.wet_bulb_c` has it.
        """
        values = np.stack(sets)
        held_c = values.max(axis=0)[self._path_group]
        return self._excess_k(held_c, values.min(axis=0)[self._flow_group], wet_bulb_c)

    def ends(self, sets: tuple[Array, ...], wet_bulb_c: float) -> tuple[Array, Array]:
        """(G,) least and most that the worst case admits of each setpoint, as `excess_k` asks.

        Infinite where it has no part in it, or is `NEAR_K` and more from asking for anything.
        """
        values = np.stack(sets)
        held_c = values.max(axis=0)[self._path_group]
        moved = self._moved(values.min(axis=0)[self._flow_group])
        needed_c, room_c = self._needed_c(held_c, wet_bulb_c), self._room_c(self._left(moved))
        near = needed_c - room_c > -NEAR_K
        least, most = np.full((2, values.shape[1]), np.inf)
        least[:] = -np.inf

        path = near[self._path_circuit]
        bound_c = room_c[self._path_circuit] - self._lift_k
        drift_k = np.where(np.isfinite(self._drift_k), self._drift_k, 0.0)
        bound_c -= np.where(bound_c >= self._path_own, 0.0, drift_k)
        bound_c = np.floor(np.maximum(bound_c, -1e9) * GRAINS_PER_UNIT) / GRAINS_PER_UNIT
        bound_c = np.maximum(bound_c, self._coldest)
        np.minimum.at(most, self._path_group[path], bound_c[path])

        wanted = np.zeros(len(near))
        for index in np.flatnonzero(near & self._moves).tolist():
            wanted[index] = self._least_flow(index, math.ceil(100.0 * float(needed_c[index])))
        flow = np.flatnonzero(near[self._flow_circuit])
        c = self._flow_circuit[flow]
        asked = self._least(flow, wanted[c], moved)
        asked = np.minimum(np.ceil(asked * GRAINS_PER_UNIT) / GRAINS_PER_UNIT, self._fastest[flow])
        np.maximum.at(least, self._flow_group[flow], asked)
        return least, most

    def _least_flow(self, index: int, hundredths: int) -> float:
        """Of a circuit for a supply in hundredths of °C; the same few are asked for all the time.

        A function of the site and the two arguments alone, whatever was asked before.
        """
        key = (index, hundredths)
        if key not in self._known_flows:
            circuit = self._circuits[index]
            self._known_flows[key] = least_flow(circuit.curves, hundredths / 100.0, circuit.most)
        return self._known_flows[key]

    def _least(self, flow: Ints, wanted: Array, moved: Array) -> Array:
        """Of some flow setpoints the least that brings ``wanted``: what all would have to bring
        alike, unless the others bring more (`WorstCase` says it for one).
        """
        c, given = self._flow_circuit[flow], self._given[self._flow_circuit[flow]]
        alike = (wanted - given) / (self._left(self._amount) - self._given)[c]
        total = np.zeros(len(self._given))
        np.add.at(total, self._flow_circuit, moved)
        rest = given + total[c] - moved[flow]
        # The largest of the others: the circuit's largest, or the next where that is one's own.
        order = np.lexsort((moved, self._flow_circuit))
        last = np.searchsorted(self._flow_circuit[order], c, side="right") - 1
        first, second = order[last], order[np.maximum(last - 1, 0)]
        other = np.where(first == flow, moved[second], moved[first])
        loses = self._loses_one[c]
        alone = (wanted - rest + np.where(loses, other, 0.0)) / self._amount[flow]
        counts = self._several[flow] & ~(loses & (rest < wanted))
        return np.where(counts, np.minimum(alike, alone), alike)

    def slopes(self, setpoints: Array, wet_bulb_c: float, step: Array) -> Array:
        """(circuits, G) growth of `excess_k` for each unit of a setpoint, over ``step`` (G,).

        The first setpoint of every circuit is moved at once, then the second, and so on: what
        moves one circuit moves no other here.
        """
        held_c, flow = setpoints[self._path_group], setpoints[self._flow_group]
        now_k = self._excess_k(held_c, flow, wet_bulb_c)
        found = np.zeros((len(now_k), len(setpoints)))
        for number in range(self._groups_of.shape[1]):
            there_k = self._excess_k(
                held_c + step[self._path_group] * (self._path_number == number),
                flow + step[self._flow_group] * (self._flow_number == number),
                wet_bulb_c,
            )
            group = self._groups_of[:, number]
            moved = np.flatnonzero(group >= 0)
            found[moved, group[moved]] = (there_k - now_k)[moved] / step[group[moved]]
        return found

    def _excess_k(self, held_c: Array, flow: Array, wet_bulb_c: float) -> Array:
        """By what each path is held at, and what each flow is set to."""
        return self._needed_c(held_c, wet_bulb_c) - self._room_c(self._left(self._moved(flow)))

    def _needed_c(self, held_c: Array, wet_bulb_c: float) -> Array:
        """Warmest supply that may reach each circuit's racks."""
        warmest_c = np.maximum(held_c, np.minimum(self._path_own, held_c + self._drift_k))
        needed_c = np.maximum(self._rest_c, self._slope * wet_bulb_c + self._weather_k)
        np.maximum.at(needed_c, self._path_circuit, warmest_c + self._lift_k)
        return needed_c

    def _moved(self, flow: Array) -> Array:
        """What each flow setpoint moves at least, the plant's own value counted."""
        return self._amount * np.minimum(flow, self._flow_own)

    def _left(self, moved: Array) -> Array:
        """Flow of each circuit, with the largest lost where one is."""
        total, largest = self._given.copy(), np.zeros(len(self._given))
        np.add.at(total, self._flow_circuit, moved)
        np.maximum.at(largest, self._flow_circuit, moved)
        return total - np.where(self._loses_one, largest, 0.0)

    def _room_c(self, flow: Array) -> Array:
        """Warmest supply that each circuit's racks bear."""
        room_c = np.full(len(flow), np.inf)
        if len(self._cold):
            limit_c, coolant_k, fixed_k, film_k = self._cold.T
            s = np.clip(flow[self._cold_circuit], LEAST_SHARE, 1.0)
            found = limit_c - coolant_k / s - fixed_k - film_k * s**FILM_EXPONENT
            np.minimum.at(room_c, self._cold_circuit, found)
        if len(self._air):
            limit_c, servers, rise_k, share, gain = self._air.T
            ratio = servers / np.maximum(flow[self._air_circuit], LEAST_SHARE * servers)
            r = np.maximum(share + gain * np.maximum(0.0, ratio - 0.9), 1.0 - 1.0 / ratio)
            back = np.where(r < 1.0, r / np.maximum(1.0 - r, 1e-12), np.inf)
            np.minimum.at(room_c, self._air_circuit, limit_c - back * rise_k)
        return room_c


def _ints(values: list[Any]) -> Ints:
    return np.array(values, dtype=np.int64)


def _floats(values: list[Any]) -> Array:
    return np.array(values, dtype=np.float64)
