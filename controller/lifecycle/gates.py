"""What a model must show before it is put into use: written down, in a file, with defaults.

There is no way around them. Who wants other gates writes them into the file, and the file's
content is recorded with the promotion.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from facility.toml_file import read_toml
from models.evaluation import Evaluation


class GatesError(ValueError):
    """The file of gates cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Gates:
    """Bounds on the figures of `models.evaluation`, each of air and of liquid where there are both.

    The defaults are our own: from what the models reach on simulated halls, with room for a
    real one's. A margin of 99 % is asked for 95, since a few days hold few extremes.
    """

    over_persistence_5min: float = 0.80
    """RMSE over that of persistence, at most."""
    over_persistence_30min: float = 0.60
    over_persistence_60min: float = 0.50
    band_90_coverage: float = 0.80
    """Share of readings within the 90 % band an hour ahead, at least."""
    margin_99_coverage: float = 0.95
    """Share of moments at which a group's hottest rack was within its margin, at least."""
    wrong_signs: float = 0.0
    """Answers to warmer supply or more flow that have the wrong sign, at most."""
    power_cv_rmse: float = 0.25
    """Of the cooling's power, share of its mean, at most."""
    power_nmbe: float = 0.10
    """Size of the mean error of the cooling's power, share of its mean, at most."""
    over_champion: float = 1.05
    """RMSE an hour ahead over that of the model in use, on the same history, at most."""
    hours: float = 24.0
    """Length of the history that it is judged on, at least."""

    @property
    def digest(self) -> str:
        """Short hash of all bounds."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one gate was passed or missed."""

    gate: str
    passed: bool
    text: str


def read_gates(path: Path | None) -> Gates:
    """The gates of a TOML file (table ``gates``), the defaults where it says nothing.

    Raises
    ------
    GatesError
        The file cannot be read, or names what is no gate.
    """
    if path is None:
        return Gates()
    given = read_toml(path, GatesError).get("gates")
    known = [field.name for field in fields(Gates)]
    if not isinstance(given, dict):
        raise GatesError(f"{path}: it has no table [gates]; its keys are {', '.join(known)}")
    problems = [f"{path.name}: {name} is no gate" for name in given if name not in known]
    problems += [
        f"{path.name}: {name} has to be a number of 0 or more, not {value!r}"
        for name, value in given.items()
        if name in known
        and (isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0.0)
    ]
    if problems:
        raise GatesError("\n".join([*problems, f"there are {', '.join(known)}"]))
    return Gates(**{name: float(value) for name, value in given.items()})


def judge(gates: Gates, own: Evaluation, champion: Evaluation | None) -> tuple[Verdict, ...]:
    """Every gate's verdict on a model.

    Parameters
    ----------
    own
        On a history that it was not trained on.
    champion
        Of the model in use on the same history; None where none is in use.
    """
    verdicts = [
        Verdict(
            "held_out",
            own.held_out,
            "the history is none of its own training"
            if own.held_out
            else "the history overlaps what it was trained on: judge it on other days",
        ),
        _at_least("hours", (own.last_s - own.first_s) / 3600.0 + 1.0 / 60.0, gates.hours, "h"),
    ]
    verdicts += _figures(gates, own.metrics)
    if champion is not None:
        verdicts += _against(gates, own, champion)
    return tuple(verdicts)


def _figures(gates: Gates, metrics: Mapping[str, float]) -> Iterator[Verdict]:
    skilled = False
    for minutes in (5, 30, 60):
        most = float(getattr(gates, f"over_persistence_{minutes}min"))
        for kind in ("air", "liquid"):
            name = f"{kind}_{minutes}min_over_persistence"
            if name in metrics:
                skilled = True
                yield _at_most(name, metrics[name], most)
    if not skilled:
        yield Verdict("over_persistence", False, "no temperature was measured to judge it by")
    for name in ("band_90_coverage", "margin_99_coverage"):
        if name in metrics:
            yield _at_least(name, metrics[name], float(getattr(gates, name)))
        else:
            yield Verdict(name, False, "could not be counted on this history")
    yield _at_most("wrong_signs", metrics["wrong_signs"], gates.wrong_signs)
    if "power_cv_rmse" in metrics:
        yield _at_most("power_cv_rmse", metrics["power_cv_rmse"], gates.power_cv_rmse)
        yield _at_most("power_nmbe", abs(metrics["power_nmbe"]), gates.power_nmbe)
    else:
        yield Verdict("power", False, "no electric meter of the cooling is in this history")


def _against(gates: Gates, own: Evaluation, champion: Evaluation) -> Iterator[Verdict]:
    if own.data_hash != champion.data_hash:
        raise ValueError("two models are compared on the same history only")
    for kind in ("air", "liquid"):
        name = f"{kind}_60min_rmse_k"
        if name in own.metrics and name in champion.metrics:
            ratio = own.metrics[name] / max(champion.metrics[name], 1e-6)
            yield _at_most(f"{kind}_over_champion", ratio, gates.over_champion)


def _at_most(name: str, value: float, most: float) -> Verdict:
    return Verdict(name, value <= most, f"{value:.3g}, at most {most:g}")


def _at_least(name: str, value: float, least: float, unit: str = "") -> Verdict:
    return Verdict(name, value >= least, f"{value:.3g}{unit and ' '}{unit}, at least {least:g}")


def to_json(verdicts: tuple[Verdict, ...]) -> list[dict[str, Any]]:
    """Plain values, for the registry's record."""
    return [asdict(verdict) for verdict in verdicts]
