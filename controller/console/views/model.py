"""The model that plans: where it came from and how good it was on data that it had not seen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from controller.console.render import Facts

UNITS = {"_k": "K", "_kw": "kW", "_per_k": "per K"}
LEAD = re.compile(r"(?P<kind>[a-z]+)_(?P<minutes>\d+)min_(?P<what>.+)")
WORDS = {
    "rmse": "root mean square error",
    "forecast_rmse": "the same with the load forecast, not known",
    "over_persistence": "error over that of «as it is now»",
}


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of the card."""

    name: str
    value: float
    unit: str


@dataclass(frozen=True, slots=True)
class Card:
    """A model's card for the page."""

    version: str
    rows: tuple[tuple[str, str], ...]
    temperatures: tuple[Metric, ...]
    powers: tuple[Metric, ...]
    others: tuple[Metric, ...]
    first_s: float
    last_s: float
    trained_s: float
    notes: tuple[str, ...]


def card(facts: Facts) -> Card | None:
    """The card, or None where there is no model."""
    data = facts.model_card
    if not data:
        return None
    metrics = [_metric(name, value) for name, value in data["metrics"].items()]
    names = list(data["metrics"])
    thermal = [m for n, m in zip(names, metrics, strict=True) if LEAD.fullmatch(n)]
    power = [m for n, m in zip(names, metrics, strict=True) if n.endswith("_rmse_kw")]
    rest = [m for m in metrics if m not in thermal and m not in power]
    return Card(
        version=facts.model_version,
        rows=_rows(data),
        temperatures=tuple(thermal),
        powers=tuple(power),
        others=tuple(rest),
        first_s=float(data["first_s"]),
        last_s=float(data["last_s"]),
        trained_s=float(data["trained_s"]),
        notes=tuple(data.get("notes", ())),
    )


def _rows(data: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return (
        ("site", str(data["site"])),
        ("history, SHA-256", str(data["data_hash"])),
        ("code, SHA-256", str(data["code_hash"])),
        ("seed", str(data["seed"])),
    )


def _metric(name: str, value: float) -> Metric:
    unit = next((u for end, u in UNITS.items() if name.endswith(end)), "")
    bare = name.removesuffix("_kw").removesuffix("_per_k").removesuffix("_k")
    if found := LEAD.fullmatch(bare):
        kind = {"liquid": "liquid-cooled racks", "air": "air-cooled racks"}.get(
            found["kind"], found["kind"]
        )
        what = WORDS.get(found["what"], found["what"].replace("_", " "))
        return Metric(f"{kind}, {found['minutes']} min ahead: {what}", value, unit)
    if bare.endswith("_rmse"):
        return Metric(bare.removesuffix("_rmse").replace("_", " "), value, unit)
    return Metric(bare.replace("_", " "), value, unit)
