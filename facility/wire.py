"""Frozen dataclasses to plain JSON values and back, for sockets, journals and stores.

Only what `facility` itself declares: dataclasses of numbers, strings, booleans,
None, enums, tuples and mappings of those. Numbers that are not finite are refused
both ways: absence is None.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Any, TypeVar, cast

T = TypeVar("T")


class WireError(ValueError):
    """A value that cannot be sent or a message that does not fit its type."""


def to_wire(value: Any) -> Any:
    """``value`` as JSON-ready lists, dicts, numbers, strings, booleans and None."""
    if value is None or isinstance(value, (bool, str, int)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise WireError(f"{value!r} is not a finite number")
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (tuple, list, frozenset)):
        return [to_wire(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): to_wire(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: to_wire(getattr(value, name)) for name in _fields(type(value))}
    raise WireError(f"a {type(value).__name__} cannot be sent")


def from_wire(kind: type[T], data: Any) -> T:
    """The value of type ``kind`` that `to_wire` made ``data`` from.

    Raises
    ------
    WireError
        ``data`` does not fit ``kind``; the message names the field.
    """
    return cast(T, _parse(kind, data, kind.__name__))


def dumps(value: Any) -> str:
    """``value`` as one line of JSON with sorted keys: equal values give equal text."""
    return json.dumps(to_wire(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


@cache
def _fields(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _parse(kind: Any, data: Any, where: str) -> Any:
    origin = typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        return _parse_union(kind, data, where)
    if origin is tuple:
        return _parse_tuple(kind, data, where)
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(data, dict):
            raise WireError(f"{where}: expected an object, got {data!r}")
        item = typing.get_args(kind)[1]
        return {key: _parse(item, value, f"{where}.{key}") for key, value in data.items()}
    if dataclasses.is_dataclass(kind):
        return _parse_dataclass(cast(type, kind), data, where)
    return _parse_scalar(kind, data, where)


def _parse_union(kind: Any, data: Any, where: str) -> Any:
    options = typing.get_args(kind)
    if data is None:
        if types.NoneType in options:
            return None
        raise WireError(f"{where}: a value is missing")
    others = [option for option in options if option is not types.NoneType]
    return _parse(others[0], data, where)


def _parse_tuple(kind: Any, data: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(data, list):
        raise WireError(f"{where}: expected a list, got {data!r}")
    options = typing.get_args(kind)
    if len(options) == 2 and options[1] is Ellipsis:
        return tuple(_parse(options[0], item, f"{where}[{i}]") for i, item in enumerate(data))
    if len(options) != len(data):
        raise WireError(f"{where}: expected {len(options)} items, got {len(data)}")
    pairs = zip(options, data, strict=True)
    return tuple(_parse(option, item, f"{where}[{i}]") for i, (option, item) in enumerate(pairs))


def _parse_dataclass(kind: type, data: Any, where: str) -> Any:
    if not isinstance(data, dict):
        raise WireError(f"{where}: expected an object, got {data!r}")
    hints = _fields(kind)
    if unknown := sorted(set(data) - set(hints)):
        raise WireError(f"{where}: unknown field {unknown[0]!r}")
    values = {
        name: _parse(hint, data[name], f"{where}.{name}")
        for name, hint in hints.items()
        if name in data
    }
    try:
        return kind(**values)
    except TypeError as error:
        raise WireError(f"{where}: {error}") from None


def _parse_scalar(kind: Any, data: Any, where: str) -> Any:
    if isinstance(kind, type) and issubclass(kind, Enum):
        try:
            return kind(data)
        except ValueError as error:
            raise WireError(f"{where}: {error}") from None
    if kind is float and isinstance(data, (int, float)) and not isinstance(data, bool):
        if not math.isfinite(data):
            raise WireError(f"{where}: {data!r} is not a finite number")
        return float(data)
    if kind is int and isinstance(data, bool):
        raise WireError(f"{where}: expected a whole number, got {data!r}")
    if isinstance(kind, type) and isinstance(data, kind):
        return data
    raise WireError(f"{where}: expected {getattr(kind, '__name__', kind)}, got {data!r}")
