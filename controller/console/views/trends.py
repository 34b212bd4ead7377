"""What has been and what the last plan expects: history and forecast on one axis."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.charts import Band as Shade
from controller.charts import Chart, Line
from controller.console import words
from controller.service.context import Context
from controller.storage.ports import Kind
from facility.points import Role
from facility.quantities import QUANTITIES
from facility.site import Site

Array = NDArray[np.float64]

SPANS = ((1.0, "1 h"), (6.0, "6 h"), (24.0, "24 h"), (168.0, "7 days"))
BUCKETS = 240
UNWANTED = (Role.HEARTBEAT, Role.ENABLE)


@dataclass(frozen=True)
class History:
    """Telemetry of a span: mean, lowest and highest of each interval, by tag."""

    times_s: Array
    frame: Any
    end_s: float

    def mean(self, tag: str | None) -> Array:
        """(T,) NaN where there is none."""
        return self._part(tag, "mean")

    def of(self, tags: Sequence[str], part: str = "mean") -> Array:
        """(T, tags)."""
        return np.stack([self._part(tag, part) for tag in tags], axis=1)

    def total(self, tags: Sequence[str]) -> Array:
        """(T,) the sum; NaN while one of them is missing: a part is not the whole."""
        if not tags:
            return np.full(len(self.times_s), np.nan)
        found: Array = self.of(tags).sum(axis=1)
        return found

    def _part(self, tag: str | None, part: str) -> Array:
        if tag is None:
            return np.full(len(self.times_s), np.nan)
        return np.asarray(self.frame[tag, part], dtype=float)


def history(here: Context, tags: Sequence[str], hours: float) -> History:
    """Telemetry of the last hours."""
    end_s = here.clock.now_s()
    every_s = max(10.0, math.ceil(hours * 3600.0 / BUCKETS))
    frame = here.telemetry.trend(list(dict.fromkeys(tags)), end_s - hours * 3600.0, end_s, every_s)
    times = np.array([moment.timestamp() for moment in frame.index]) + every_s / 2.0
    return History(times, frame, end_s)


def usual_span(here: Context) -> float:
    """Hours to show where nobody asked: six, or one while there is no more to show."""
    extent = here.telemetry.extent()
    recorded_h = 0.0 if extent is None else (extent[1] - extent[0]) / 3600.0
    return 6.0 if recorded_h > 2.0 else 1.0


def redrawn_every_s(hours: float) -> float:
    """Plant seconds after which charts of so many hours show something new."""
    return max(15.0, math.ceil(hours * 3600.0 / BUCKETS))


def equipment(site: Site) -> list[str]:
    """What has points to show, in the order of the points list."""
    return list(dict.fromkeys(p.equipment for p in site.points.values() if p.role not in UNWANTED))


def charts(here: Context, hours: float, chosen: str = "") -> list[Chart]:
    """The charts of the page: of the whole plant, or of one piece of equipment."""
    if chosen:
        return _of_equipment(here, hours, chosen)
    site = here.site
    racks = rack_tags(site)
    parts = power_tags(site)
    it = list(site.tags("it_power"))
    outdoor = [site.tag("outdoor", f"{name}_bulb_temperature") for name in ("wet", "dry")]
    families = _families(site)
    tags = [tag for rows in racks.values() for tag, _ in rows]
    tags += [tag for meters in parts.values() for tag in meters] + it
    tags += [tag for tag in outdoor if tag]
    tags += [a.read_back for members in families.values() for a in members]
    past = history(here, tags, hours)
    ahead = plan_ahead(here)
    found = [_hottest(past, ahead, kind, rows) for kind, rows in racks.items()]
    found += [_power(past, ahead, parts), _pue(past, parts, it), _it(past, ahead, it)]
    found.append(_weather(past, ahead, outdoor))
    found += [_setpoints(past, ahead, name, members) for name, members in families.items()]
    return found


def plan_ahead(here: Context) -> Mapping[str, Any] | None:
    """The last tick's request and plan in their wire form, or None where there is none."""
    last = here.records.find(Kind.TICK, limit=1)
    text = here.ticks.read(last[0].id) if last else None
    if text is None:
        return None
    record = json.loads(text)
    plan = (record.get("outcome") or {}).get("plan")
    if plan is None or record.get("request") is None:
        return None
    return {"request": record["request"], "plan": plan}


def joined(
    past: History,
    ahead_s: Sequence[float],
    lines: Sequence[tuple[str, Array, str, Array | None]],
    **rest: Any,
) -> Chart:
    """A chart over the past and then the plan's hours.

    Parameters
    ----------
    lines
        Name, (T,) measured, name of what is expected, and (steps,) of it or None.
    """
    gap = np.full(len(ahead_s), np.nan)
    before = np.full(len(past.times_s), np.nan)
    times = np.concatenate([past.times_s, np.array(ahead_s, dtype=float)])
    found = []
    styles = ("plain", "fixed")
    for (name, measured, expected_name, expected), style in zip(lines, styles, strict=False):
        found.append(Line(name, np.concatenate([measured, gap]), style))
        if expected is not None and len(ahead_s):
            ahead_style = "isotherm" if style == "plain" else "isotherm second"
            found.append(Line(expected_name, np.concatenate([before, expected]), ahead_style))
    bands = []
    for lower, upper, style in rest.pop("past_bands", ()):
        bands.append(Shade(np.concatenate([lower, gap]), np.concatenate([upper, gap]), style))
    if len(ahead_s):
        for lower, upper, style in rest.pop("bands", ()):
            low = np.concatenate([before, np.asarray(lower, dtype=float)])
            bands.append(
                Shade(low, np.concatenate([before, np.asarray(upper, dtype=float)]), style)
            )
    else:
        rest.pop("bands", None)
    return Chart(times_s=times, lines=found, bands=bands, now_s=past.end_s, **rest)


def rack_tags(site: Site) -> dict[str, list[tuple[str, float]]]:
    """Tags of the limited temperatures with their limits, °C, by the quantity that is limited."""
    found: dict[str, list[tuple[str, float]]] = {}
    for rack in site.racks.values():
        if tag := site.tag(rack.id, rack.limited_temperature):
            found.setdefault(rack.limited_temperature, []).append((tag, rack.limit_c))
    return found


def power_tags(site: Site) -> dict[str, list[str]]:
    """Tags of the meters of what cools, kW, by the kind of machine."""
    pairs = {
        "chillers": [(name, "power") for name in site.chillers],
        "tower fans": [(name, "fan_power") for name in site.towers],
        "plant pumps": [
            (name, "pump_power") for name in (*site.loops, "tower_water", *site.storage_tanks)
        ],
        "CRAH fans": [(name, "fan_power") for name in site.crahs],
        "CDU pumps": [(name, "pump_power") for name in site.cdus],
    }
    found = {
        name: [tag for equipment, quantity in wanted if (tag := site.tag(equipment, quantity))]
        for name, wanted in pairs.items()
    }
    return {name: tags for name, tags in found.items() if tags}


def _families(site: Site) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for actuator in site.actuators.values():
        found.setdefault(actuator.quantity, []).append(actuator)
    return found


def _hottest(
    past: History,
    ahead: Mapping[str, Any] | None,
    kind: str,
    rows: list[tuple[str, float]],
) -> Chart:
    """The rack with the least room, all racks as a band, and the plan's own band after now."""
    values = past.of([tag for tag, _ in rows])
    limits = np.array([limit for _, limit in rows])
    known = np.isfinite(values)
    room = np.where(known, limits - values, np.inf)
    which = np.argmin(room, axis=1)
    steps = np.arange(len(values))
    hottest = np.where(known.any(axis=1), values[steps, which], np.nan)
    low = np.where(known.any(axis=1), np.where(known, values, np.inf).min(axis=1), np.nan)
    title = f"hottest {words.quantity(kind)}"
    band = _band(ahead, f"hottest {kind.replace('_', ' ')}")
    return joined(
        past,
        band["times_s"] if band else [],
        [("hottest rack", hottest, "expected", np.array(band["expected"]) if band else None)],
        past_bands=[(low, hottest, "plain")],
        bands=[(band["lower"], band["upper"], "isotherm")] if band else [],
        title=title[:1].upper() + title[1:],
        unit="°C",
        limits=[(f"limit {limits.min():g} °C", float(limits.min()))],
    )


def _band(ahead: Mapping[str, Any] | None, name: str) -> Mapping[str, Any] | None:
    bands = ahead["plan"]["bands"] if ahead else ()
    return next((band for band in bands if band["name"] == name), None)


def _steps(ahead: Mapping[str, Any] | None) -> list[float]:
    if ahead is None:
        return []
    plan = ahead["plan"]
    return [plan["start_s"] + (k + 0.5) * plan["step_s"] for k in range(len(plan["setpoints"]))]


def _power(past: History, ahead: Mapping[str, Any] | None, parts: dict[str, list[str]]) -> Chart:
    total = past.total([tag for tags in parts.values() for tag in tags])
    band = _band(ahead, "electric power of cooling")
    return joined(
        past,
        band["times_s"] if band else [],
        [("measured", total, "expected", np.array(band["expected"]) if band else None)],
        bands=[(band["lower"], band["upper"], "isotherm")] if band else [],
        title="Electric power of cooling",
        unit="kW",
        from_zero=True,
    )


def _pue(past: History, parts: dict[str, list[str]], it: list[str]) -> Chart:
    cooling, load = past.total([tag for tags in parts.values() for tag in tags]), past.total(it)
    with np.errstate(divide="ignore", invalid="ignore"):
        pue = np.where(load > 0.0, 1.0 + cooling / load, np.nan)
    lines = [("measured", pue, "", None)]
    return joined(past, [], lines, title="PUE", unit="cooling only", digits=3)


def _it(past: History, ahead: Mapping[str, Any] | None, it: list[str]) -> Chart:
    expected = np.array(ahead["request"]["it_power_kw"]).sum(axis=1) if ahead else None
    lines = [("measured", past.total(it), "expected", expected)]
    return joined(past, _steps(ahead), lines, title="IT power", unit="kW", from_zero=True, digits=0)


def _weather(past: History, ahead: Mapping[str, Any] | None, tags: list[str | None]) -> Chart:
    lines = []
    for name, tag in zip(("wet", "dry"), tags, strict=True):
        expected = np.array(ahead["request"][f"{name}_bulb_c"]) if ahead else None
        lines.append((f"{name} bulb", past.mean(tag), f"{name} bulb expected", expected))
    return joined(past, _steps(ahead), lines, title="Outdoor temperature", unit="°C")


def _setpoints(
    past: History, ahead: Mapping[str, Any] | None, quantity: str, members: list[Any]
) -> Chart:
    values = past.of([a.read_back for a in members])
    known = np.isfinite(values)
    some = known.any(axis=1)
    count = np.maximum(known.sum(axis=1), 1)
    mean = np.where(some, np.where(known, values, 0.0).sum(axis=1) / count, np.nan)
    low = np.where(some, np.where(known, values, np.inf).min(axis=1), np.nan)
    high = np.where(some, np.where(known, values, -np.inf).max(axis=1), np.nan)
    planned = None
    if ahead is not None:
        groups = list(ahead["plan"]["groups"])
        columns = [groups.index(g) for g in dict.fromkeys(a.group for a in members) if g in groups]
        if columns:
            planned = np.array(ahead["plan"]["setpoints"])[:, columns].mean(axis=1)
    name = words.quantity(quantity)
    many = len(members) > 1
    return joined(
        past,
        _steps(ahead),
        [("in force, mean" if many else "in force", mean, "planned", planned)],
        past_bands=[(low, high, "plain")] if many else [],
        title=f"Setpoint: {name}" + (f", {len(members)} units" if many else ""),
        unit=words.unit(members[0].unit),
    )


def _of_equipment(here: Context, hours: float, name: str) -> list[Chart]:
    """Everything that is measured of one piece of equipment."""
    site = here.site
    points = [
        p
        for p in site.points.values()
        if p.equipment == name and p.role not in UNWANTED and p.access.value != "w"
    ]
    past = history(here, [p.tag for p in points], hours)
    rack = site.racks.get(name)
    found = []
    for point in points:
        limits = []
        if rack is not None and point.quantity == rack.limited_temperature:
            limits = [(f"limit {rack.limit_c:g} °C", rack.limit_c)]
        title = words.quantity(point.quantity)
        set_one = "in_force" in point.quantity or point.role is Role.SETPOINT
        found.append(
            joined(
                past,
                [],
                [("mean", past.mean(point.tag), "", None)],
                past_bands=[
                    (past.of([point.tag], "min")[:, 0], past.of([point.tag], "max")[:, 0], "plain")
                ],
                title=f"{title[:1].upper()}{title[1:]}" + (", set" if set_one else ""),
                unit=words.unit(QUANTITIES[point.quantity].kind.unit),
                limits=limits,
                digits=2,
            )
        )
    return found
