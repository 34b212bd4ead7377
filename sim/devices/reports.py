"""What a run leaves behind and shows on the way: ready.json, live.json, accounts, truth."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from facility.clock import iso
from facility.points import Role
from facility.site import Site
from sim.devices.plant import Plant
from sim.recorder import Recorder

TRUTH_EVERY_S = 60.0
"""Plant time between two samples of the truth."""


def write_json(path: Path, value: object) -> None:
    """Replace ``path`` atomically: a reader sees the old text or the new, never a part."""
    fresh = path.with_suffix(path.suffix + ".new")
    fresh.write_text(json.dumps(value, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    fresh.replace(path)


class Headline:
    """The few figures of a plant that a person wants to see, from its truth.

    Power in kW, temperatures in °C; None where the site has no point for a figure.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._it = tuple(t for r in site.racks if (t := site.tag(r, "it_power")))
        self._components = {
            "chillers": self._tags(site.chillers, "power"),
            "towers": self._tags(site.towers, "fan_power"),
            "pumps": self._tags((*site.loops, "tower_water", *site.storage_tanks), "pump_power"),
            "cdus": self._tags(site.cdus, "pump_power"),
            "crahs": self._tags(site.crahs, "fan_power"),
        }
        self._limited = {
            hall: tuple(
                (rack, tag)
                for rack in site.racks.values()
                if rack.hall == hall and (tag := site.tag(rack.id, rack.limited_temperature))
            )
            for hall in site.halls
        }
        self._authority = {
            point.device: point.tag
            for point in site.points.values()
            if point.role is Role.AUTHORITY
        }

    def of(self, plant: Plant, truth: Mapping[str, float]) -> dict[str, Any]:
        """The headline now."""
        it_kw = _total(truth, self._it)
        cooling_kw = {
            name: total
            for name, tags in self._components.items()
            if tags and (total := _total(truth, tags)) is not None
        }
        pue = None
        if it_kw and cooling_kw:
            pue = round((it_kw + sum(cooling_kw.values())) / it_kw, 4)
        return {
            "time_s": plant.now_s,
            "time": iso(plant.now_s),
            "it_kw": it_kw,
            "cooling_kw": cooling_kw,
            "pue": pue,
            "hottest": {hall: self._hottest(hall, truth) for hall in self._site.halls},
            "authority": {
                device: "remote" if plant.read(tag).value == 1.0 else "local"
                for device, tag in self._authority.items()
            },
        }

    def _hottest(self, hall: str, truth: Mapping[str, float]) -> dict[str, Any] | None:
        """The rack of a hall that is nearest to its limit, or farthest above it."""
        racks = [(truth[tag] - r.limit_c, r, truth[tag]) for r, tag in self._limited[hall]
                 if tag in truth]  # fmt: skip
        if not racks:
            return None
        excess_k, rack, value_c = max(racks, key=lambda item: item[0])
        return {
            "rack": rack.id,
            "quantity": rack.limited_temperature,
            "temperature_c": round(value_c, 3),
            "limit_c": rack.limit_c,
            "excess_k": round(excess_k, 3),
        }

    def _tags(self, equipment: Iterable[str], quantity: str) -> tuple[str, ...]:
        return tuple(t for e in equipment if (t := self._site.tag(e, quantity)))


class TruthLog:
    """Samples of the noise-free truth, written as Parquet at the end."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._rows: list[dict[str, float]] = []

    def add(self, time_s: float, truth: Mapping[str, float]) -> None:
        """Keep the truth of one moment."""
        self._times.append(time_s)
        self._rows.append(dict(truth))

    def write(self, path: Path) -> None:
        """Write one column a name and a UTC index; a name without a value then is empty."""
        names = list(dict.fromkeys(name for row in self._rows for name in row))
        values = np.full((len(self._rows), len(names)), np.nan)
        for i, row in enumerate(self._rows):
            values[i] = [row.get(name, math.nan) for name in names]
        index = pd.to_datetime(np.array(self._times), unit="s", utc=True)
        index.name = "time"
        pd.DataFrame(values, index=index, columns=names).to_parquet(path)


def accounts_of(accounts: object, recorder: Recorder) -> dict[str, Any]:
    """The plant's accounts and the count of writes, ready for JSON."""
    if not dataclasses.is_dataclass(accounts) or isinstance(accounts, type):
        raise TypeError(f"accounts are a dataclass, not {accounts!r}")
    return {**_plain(dataclasses.asdict(accounts)), "writes": recorder.counts()}


def energy_of(accounts: object) -> dict[str, float] | None:
    """Energy so far, kWh: of all cooling and of the IT; None where the plant counts none."""
    cooling, it = (
        getattr(accounts, name, None) for name in ("cooling_energy_kwh", "it_energy_kwh")
    )
    if cooling is None or it is None:
        return None
    return {"cooling": round(float(cooling), 3), "it": round(float(it), 3)}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


def _total(truth: Mapping[str, float], tags: Iterable[str]) -> float | None:
    values = [truth[tag] for tag in tags if tag in truth]
    return round(float(sum(values)), 3) if values else None
