"""IT load: the power that each rack's work takes, over time.

A source answers for any moment; a trace begins where the run begins and may not end before
it. Power is at the reference temperature of the racks' leakage.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from facility.clock import iso
from facility.site import Site
from sim.plant.layout import Array
from sim.plant.reading import InputError


class LoadSource(Protocol):
    """IT load of a site's racks."""

    def starting_at(self, start_s: float) -> LoadSource:
        """The same source with its beginning at plant time ``start_s``, if it has one."""
        ...

    def rack_kw(self, times_s: Array) -> Array:
        """(T, R) kW at plant times, racks in the order of the site.

        Raises
        ------
        InputError
            The source ends before.
        """
        ...

    def wet_bulb(self) -> tuple[Array, Array] | None:
        """Plant times and measured wet bulb (°C), where the source brings its own."""
        ...

    def ends_at_s(self) -> float:
        """Plant time of its end; infinity where it has none."""
        ...


class ConstantLoad:
    """Every rack at a share of its nameplate."""

    def __init__(self, site: Site, share: float) -> None:
        self._row = share * np.array([rack.rated_kw for rack in site.racks.values()])

    def starting_at(self, start_s: float) -> LoadSource:  # noqa: ARG002 - it has no beginning
        return self

    def rack_kw(self, times_s: Array) -> Array:
        return np.tile(self._row, (len(times_s), 1))

    def wet_bulb(self) -> tuple[Array, Array] | None:
        return None

    def ends_at_s(self) -> float:
        return np.inf


@dataclass(frozen=True, slots=True)
class Job:
    """So much more power on some racks for a while: what a big job's start looks like.

    Every rack takes a share of it in proportion to what it has left to its rating.
    """

    start_s: float
    """After the run's beginning."""
    end_s: float
    ramp_s: float
    """From nothing to all of it, and back."""
    power_kw: float
    racks: Array
    """(R,) 1 for racks that take part, 0 for others."""


class JobsOnTop:
    """A load source with jobs on top of it; no rack is driven above its rating."""

    def __init__(self, load: LoadSource, site: Site, jobs: Sequence[Job]) -> None:
        self._load, self._jobs, self._start_s = load, tuple(jobs), 0.0
        self._rated = np.array([rack.rated_kw for rack in site.racks.values()])

    def starting_at(self, start_s: float) -> JobsOnTop:
        moved = copy.copy(self)
        moved._load, moved._start_s = self._load.starting_at(start_s), start_s
        return moved

    def rack_kw(self, times_s: Array) -> Array:
        kw = self._load.rack_kw(times_s)
        for job in self._jobs:
            inside = np.minimum(
                times_s - self._start_s - job.start_s, self._start_s + job.end_s - times_s
            )
            share = np.clip(inside / job.ramp_s, 0.0, 1.0)
            if share.any():
                room = np.maximum(self._rated - kw, 0.0) * job.racks
                asked = (job.power_kw * share) / np.maximum(room.sum(axis=1), 1e-9)
                kw = kw + np.minimum(asked, 1.0)[:, None] * room
        return np.asarray(kw)

    def wet_bulb(self) -> tuple[Array, Array] | None:
        return self._load.wet_bulb()

    def ends_at_s(self) -> float:
        return self._load.ends_at_s()


class TraceLoad:
    """A recorded load: columns spread over racks by fixed shares, linear between rows.

    Before its beginning the first row holds, so that a plant can be warmed up on it.

    Parameters
    ----------
    name
        What to call it in an error.
    times_s
        (N,) seconds from its beginning.
    columns_kw
        (N, C) kW.
    shares
        (C, R): how much of each column a rack gets.
    wet_bulb_c
        (N,) measured outdoors, or None.
    """

    def __init__(
        self, name: str, times_s: Array, columns_kw: Array, shares: Array, wet_bulb_c: Array | None
    ) -> None:
        self._name, self._times_s = name, times_s - times_s[0]
        self._kw, self._shares, self._wet_bulb_c = columns_kw, shares, wet_bulb_c
        self._start_s = 0.0
        # The last row stands for a step as long as the one before.
        self._length_s = float(2.0 * self._times_s[-1] - self._times_s[-2])

    def starting_at(self, start_s: float) -> TraceLoad:
        moved = TraceLoad.__new__(TraceLoad)
        moved.__dict__.update(self.__dict__)
        moved._start_s = start_s
        return moved

    def rack_kw(self, times_s: Array) -> Array:
        t = times_s - self._start_s
        if t[-1] > self._length_s + 1e-6:
            raise InputError(
                f"{self._name} ends at {iso(self.ends_at_s())}, {self._length_s / 3600.0:.2f} h"
                " after the run began: run fewer hours or give a longer trace"
            )
        t = np.clip(t, 0.0, self._times_s[-1])
        high = np.clip(np.searchsorted(self._times_s, t, side="right"), 1, len(self._times_s) - 1)
        low = high - 1
        share = (t - self._times_s[low]) / (self._times_s[high] - self._times_s[low])
        kw = self._kw[low] * (1.0 - share)[:, None] + self._kw[high] * share[:, None]
        return np.asarray(kw @ self._shares)

    def wet_bulb(self) -> tuple[Array, Array] | None:
        if self._wet_bulb_c is None:
            return None
        return self._times_s + self._start_s, self._wet_bulb_c

    def ends_at_s(self) -> float:
        return self._start_s + self._length_s
