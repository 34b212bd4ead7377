"""Two results, value by value: equal in every bit, within a tolerance, or different and where."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

TOLERANCE = 1e-9
"""Relative to the larger of the value and 1: what another processor's rounding may do."""
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Comparison:
    """How far a recomputed result is from the recorded one."""

    exact: bool
    """Equal in every bit."""
    largest: float
    """Largest relative difference of a number; infinite where something else differs."""
    where: tuple[str, ...]
    """The first places that differ, with both values."""

    @property
    def within(self) -> bool:
        """Whether every number is within the tolerance, and all else equal."""
        return self.largest <= TOLERANCE


def compare(recorded: Any, recomputed: Any, name: str) -> Comparison:
    """Compare two values of JSON."""
    found = list(_differences(recorded, recomputed, name))
    largest = max((size for _, size in found), default=0.0)
    found.sort(key=lambda item: -item[1])
    return Comparison(not found, largest, tuple(words for words, _ in found[:MOST_NAMED]))


def _differences(a: Any, b: Any, where: str) -> Iterator[tuple[str, float]]:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for key in sorted(set(a) | set(b)):
            if (key in a) != (key in b):
                yield f"{where}.{key} is only {'recorded' if key in a else 'recomputed'}", math.inf
            else:
                yield from _differences(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, list) and isinstance(b, list):
        if len(a) != len(b):
            yield f"{where} has {len(a)} entries, recomputed {len(b)}", math.inf
        for i, (left, right) in enumerate(zip(a, b, strict=False)):
            yield from _differences(left, right, f"{where}[{i}]")
    elif _is_number(a) and _is_number(b):
        if a != b:
            yield f"{where} is {a!r}, recomputed {b!r}", abs(a - b) / max(1.0, abs(a), abs(b))
    elif a != b:
        yield f"{where} is {_short(a)}, recomputed {_short(b)}", math.inf


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
