"""The model that plans: where it came from and how good it was on data that it had not seen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from controller.service.context import Model

AHEAD = re.compile(
    r"(?P<kind>.+)_(?P<minutes>\d+)min_(?P<what>rmse_k|forecast_rmse_k|over_persistence)"
)
KINDS = {"liquid": "liquid-cooled racks", "air": "air-cooled racks"}
POWER, PER_K = "_rmse_kw", "_per_k"


@dataclass(frozen=True, slots=True)
class Ahead:
    """Errors of temperatures so far ahead; None where the card does not tell."""

    kind: str
    minutes: int
    known_load_k: float | None
    """Root mean square, with the load known."""
    forecast_load_k: float | None
    """The same with the load forecast."""
    over_persistence: float | None
    """Over the error of «it stays as it is»: below 1 is better."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of the card."""

    name: str
    value: float
    unit: str
    digits: int


@dataclass(frozen=True, slots=True)
class Card:
    """A model's card for the page."""

    version: str
    rows: tuple[tuple[str, str], ...]
    temperatures: tuple[Ahead, ...]
    powers: tuple[Metric, ...]
    others: tuple[Metric, ...]
    first_s: float
    last_s: float
    trained_s: float
    notes: tuple[str, ...]


def card(model: Model) -> Card:
    """The card of the model that plans."""
    data = model.card
    metrics: Mapping[str, float] = data["metrics"]
    ahead: dict[tuple[str, int], dict[str, float]] = {}
    powers, others = [], []
    for name, value in metrics.items():
        if found := AHEAD.fullmatch(name):
            ahead.setdefault((found["kind"], int(found["minutes"])), {})[found["what"]] = value
        elif name.endswith(POWER):
            powers.append(Metric(_plain(name.removesuffix(POWER)), value, "kW", 2))
        else:
            unit = "per K" if name.endswith(PER_K) else ""
            others.append(Metric(_plain(name.removesuffix(PER_K)), value, unit, 4))
    return Card(
        version=model.version,
        rows=_rows(data),
        temperatures=tuple(_ahead(*key, ahead[key]) for key in sorted(ahead)),
        powers=tuple(powers),
        others=tuple(others),
        first_s=float(data["first_s"]),
        last_s=float(data["last_s"]),
        trained_s=float(data["trained_s"]),
        notes=tuple(data.get("notes", ())),
    )


def _ahead(kind: str, minutes: int, found: Mapping[str, float]) -> Ahead:
    return Ahead(
        KINDS.get(kind, _plain(kind)),
        minutes,
        found.get("rmse_k"),
        found.get("forecast_rmse_k"),
        found.get("over_persistence"),
    )


def _plain(name: str) -> str:
    words = {"cdu": "CDU", "crah": "CRAH", "fws": "FWS", "it": "IT"}
    return " ".join(words.get(word, word) for word in name.split("_"))


def _rows(data: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return (
        ("site", str(data["site"])),
        ("history, SHA-256", str(data["data_hash"])),
        ("code, SHA-256", str(data["code_hash"])),
        ("seed", str(data["seed"])),
    )
