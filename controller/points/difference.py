"""What differs between two points lists, row by row and field by field."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from facility.points import Point


@dataclass(frozen=True, slots=True)
class Change:
    """One field of a point that both lists have."""

    tag: str
    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Difference:
    """From one list to another."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[Change, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def difference(before: Mapping[str, Point], after: Mapping[str, Point]) -> Difference:
    """What happens to the points of ``before``, by tag, if ``after`` takes their place."""
    changed = []
    for tag, new in after.items():
        old = before.get(tag)
        if old is None or old == new:
            continue
        for field in dataclasses.fields(Point):
            was, becomes = getattr(old, field.name), getattr(new, field.name)
            if was != becomes:
                changed.append(Change(tag, field.name, _shown(was), _shown(becomes)))
    return Difference(
        added=tuple(tag for tag in after if tag not in before),
        removed=tuple(tag for tag in before if tag not in after),
        changed=tuple(changed),
    )


def _shown(value: object) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple):
        return " ".join(str(item) for item in value)
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)
