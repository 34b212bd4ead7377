"""Scripts for the envelope's playground: TOML, or JSON lines with the same fields.

A script has a start and steps, in order::

    start = "2026-07-01T12:00:00Z"        # optional; the plant time of the first step

    [readings]                            # before the first step; * stands for any text
    "*.case_temperature" = 55.0
    "hall.dew_point_temperature" = 14.0

    [[step]]
    command = { actuator = "cdu-1.tcs_supply_temperature_setpoint", value = 29.0 }
    expect = { outcome = "limit", check = "rate" }   # optional: else exit status 1

Each step may have, and does in this order:

``after_s``
    Seconds since the step before (default 0). Readings are renewed, unless ``fresh = false``.
``readings``
    By tag or pattern: a number, one of stale, bad, absent, frozen, or
    ``{ value = 30.0, quality = "good", age_s = 20.0 }``.
``modes``
    By actuator or pattern: off, shadow, advisory, automatic (at the start: automatic).
``devices``
    By device or pattern: armed, local (at the start), away.
``lock_out``, ``unlock``
    By actuator why; a list of actuators.
``release``, ``restart``
    A device that is given back; true: the gateway starts again with what it remembers.
``decide``
    ``{ id, origin, moves = { ACTUATOR = [NOW, PROPOSED] }, lasts_s }``.
``override``, ``end_override``
    ``{ id, actuator, value, lasts_s }``; the id of one.
``command``
    ``{ actuator, value, origin, authority, age_s, lasts_s }``. Origin is optimiser, person or
    safety (default optimiser). Without an authority a decision that covers exactly this move is
    made first. A device that is not armed is armed first, as the gateway does it.
``stage``
    ``{ unit, on }``: may the plant's sequencer start (true) or stop this chiller now?
``scan``
    True: judge every value in force.
``expect``
    Of the command or stage: ``outcome`` (allow, limit, refuse), ``value``, ``check``; of a scan:
    ``{ corrections = [[ACTUATOR, ACTION, CHECK]] }``.

In JSON lines each line is a step; a first line without a step's fields holds start and readings.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facility.clock import from_iso
from facility.telemetry import Quality

DEFAULT_START = "2026-07-01T12:00:00Z"
FIELDS: dict[str, type | tuple[type, ...]] = {
    "after_s": (int, float),
    "fresh": bool,
    "readings": dict,
    "modes": dict,
    "devices": dict,
    "lock_out": dict,
    "unlock": list,
    "release": str,
    "restart": bool,
    "decide": dict,
    "override": dict,
    "end_override": str,
    "command": dict,
    "stage": dict,
    "scan": bool,
    "expect": dict,
    "note": str,
}
PARTS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "decide": {"id": str, "origin": str, "moves": dict, "lasts_s": (int, float)},
    "override": {"id": str, "actuator": str, "value": (int, float), "lasts_s": (int, float)},
    "command": {
        "actuator": str,
        "value": (int, float),
        "origin": str,
        "authority": str,
        "age_s": (int, float),
        "lasts_s": (int, float),
    },
    "stage": {"unit": str, "on": bool},
    "expect": {"outcome": str, "value": (int, float), "check": str, "corrections": list},
}
NEEDED = {
    "decide": ("id", "moves"),
    "override": ("id", "actuator", "value"),
    "command": ("actuator", "value"),
    "stage": ("unit", "on"),
    "expect": (),
}


class ScriptError(ValueError):
    """A script that cannot be played; the message says where, what is wrong and the mend."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A reading as a script gives it."""

    value: float | None
    quality: Quality = Quality.GOOD
    age_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its fields as they stand in the script, checked for name and type."""

    number: int
    fields: Mapping[str, Any]
    readings: Mapping[str, Shown] = field(default_factory=dict)
    """By tag or pattern."""

    @property
    def after_s(self) -> float:
        """Seconds since the step before."""
        return float(self.fields.get("after_s", 0.0))


@dataclass(frozen=True, slots=True)
class Script:
    """A checked script."""

    start_s: float
    steps: tuple[Step, ...]


def read_script(path: Path) -> Script:
    """The script in a ``.toml`` or ``.jsonl`` file.

    Raises
    ------
    ScriptError
        It cannot be read, or a field is unknown, missing or of the wrong kind.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise ScriptError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ScriptError(f"{path}: cannot be read: {error}") from None
    head, steps = _json_lines(path, text) if path.suffix == ".jsonl" else _toml(path, text)
    unknown = sorted(set(head) - {"start", "readings"})
    if unknown:
        raise ScriptError(f"{path}: unknown field {unknown[0]!r}; start, readings and step exist")
    try:
        start_s = from_iso(head.get("start", DEFAULT_START))
    except (ValueError, TypeError, AttributeError):
        raise ScriptError(
            f"{path}: start must be a time such as {DEFAULT_START!r}, not {head['start']!r}"
        ) from None
    if not steps:
        raise ScriptError(f"{path}: there is no step; begin one with [[step]]")
    first = {"readings": head["readings"]} if "readings" in head else {}
    start = _step(f"{path}: at the start", 0, first)
    return Script(
        start_s, (start, *(_step(f"{path}: step {n}", n, each) for n, each in enumerate(steps, 1)))
    )


def _toml(path: Path, text: str) -> tuple[dict[str, Any], Sequence[Any]]:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScriptError(f"{path}: not TOML: {error}") from None
    steps = data.pop("step", [])
    if not isinstance(steps, list):
        raise ScriptError(f"{path}: write each step as [[step]], with two brackets")
    return data, steps


def _json_lines(path: Path, text: str) -> tuple[dict[str, Any], Sequence[Any]]:
    steps: list[Any] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            steps.append(json.loads(line))
        except ValueError as error:
            raise ScriptError(f"{path}: line {number} is not JSON: {error}") from None
    first = steps[0] if steps else None
    if isinstance(first, dict) and set(first) <= {"start", "readings"}:
        return first, steps[1:]
    return {}, steps


def _step(where: str, number: int, data: Any) -> Step:
    if not isinstance(data, dict):
        raise ScriptError(f"{where}: must be a table of fields, not {data!r}")
    _check_fields(where, data, FIELDS)
    for name, fields in PARTS.items():
        if name in data:
            _check_fields(f"{where}: {name}", data[name], fields)
            missing = [each for each in NEEDED[name] if each not in data[name]]
            if missing:
                raise ScriptError(f"{where}: {name} needs {missing[0]!r}")
    if data.get("after_s", 0) < 0:
        raise ScriptError(f"{where}: after_s must be 0 or more; time does not go back")
    if "command" in data and "stage" in data:
        raise ScriptError(f"{where}: a command and a stage are two steps")
    if "expect" in data and not data.keys() & {"command", "stage", "scan"}:
        raise ScriptError(f"{where}: expect belongs to a command, a stage or a scan")
    readings = {
        tag: _shown(f"{where}: reading {tag!r}", given)
        for tag, given in data.get("readings", {}).items()
    }
    return Step(number, data, readings)


def _check_fields(
    where: str, data: Mapping[str, Any], fields: Mapping[str, type | tuple[type, ...]]
) -> None:
    for name, value in data.items():
        if name not in fields:
            known = ", ".join(sorted(fields))
            raise ScriptError(f"{where}: unknown field {name!r}; there are {known}")
        kinds = fields[name]
        if not isinstance(value, kinds) or (isinstance(value, bool) and kinds is not bool):
            kind = kinds if isinstance(kinds, type) else float
            words = {float: "a number", str: "a text", bool: "true or false", list: "a list"}
            raise ScriptError(
                f"{where}: {name} must be {words.get(kind, 'a table')}, not {value!r}"
            )


def _shown(where: str, given: Any) -> Shown:
    if isinstance(given, (int, float)) and not isinstance(given, bool):
        return Shown(float(given))
    if isinstance(given, str):
        return Shown(None, _quality(where, given))
    if isinstance(given, dict):
        kinds: dict[str, type | tuple[type, ...]] = {
            "value": (int, float), "quality": str, "age_s": (int, float)
        }  # fmt: skip
        _check_fields(where, given, kinds)
        value = given.get("value")
        quality = _quality(where, given.get("quality", "good"))
        age_s = float(given.get("age_s", 0.0))
        if not math.isfinite(age_s):
            raise ScriptError(f"{where}: age_s must be a finite number")
        return Shown(None if value is None else float(value), quality, age_s)
    raise ScriptError(
        f"{where}: must be a number, a quality, or {{ value, quality, age_s }}, not {given!r}"
    )


def _quality(where: str, name: str) -> Quality:
    try:
        return Quality(name)
    except ValueError:
        known = ", ".join(each.value for each in Quality)
        raise ScriptError(f"{where}: there is no quality {name!r}; there are {known}") from None
