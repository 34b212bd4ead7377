"""The indicators of ISO/IEC 30134 and the fields of the EU's yearly report, over a period.

What the site's meters give is counted; what only people know (water bills, contracts, floor area)
comes from a file of declared values with its source; what is neither stays absent, with a word on
what would give it. Nothing is estimated.

Names after ISO/IEC 30134-2 (PUE), -3 (REF), -6 (ERF), -8 (CUE), -9 (WUE), and Annexes I and II of
Commission Delegated Regulation (EU) 2024/1364.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from controller.evaluation.savings.hourly import Hourly, of_site
from facility.equipment import RackKind
from facility.site import Site
from facility.toml_file import read_toml

PUE_CATEGORIES = {
    1: "IT measured at the output of the UPS",
    2: "IT measured at the output of the power distribution units",
    3: "IT measured at the input of the IT equipment",
}
"""ISO/IEC 30134-2: where IT energy is measured."""
CDD_BASE_C, CDD_FROM_C = 21.0, 24.0
"""Eurostat's cooling degree days: of days with a mean above 24 °C, their excess over 21 °C."""

DECLARED = {
    "pue_category": "1, 2 or 3",
    "total_kwh": "electricity of the whole data centre",
    "water_m3": "all water taken in",
    "potable_water_m3": "of it, potable",
    "heat_reused_kwh": "waste heat used outside the data centre",
    "waste_heat_c": "mean temperature of the waste heat",
    "renewable_kwh": "electricity from renewable sources, all kinds",
    "renewable_guarantees_kwh": "of it, by guarantees of origin",
    "renewable_contracts_kwh": "of it, by power purchase agreements",
    "renewable_on_site_kwh": "of it, made on site",
    "floor_area_m2": "floor area of the data centre",
    "computer_room_area_m2": "floor area of its computer rooms",
    "battery_kw": "mean capacity of batteries available to the grid",
    "grid_functions": "services given to the grid, in words",
    "refrigerants": "types, in words",
}
WORDS = {"grid_functions", "refrigerants"}


class DeclaredError(Exception):
    """A file of declared values that cannot be used: every mistake, with its mend."""


@dataclass(frozen=True)
class Declared:
    """What people declared: values by name, and where each comes from."""

    values: Mapping[str, float | str]
    sources: Mapping[str, str]

    def number(self, name: str) -> float | None:
        """A declared number, or None."""
        value = self.values.get(name)
        return None if value is None or isinstance(value, str) else value


NOTHING_DECLARED = Declared({}, {})


@dataclass(frozen=True)
class Indicator:
    """A figure by its name in the standard."""

    name: str
    meaning: str
    value: float | str | None
    unit: str
    source: str
    """How it was counted; of an absent one, what would give it."""


def read_declared(path: Path | None) -> Declared:
    """Tables of ``value`` and ``source`` under the names of `DECLARED`.

    Raises
    ------
    DeclaredError
        The file cannot be read, or an entry is unknown, incomplete or of the wrong kind.
    """
    if path is None:
        return NOTHING_DECLARED
    data = read_toml(path, DeclaredError)
    wrong = []
    for name, entry in data.items():
        problem = _problem(name, entry)
        if problem:
            wrong.append(f"{path.name}, {name}: {problem}")
    if wrong:
        raise DeclaredError("\n".join(wrong))
    values = {k: e["value"] if k in WORDS else float(e["value"]) for k, e in data.items()}
    return Declared(values, {k: str(e["source"]) for k, e in data.items()})


def _problem(name: str, entry: object) -> str:
    if name not in DECLARED:
        return f"not known; there are {', '.join(DECLARED)}"
    if not isinstance(entry, dict) or set(entry) != {"value", "source"}:
        return f'write it as {name} = {{ value = ..., source = "..." }}'
    if not str(entry["source"]).strip():
        return "its source is empty"
    value = entry["value"]
    if name in WORDS:
        return "" if isinstance(value, str) and value.strip() else "its value has to be words"
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0.0:
        return "its value has to be a number that is not negative"
    if name == "pue_category" and value not in PUE_CATEGORIES:
        return "its value has to be 1, 2 or 3"
    return ""


def indicators(
    site: Site, frame: pd.DataFrame, declared: Declared = NOTHING_DECLARED
) -> tuple[Indicator, ...]:
    """All indicators and fields over the whole hours of a table of the site's tags.

    Raises
    ------
    HourlyError
        The table lacks the meters.
    """
    hours = of_site(site, frame)
    it_kwh, cooling_kwh = float(hours.it_kw.sum()), float(hours.cooling_kw.sum())
    total_kwh = declared.number("total_kwh")
    counted = "from the site's meters, whole hours"
    found = [
        Indicator("E_IT", "energy of the IT equipment", it_kwh, "kWh", counted),
        Indicator("pPUE, cooling", "(IT + cooling) / IT", 1.0 + cooling_kwh / it_kwh, "", counted),
        Indicator("E_cooling", "electricity of cooling", cooling_kwh, "kWh", counted),
        _of(declared, "E_DC", "total_kwh", "kWh"),
        _pue(declared, total_kwh, it_kwh),
        _ratio(declared, "WUE", "water_m3", it_kwh, "L/kWh", 1000.0),
        _carbon(site, total_kwh, it_kwh, cooling_kwh),
        _ratio(declared, "ERF", "heat_reused_kwh", total_kwh, ""),
        _ratio(declared, "REF", "renewable_kwh", total_kwh, ""),
        Indicator(
            "PD_IT", "installed IT power",
            sum(rack.rated_kw for rack in site.racks.values()), "kW", "ratings in site.toml",
        ),
        _of(declared, "S_DC", "floor_area_m2", "m²"),
        _of(declared, "S_CR", "computer_room_area_m2", "m²"),
        _of(declared, "W_IN", "water_m3", "m³"),
        _of(declared, "W_IN-POT", "potable_water_m3", "m³"),
        _of(declared, "E_REUSE", "heat_reused_kwh", "kWh"),
        _of(declared, "T_WH", "waste_heat_c", "°C"),
        _intake(site, frame),
        _of(declared, "refrigerants", "refrigerants", ""),
        _degree_days(site, frame),
        _of(declared, "E_RES-TOT", "renewable_kwh", "kWh"),
        _of(declared, "E_RES-GOO", "renewable_guarantees_kwh", "kWh"),
        _of(declared, "E_RES-PPA", "renewable_contracts_kwh", "kWh"),
        _of(declared, "E_RES-OS", "renewable_on_site_kwh", "kWh"),
        _of(declared, "C_BtG", "battery_kw", "kW"),
        _of(declared, "grid functions", "grid_functions", ""),
    ]  # fmt: skip
    return (*found, _coverage(hours))


def _of(declared: Declared, name: str, key: str, unit: str) -> Indicator:
    value = declared.values.get(key)
    source = declared.sources.get(key, f"absent: declare {key}")
    return Indicator(name, DECLARED[key], value, unit, source)


def _pue(declared: Declared, total_kwh: float | None, it_kwh: float) -> Indicator:
    meaning = "E_DC / E_IT (a year's figure; this is of the period)"
    category = declared.number("pue_category")
    if total_kwh is None or category is None:
        need = [k for k in ("total_kwh", "pue_category") if declared.number(k) is None]
        return Indicator("PUE", meaning, None, "", f"absent: declare {' and '.join(need)}")
    where = PUE_CATEGORIES[int(category)]
    name = f"PUE{int(category)}"
    return Indicator(name, meaning, total_kwh / it_kwh, "", f"category {int(category)}: {where}")


def _ratio(
    declared: Declared, name: str, key: str, base: float | None, unit: str, scale: float = 1.0
) -> Indicator:
    value = declared.number(key)
    meaning = f"{DECLARED[key]}, over {'E_IT' if name == 'WUE' else 'E_DC'}"
    if value is None or not base:
        need = [key] if value is None else []
        need += [] if base else ["total_kwh"]
        return Indicator(name, meaning, None, unit, f"absent: declare {' and '.join(need)}")
    return Indicator(name, meaning, scale * value / base, unit, declared.sources[key])


def _carbon(site: Site, total_kwh: float | None, it_kwh: float, cooling_kwh: float) -> Indicator:
    meaning = "carbon of the electricity over E_IT"
    used = it_kwh + cooling_kwh if total_kwh is None else total_kwh
    kg = used * site.tariff.carbon_g_per_kwh / 1000.0
    what = "IT and cooling alone" if total_kwh is None else "E_DC"
    source = f"{what}, at the site's {site.tariff.carbon_g_per_kwh:g} g/kWh"
    return Indicator("CUE", meaning, kg / it_kwh, "kg/kWh", source)


def _intake(site: Site, frame: pd.DataFrame) -> Indicator:
    tags = [
        actuator.read_back
        for actuator in site.actuators.values()
        if actuator.quantity == "supply_air_temperature_setpoint" and actuator.read_back in frame
    ]
    meaning = "mean setpoint of the air that IT takes in"
    if not tags or not any(rack.kind is RackKind.AIR for rack in site.racks.values()):
        return Indicator("T_IN", meaning, None, "°C", "absent: no air setpoint among the data")
    value = float(np.nanmean(frame[tags].to_numpy(float)))
    return Indicator("T_IN", meaning, value, "°C", "setpoints in force of the CRAHs")


def _degree_days(site: Site, frame: pd.DataFrame) -> Indicator:
    meaning = "cooling degree days"
    tag = site.tag("outdoor", "dry_bulb_temperature")
    if tag is None or tag not in frame:
        return Indicator("CDD", meaning, None, "°C·d", "absent: no outdoor dry bulb in the data")
    days = frame[tag].resample("1D").mean().dropna()
    warm = days[days > CDD_FROM_C]
    source = "the site's own sensor; base 21 °C, days with a mean above 24 °C (Eurostat)"
    return Indicator("CDD", meaning, float((warm - CDD_BASE_C).sum()), "°C·d", source)


def _coverage(hours: Hourly) -> Indicator:
    whole = len(hours) + hours.absent
    share = 100.0 * len(hours) / whole if whole else 0.0
    return Indicator("coverage", "hours with whole data", share, "%", f"{len(hours)} of {whole}")
