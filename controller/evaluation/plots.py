"""The plots of a report: which lines, which limits, which colours mean what.

Isotherm is the one colour; the baselines are grey, the tuned one darker. Red is for limits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from controller.charts import Array, Band, Chart, Line
from controller.evaluation import series
from controller.evaluation.files import FIXED, GUIDELINE_36, ISOTHERM
from controller.evaluation.series import Truth
from facility.site import Site

NAMES = {ISOTHERM: "Isotherm", GUIDELINE_36: "Guideline 36", FIXED: "fixed setpoints"}
LIMITED = {"air": "inlet air", "direct_to_chip": "cold-plate case"}
QUANTITY_NAMES = {
    "cw_supply_temperature_setpoint": "tower water supply",
    "chw_supply_temperature_setpoint": "chilled water supply",
    "fws_supply_temperature_setpoint": "facility water supply",
    "tcs_supply_temperature_setpoint": "CDU secondary supply",
    "tcs_flow_setpoint": "CDU secondary flow",
    "supply_air_temperature_setpoint": "CRAH supply air",
    "fan_speed_setpoint": "CRAH fan speed",
    "charge_setpoint": "charge of storage tanks",
}
SIGNS = {"degC": "°C"}

Truths = Mapping[str, Truth]


def temperatures(site: Site, truths: Truths) -> list[Chart]:
    """The hottest rack of each kind and hall in the three variants, then each group's hottest."""
    charts = []
    kinds: dict[tuple[str, str], list[series.RackGroup]] = {}
    for group in series.rack_groups(site):
        kinds.setdefault((group.hall, group.kind), []).append(group)
    for (hall, kind), groups in kinds.items():
        limit = min(group.limit_c for group in groups)
        racks = [rack for group in groups for rack in group.racks]
        tags = series.limited_tags(site, racks)
        recommended = min(site.racks[rack].recommended_c for rack in racks)
        where = f"{site.halls[hall].name}: " if len(site.halls) > 1 else ""
        name = LIMITED.get(kind, kind)
        what = f"limit {limit:g} °C"
        peaks = {variant: truth.highest(tags) for variant, truth in truths.items()}
        charts.append(
            Chart(
                title=f"{where}Hottest {name} of {len(racks)} racks",
                unit="°C",
                times_s=truths[ISOTHERM].times_s,
                lines=_lines(truths, peaks, "max"),
                limits=((what, limit),),
                note=f"Named limit {limit:g} °C, recommended {recommended:g} °C. "
                "Noise-free truth of the simulator, a row a minute.",
            )
        )
        if len(groups) > 1:
            charts.append(
                _by_group(site, truths[ISOTHERM], f"{where}{name.capitalize()}", groups, limit)
            )
    return charts


def _by_group(
    site: Site, truth: Truth, name: str, groups: Sequence[series.RackGroup], limit_c: float
) -> Chart:
    lines = {group.name: truth.highest(series.limited_tags(site, group.racks)) for group in groups}
    peaks = {
        group: float(np.nanmax(values)) if np.isfinite(values).any() else float("-inf")
        for group, values in lines.items()
    }
    worst = max(peaks, key=lambda group: peaks[group])
    return Chart(
        title=f"{name} by group under Isotherm",
        unit="°C",
        times_s=truth.times_s,
        lines=[Line(f"{worst}, the hottest", lines[worst], "isotherm", "max")],
        quiet=[Line(group, v, "quiet", "max") for group, v in lines.items() if group != worst],
        limits=((f"limit {limit_c:g} °C", limit_c),),
        note=f"The hottest rack of each of {len(groups)} groups (the racks of a CDU, or a hall's "
        "air-cooled racks).",
    )


def setpoints(site: Site, truths: Truths) -> list[Chart]:
    """The setpoints in force: mean of each quantity in the three variants, Isotherm's spread."""
    charts = []
    for quantity in series.setpoint_quantities(site):
        found = {v: series.setpoints(site, truth, quantity) for v, truth in truths.items()}
        own = found[ISOTHERM]
        lines = _lines(truths, {variant: spread.mean for variant, spread in found.items()})
        many = own.actuators > 1
        unit = SIGNS.get(own.unit, own.unit)
        note = f"Envelope's range {own.minimum:g} to {own.maximum:g} {unit}."
        if many:
            note = f"Mean of {own.actuators}; the shade is Isotherm's lowest to highest. " + note
        charts.append(
            Chart(
                title=f"Setpoint in force: {QUANTITY_NAMES.get(quantity, quantity)}",
                unit=unit,
                times_s=truths[ISOTHERM].times_s,
                lines=lines,
                bands=[Band(own.lower, own.upper, ISOTHERM)] if many else [],
                note=note,
                digits=2,
            )
        )
    return charts


def power(site: Site, truths: Truths) -> list[Chart]:
    """Electric power of all cooling, PUE, then the power of each component."""
    found = {variant: series.components_kw(site, truth) for variant, truth in truths.items()}
    times_s = truths[ISOTHERM].times_s

    def chart(title: str, values: Mapping[str, Array]) -> Chart:
        return Chart(
            title=title,
            unit="kW",
            times_s=times_s,
            lines=_lines(truths, values),
        )

    totals = {v: sum(parts.values(), np.zeros(1)) for v, parts in found.items()}
    parts = {name: {v: found[v][name] for v in found} for name in found[ISOTHERM]}
    return [
        chart("Electric power of all cooling", totals),
        _pue(site, truths, totals),
        *(chart(f"Electric power of {TITLES[name]}", values) for name, values in parts.items()),
    ]


TITLES = {
    "chillers": "chillers",
    "towers": "tower fans",
    "pumps": "plant pumps",
    "fans": "CRAH fans",
    "cdus": "CDU pumps",
}


def _pue(site: Site, truths: Truths, cooling_kw: Mapping[str, Array]) -> Chart:
    """(IT + cooling) / IT at each moment."""
    ratios = {}
    for variant, truth in truths.items():
        it = series.it_kw(site, truth)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios[variant] = np.where(it > 0.0, 1.0 + cooling_kw[variant] / it, np.nan)
    return Chart(
        title="PUE",
        unit="(IT + cooling) / IT",
        times_s=truths[ISOTHERM].times_s,
        lines=_lines(truths, ratios),
        note="Cooling only: power distribution and lighting are not part of the simulated plant.",
        digits=4,
    )


def drivers(site: Site, truths: Truths) -> list[Chart]:
    """What the plant had to cope with: IT load, and the weather."""
    truth = truths[ISOTHERM]
    load = Chart(
        title="IT load",
        unit="kW",
        times_s=truth.times_s,
        lines=[Line("all racks", series.it_kw(site, truth), "plain")],
        from_zero=True,
        digits=0,
    )
    outdoor = [
        ("wet bulb", truth.get(site.tag("outdoor", "wet_bulb_temperature")), "plain"),
        ("dry bulb", truth.get(site.tag("outdoor", "dry_bulb_temperature")), FIXED),
    ]
    weather = Chart(
        title="Outdoor temperature",
        unit="°C",
        times_s=truth.times_s,
        lines=[Line(name, v, style) for name, v, style in outdoor if np.isfinite(v).any()],
    )
    return [load, weather]


def _lines(truths: Truths, found: Mapping[str, Array], keep: str = "mean") -> list[Line]:
    """A line a variant on the times of Isotherm's run, Isotherm's drawn last and so on top."""
    times_s = truths[ISOTHERM].times_s
    lines = []
    for variant in (FIXED, GUIDELINE_36, ISOTHERM):
        if variant not in found:
            continue
        own_s, values = truths[variant].times_s, found[variant]
        if not np.array_equal(own_s, times_s):
            values = np.interp(times_s, own_s, values, left=np.nan, right=np.nan)
        lines.append(Line(NAMES[variant], values, variant, keep))
    return lines
