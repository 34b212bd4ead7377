"""Recorded IT loads from files: measured heat or power by column, or requests of a service.

A column is ``EQUIPMENT_WHATEVER_UNIT``: the equipment is a rack, a CDU, a hall, or ``it`` for
all of the site; the unit is W, kW or MW (``cdu01_heat_W``, ``hall1_power_kW``). What a CDU or
hall carries is spread over its racks by their ratings. ``outdoor_wet_bulb_C``, where there is
one, outranks the weather file. A file of requests has TIMESTAMP, ContextTokens and
GeneratedTokens (the Azure LLM inference traces).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from facility.equipment import RackKind
from facility.site import Site
from sim.plant.layout import Array
from sim.plant.reading import InputError, numbers, read_table, regular_times
from sim.plant.workload import LoadSource, TraceLoad

TIME, WET_BULB = "time_s", "outdoor_wet_bulb_C"
UNITS_KW = {"W": 1e-3, "kW": 1.0, "MW": 1e3}
REQUESTS = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")

# A generated token costs about as much time of an accelerator as 10 tokens of context (Patel et
# al., Splitwise, ISCA 2024: prompts are computed in parallel, tokens one by one).
CONTEXT_TOKEN_WORTH = 0.1
SERVICE_S = 30.0
IDLE_SHARE, BUSY_SHARE = 0.25, 0.85
"""Power of a serving rack over its rating, without requests and at the busiest."""


def read_load(path: Path, site: Site) -> LoadSource:
    """The IT load of ``site`` recorded in ``path`` (CSV or Parquet).

    Raises
    ------
    InputError
        A column is missing or unknown, a value is no number, times have gaps; it names
        file, row and field, and the mend.
    """
    table = read_table(path)
    if set(REQUESTS) <= set(table.columns):
        return _requests(path, table, site)
    return _columns(path, table, site)


def _columns(path: Path, table: pd.DataFrame, site: Site) -> TraceLoad:
    if TIME not in table.columns:
        raise InputError(
            f"{path} line 1: there is no column {TIME!r} (seconds from the trace's beginning); "
            f"its columns are {', '.join(map(str, table.columns[:6]))}, ..."
        )
    times_s = numbers(path, table, TIME)
    regular_times(path, times_s, TIME)
    wet_bulb_c = numbers(path, table, WET_BULB) if WET_BULB in table.columns else None
    names = [str(name) for name in table.columns if name not in (TIME, WET_BULB)]
    shares = np.zeros((len(names), len(site.racks)))
    kw = np.zeros((len(table), len(names)))
    for i, name in enumerate(names):
        members, factor = _meaning(path, name, site)
        rated = np.array([r.rated_kw if r.id in members else 0.0 for r in site.racks.values()])
        shares[i] = rated / rated.sum()
        kw[:, i] = numbers(path, table, name) * factor
    if (kw < 0.0).any():
        row, column = np.argwhere(kw < 0.0)[0].tolist()
        raise InputError(
            f"{path} line {row + 2}, column {names[column]}: a load below 0: mend the sign"
        )
    covered = shares.sum(axis=0) > 0.0
    if not covered.all():
        lost = [rack for rack, there in zip(site.racks, covered, strict=True) if not there]
        raise InputError(
            f"{path} line 1: no column carries the load of rack {lost[0]} ({len(lost)} racks in "
            f"all): add a column such as {_example(site, lost[0])!r}"
        )
    if (np.count_nonzero(shares, axis=0) > 1).any():
        raise InputError(
            f"{path} line 1: a rack is in more than one column: name each rack, its CDU or its "
            "hall, not several of them"
        )
    return TraceLoad(str(path), times_s, kw, shares, wet_bulb_c)


def _meaning(path: Path, name: str, site: Site) -> tuple[set[str], float]:
    """Racks that a column speaks of, and the factor to kW."""
    parts = name.split("_")
    unit = parts[-1]
    if unit not in UNITS_KW:
        raise InputError(
            f"{path} line 1: column {name!r} does not end with its unit: W, kW or MW "
            "(a column of something else has to go)"
        )
    equipment = parts[0]
    racks = {
        rack.id
        for rack in site.racks.values()
        if equipment in ("it", rack.id, rack.hall)
        or (rack.kind is not RackKind.AIR and equipment in rack.units)
    }
    if not racks:
        raise InputError(
            f"{path} line 1: column {name!r} speaks of {equipment!r}, which is no rack, CDU or "
            f"hall of site {site.id}"
        )
    return racks, UNITS_KW[unit]


def _example(site: Site, rack: str) -> str:
    found = site.racks[rack]
    equipment = rack if found.kind is RackKind.AIR else found.units[0]
    return f"{equipment}_heat_W"


def _requests(path: Path, table: pd.DataFrame, site: Site) -> TraceLoad:
    stamps = pd.to_datetime(table["TIMESTAMP"], errors="coerce", utc=True)
    if stamps.isna().any():
        row = int(np.flatnonzero(stamps.isna().to_numpy())[0])
        raise InputError(
            f"{path} line {row + 2}, column TIMESTAMP: {table['TIMESTAMP'].iloc[row]!r} is no time"
        )
    arrived_s = (stamps - stamps.min()).dt.total_seconds().to_numpy()
    work = numbers(path, table, "GeneratedTokens")
    work = work + CONTEXT_TOKEN_WORTH * numbers(path, table, "ContextTokens")
    seconds = np.arange(np.ceil(arrived_s.max()) + 1.0)
    rate = np.bincount(arrived_s.astype(np.int64), weights=work, minlength=len(seconds)).astype(
        np.float64
    )
    busy = np.minimum(_smooth(rate, SERVICE_S) / np.quantile(rate, 0.995), 1.0)
    share = IDLE_SHARE + (BUSY_SHARE - IDLE_SHARE) * busy
    rated = np.array([rack.rated_kw for rack in site.racks.values()])
    return TraceLoad(
        str(path), seconds, (share * rated.sum())[:, None], (rated / rated.sum())[None, :], None
    )


def _smooth(rate: Array, over_s: float) -> Array:
    """First-order lag: requests in service leave at random, ``over_s`` on average."""
    out = np.empty_like(rate)
    level = float(rate[: int(over_s)].mean())
    for i, value in enumerate(rate):
        level += (value - level) / over_s
        out[i] = level
    return out
