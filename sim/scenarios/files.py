"""Scenarios as TOML files: the library of this package, and files of one's own."""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from facility.clock import from_iso
from sim.plant.climates import CLIMATES
from sim.plant.shapes import MIXES
from sim.scenarios.scenario import (
    HourlyPlan,
    JobStart,
    LoadPlan,
    PlannedFault,
    Scenario,
    WeatherPlan,
    WeatherSpell,
)
from sim.sites import DESIGNS

LIBRARY = Path(__file__).parent / "library"
LOADS = ("generated", "constant", "trace")
WEATHERS = ("generated", "constant", "epw", "swept")

T = TypeVar("T")


class ScenarioError(ValueError):
    """A scenario that is not there or cannot be used: which, what is wrong, how to mend it."""


def names() -> tuple[str, ...]:
    """The names of the library, sorted."""
    return tuple(sorted(path.stem for path in LIBRARY.glob("*.toml")))


def find(name: str) -> Scenario:
    """A scenario of the library by name, or of a file by its path.

    Raises
    ------
    ScenarioError
        There is none of that name (near ones are suggested), or its file is wrong.
    """
    path = LIBRARY / f"{name}.toml"
    if "/" not in name and path.is_file():
        return read(path)
    if name.endswith(".toml"):
        return read(Path(name))
    near = difflib.get_close_matches(name, names(), n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else "`isotherm sim list` shows them all."
    raise ScenarioError(f"there is no scenario {name!r}; {hint}")


def library() -> tuple[Scenario, ...]:
    """All scenarios of the library, by name."""
    return tuple(read(LIBRARY / f"{name}.toml") for name in names())


def read(path: Path) -> Scenario:
    """A scenario from its file; its name is the file's.

    Raises
    ------
    ScenarioError
        The file is absent, no TOML, or holds something that no scenario has.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScenarioError(f"scenario file {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: {error}") from None
    return parse(path.stem, data, str(path))


def parse(name: str, data: Mapping[str, Any], where: str) -> Scenario:
    """A scenario from the content of its file.

    Raises
    ------
    ScenarioError
        Names the field, what is wrong and what would be right.
    """
    top = dict(data)
    load = dict(_table(top.pop("load", {}), f"{where}: [load]"))
    weather = dict(_table(top.pop("weather", {}), f"{where}: [weather]"))
    grid = dict(_table(top.pop("grid", {}), f"{where}: [grid]"))
    jobs = _all(JobStart, load.pop("jobs", []), f"{where}: [[load.jobs]]")
    spells = _all(WeatherSpell, weather.pop("spells", []), f"{where}: [[weather.spells]]")
    faults = _all(PlannedFault, top.pop("faults", []), f"{where}: [[faults]]")
    top |= {
        "name": name,
        "load": _one(LoadPlan, load | {"jobs": jobs}, f"{where}: [load]"),
        "weather": _one(WeatherPlan, weather | {"spells": spells}, f"{where}: [weather]"),
        "price": _hourly(grid.pop("price", {}), f"{where}: [grid.price]"),
        "carbon": _hourly(grid.pop("carbon", {}), f"{where}: [grid.carbon]"),
        "faults": faults,
    }
    if grid:
        raise ScenarioError(f"{where}: [grid] has price and carbon, not {', '.join(grid)}")
    scenario = _one(Scenario, top, where)
    _check(scenario, where)
    return scenario


def _check(scenario: Scenario, where: str) -> None:
    load, weather = scenario.load, scenario.weather
    _known(where, "site", scenario.site, tuple(DESIGNS))
    _known(where, "load.kind", load.kind, LOADS)
    _known(where, "load.mix", load.mix, tuple(MIXES))
    _known(where, "weather.kind", weather.kind, WEATHERS)
    _known(where, "weather.climate", weather.climate, tuple(CLIMATES))
    try:
        from_iso(scenario.start)
    except ValueError:
        raise ScenarioError(f"{where}: start {scenario.start!r} is not a date, UTC") from None
    positive = {"hours": scenario.hours, "load.peak": load.peak}
    positive |= {f"load.jobs {job.start_h:g}: ramp_s": job.ramp_s for job in load.jobs}
    positive |= {f"load.jobs {job.start_h:g}: power_kw": job.power_kw for job in load.jobs}
    if load.kind == "constant":
        positive["load.share"] = load.share
    for name, value in positive.items():
        if not value > 0.0:
            raise ScenarioError(f"{where}: {name} must be above 0, not {value:g}")
    for kind, file in ((load.kind == "trace", load.file), (weather.kind == "epw", weather.file)):
        if kind and not file:
            raise ScenarioError(f"{where}: a trace or an epw needs its file")


def _known(where: str, field: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ScenarioError(f"{where}: {field} {value!r} is unknown; there are {', '.join(known)}")


def _hourly(data: Any, where: str) -> HourlyPlan:
    plan = _one(HourlyPlan, _table(data, where), where)
    if plan.hours and len(plan.hours) != 24:
        raise ScenarioError(f"{where}: hours has {len(plan.hours)} values, not 24")
    if bool(plan.file) != bool(plan.column):
        raise ScenarioError(f"{where}: a file needs its column, and a column its file")
    return plan


def _table(data: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise ScenarioError(f"{where} has to be a table")
    return data


def _all(kind: type[T], data: Any, where: str) -> tuple[T, ...]:
    if not isinstance(data, list):
        raise ScenarioError(f"{where} has to be a list of tables")
    return tuple(_one(kind, _table(item, where), where) for item in data)


def _one(kind: type[T], data: Mapping[str, Any], where: str) -> T:
    """An instance of a dataclass from a table; every field is checked by its type."""
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]  # T is a dataclass
    if unknown := [name for name in data if name not in fields]:
        near = difflib.get_close_matches(unknown[0], fields, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(fields)}"
        raise ScenarioError(f"{where}: there is no field {unknown[0]!r}; {hint}")
    lacking = [
        name
        for name, field in fields.items()
        if name not in data
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if lacking:
        raise ScenarioError(f"{where}: {', '.join(lacking)} missing")
    values = {
        name: _value(str(fields[name].type), value, f"{where}: {name}")
        for name, value in data.items()
    }
    return kind(**values)


def _value(kind: str, value: Any, where: str) -> Any:
    """A value of a field by the name of its type; what is parsed already passes."""
    kind = kind.removesuffix(" | None")
    if kind == "float" and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if kind == "str" and isinstance(value, str):
        return value.strip()
    if kind == "bool" and isinstance(value, bool):
        return value
    if kind == "int" and isinstance(value, int) and not isinstance(value, bool):
        return value
    if kind.startswith("tuple[") and isinstance(value, (list, tuple)):
        inner = kind.removeprefix("tuple[").split(",", maxsplit=1)[0]
        return tuple(_value(inner, item, where) for item in value)
    if kind[:1].isupper():
        return value
    raise ScenarioError(f"{where} has to be a {kind}, not {value!r}")
