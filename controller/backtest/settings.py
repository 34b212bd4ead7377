"""Other settings of the planner, from a TOML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

from controller.backtest.record import BacktestError
from controller.planning.settings import PlanningSettings
from facility.toml_file import read_toml


def read_settings(path: Path) -> PlanningSettings:
    """The settings of a file; where it says nothing, those that run live.

    Raises
    ------
    BacktestError
        Every mistake of the file at once.
    """
    given = read_toml(path, BacktestError)
    return settings_of(given, path.name)


def settings_of(given: Mapping[str, Any], name: str) -> PlanningSettings:
    """Settings from plain values; ``name`` is said in errors."""
    known = {field.name: field.default for field in fields(PlanningSettings)}
    hints = get_type_hints(PlanningSettings)
    optional = {name for name, hint in hints.items() if NoneType in get_args(hint)}
    wrong = [f"{name}: {key} is no setting of the planner" for key in given if key not in known]
    wrong += [
        f"{name}: {key} has to be {_shape(known[key])}"
        for key, value in given.items()
        if key in known and not (key in optional and value is None) and not _fits(value, known[key])
    ]
    if wrong:
        raise BacktestError("\n".join([*wrong, f"there are {', '.join(known)}"]))
    values: dict[str, Any] = {
        key: tuple(value)
        if isinstance(value, list)
        else float(value)
        if isinstance(known[key], float) and value is not None
        else value
        for key, value in given.items()
    }
    try:
        return PlanningSettings(**values)
    except ValueError as error:
        raise BacktestError(f"{name}: {error}") from None


def plain(settings: PlanningSettings) -> dict[str, Any]:
    """JSON values that `settings_of` takes."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(settings).items()}


def _shape(default: Any) -> str:
    if isinstance(default, tuple):
        return "a list of integers above 0"
    if isinstance(default, bool):
        return "true or false"
    return "an integer above 0" if isinstance(default, int) else "a number, not below 0"


def _fits(value: Any, default: Any) -> bool:
    if isinstance(default, tuple):
        return isinstance(value, list) and bool(value) and all(_fits(v, 1) for v in value)
    if isinstance(default, bool):
        return isinstance(value, bool)
    if isinstance(default, int):
        return isinstance(value, int) and not isinstance(value, bool) and value >= 1
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0.0
