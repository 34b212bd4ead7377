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
from collections.abc import Callable, Mapping
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
        if set(map(type, value)) == {float} and all(map(math.isfinite, value)):
            return list(value)  # a row of a table, of which a plan has thousands of numbers
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
    try:
        return cast(T, _parser(cast(Any, kind))(data))
    except _Misfit as misfit:
        raise WireError(f"{kind.__name__}{misfit.where}: {misfit.text}") from None


def dumps(value: Any) -> str:
    """``value`` as one line of JSON with sorted keys: equal values give equal text."""
    return json.dumps(to_wire(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


@cache
def _fields(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


@cache
def _parser(kind: Any) -> Callable[[Any], Any]:
    """What makes a value of ``kind``; put together once a type, for a snapshot has thousands.

    A parser tells of a misfit below itself only; whoever calls it says where that is.
    """
    origin = typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        return _union_parser(kind)
    if origin is tuple:
        return _tuple_parser(kind)
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping_parser(_parser(typing.get_args(kind)[1]))
    if dataclasses.is_dataclass(kind):
        return _dataclass_parser(cast(type, kind))
    return _scalar_parser(kind)


def _union_parser(kind: Any) -> Callable[[Any], Any]:
    options = typing.get_args(kind)
    may_be_none = types.NoneType in options
    parse = _parser(next(option for option in options if option is not types.NoneType))

    def parse_union(data: Any) -> Any:
        if data is not None:
            return parse(data)
        if may_be_none:
            return None
        raise _Misfit("a value is missing")

    return parse_union


def _tuple_parser(kind: Any) -> Callable[[Any], Any]:
    options = typing.get_args(kind)
    if len(options) == 2 and options[1] is Ellipsis:
        return _list_parser(_parser(options[0]))
    parsers = [_parser(option) for option in options]

    def parse_tuple(data: Any) -> tuple[Any, ...]:
        if not isinstance(data, list):
            raise _Misfit(f"expected a list, got {data!r}")
        if len(parsers) != len(data):
            raise _Misfit(f"expected {len(parsers)} items, got {len(data)}")
        return tuple(_within(f"[{i}]", parsers[i], item) for i, item in enumerate(data))

    return parse_tuple


def _list_parser(parse: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def parse_list(data: Any) -> tuple[Any, ...]:
        if not isinstance(data, list):
            raise _Misfit(f"expected a list, got {data!r}")
        try:
            return tuple(map(parse, data))
        except _Misfit:  # once more, counting
            return tuple(_within(f"[{i}]", parse, item) for i, item in enumerate(data))

    return parse_list


def _mapping_parser(parse: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def parse_mapping(data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise _Misfit(f"expected an object, got {data!r}")
        return {key: _within(f".{key}", parse, value) for key, value in data.items()}

    return parse_mapping


def _dataclass_parser(kind: type) -> Callable[[Any], Any]:
    parsers: dict[str, tuple[str, Callable[[Any], Any]]] = {}

    def parse_dataclass(data: Any) -> Any:
        if not isinstance(data, dict):
            raise _Misfit(f"expected an object, got {data!r}")
        if not parsers:  # not before it is needed: a type may hold its own kind
            parsers.update({n: (f".{n}", _parser(hint)) for n, hint in _fields(kind).items()})
        values = {}
        for name, value in data.items():
            known = parsers.get(name)
            if known is None:
                strangers = sorted(set(data) - set(parsers))
                raise _Misfit(f"unknown field {strangers[0]!r}")
            try:
                values[name] = known[1](value)
            except _Misfit as misfit:
                raise misfit.within(known[0]) from None
        try:
            return kind(**values)
        except TypeError as error:
            raise _Misfit(str(error)) from None

    return parse_dataclass


def _scalar_parser(kind: Any) -> Callable[[Any], Any]:
    if kind is float:
        return _float
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _enum_parser(kind)

    def parse_scalar(data: Any) -> Any:
        if kind is int and isinstance(data, bool):
            raise _Misfit(f"expected a whole number, got {data!r}")
        if isinstance(kind, type) and isinstance(data, kind):
            return data
        raise _Misfit(f"expected {getattr(kind, '__name__', kind)}, got {data!r}")

    return parse_scalar


def _enum_parser(kind: type[Enum]) -> Callable[[Any], Any]:
    def parse_enum(data: Any) -> Enum:
        try:
            return kind(data)
        except ValueError as error:
            raise _Misfit(str(error)) from None

    return parse_enum


def _float(data: Any) -> float:
    if not isinstance(data, (int, float)) or isinstance(data, bool):
        raise _Misfit(f"expected float, got {data!r}")
    try:
        value = float(data)
    except OverflowError:
        raise _Misfit("a number beyond what a float holds") from None
    if not math.isfinite(value):
        raise _Misfit(f"{data!r} is not a finite number")
    return value


class _Misfit(Exception):
    """Data that do not fit, and where below the value that is being parsed."""

    def __init__(self, text: str, where: str = "") -> None:
        super().__init__(text)
        self.text, self.where = text, where

    def within(self, place: str) -> _Misfit:
        """The same, seen from further out."""
        return _Misfit(self.text, place + self.where)


def _within(place: str, parse: Callable[[Any], Any], data: Any) -> Any:
    try:
        return parse(data)
    except _Misfit as misfit:
        raise misfit.within(place) from None
