"""A reader of one table of named fields that collects problems instead of stopping."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Mapping
from enum import Enum
from typing import Any, TypeVar

from facility.loading.problems import Problem

E = TypeVar("E", bound=Enum)


class TableReader:
    """Takes fields out of a TOML table or a CSV row, one by one.

    Every ``take`` method answers a usable value even where the field is wrong, so that
    reading goes on and all problems are found in one pass; the caller must look at
    ``problems`` before it uses what it built. An empty CSV cell counts as absent.
    """

    def __init__(
        self, file: str, row: str, fields: Mapping[str, Any], problems: list[Problem]
    ) -> None:
        self._file, self._row, self._problems = file, row, problems
        self._fields = {name: value for name, value in fields.items() if value not in ("", None)}
        self._known: list[str] = []

    @property
    def problem_count(self) -> int:
        """How many problems there are so far, of all tables."""
        return len(self._problems)

    @property
    def names(self) -> frozenset[str]:
        """The fields that are there."""
        return frozenset(self._fields)

    def problem(self, field: str, what: str, mend: str) -> None:
        """Note a problem with ``field`` of this table."""
        self._problems.append(Problem(self._file, self._row, field, what, mend))

    def text(self, field: str, default: str | None = None) -> str:
        """A text; without ``default`` it must be there."""
        value = self._take(field, default, "a text")
        if not isinstance(value, str):
            self.problem(field, f"{value!r} is not a text", "Put it in quotes.")
            return str(value)
        return value.strip()

    def number(
        self,
        field: str,
        default: float | None = None,
        *,
        minimum: float = -math.inf,
        maximum: float = math.inf,
    ) -> float:
        """A finite number within bounds; without ``default`` it must be there."""
        found = self.optional_number(field, minimum=minimum, maximum=maximum)
        if found is not None:
            return found
        if default is None:
            self._missing(field, "a number")
            return max(minimum, min(maximum, 0.0))
        return default

    def optional_number(
        self, field: str, *, minimum: float = -math.inf, maximum: float = math.inf
    ) -> float | None:
        """A finite number within bounds, or None where the field is empty."""
        self._known.append(field)
        if field not in self._fields:
            return None
        raw = self._fields[field]
        try:
            value = float(raw)
        except (TypeError, ValueError):
            value = math.nan
        if isinstance(raw, bool) or not math.isfinite(value):
            self.problem(field, f"{raw!r} is not a number", "Write it with a decimal point.")
            return None
        if not minimum <= value <= maximum:
            bounds = f"{minimum:g} to {maximum:g}"
            self.problem(field, f"{value:g} is out of range", f"It must be within {bounds}.")
        return value

    def whole(self, field: str, default: int | None = None, *, minimum: int = 0) -> int:
        """A whole number of at least ``minimum``."""
        value = self.number(field, None if default is None else float(default), minimum=minimum)
        if value != int(value):
            self.problem(field, f"{value:g} is not a whole number", "Leave out the fraction.")
        return int(value)

    def choice(self, field: str, options: type[E], default: E | None = None) -> E:
        """One of the values of an enum."""
        value = str(self._take(field, None if default is None else default.value, "a choice"))
        try:
            return options(value)
        except ValueError:
            names = [str(option.value) for option in options]
        if value:
            self.problem(field, f"there is no {value!r} here", _mend(value, names))
        return default or next(iter(options))

    def texts(self, field: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """A list of texts."""
        value = self._take(field, default, "a list")
        if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
            return tuple(value)
        if value:
            self.problem(field, f"{value!r} is not a list of texts", 'Write it as ["a", "b"].')
        return ()

    def flag(self, field: str, default: bool) -> bool:
        """True or false."""
        value = self._take(field, default, "true or false")
        if isinstance(value, bool):
            return value
        self.problem(field, f"{value!r} is neither true nor false", "Write true or false.")
        return default

    def known(self, field: str, value: str, options: Collection[str], kind: str) -> str:
        """``value`` if it is among ``options``, else a problem that names the nearest.

        Asked for every cell of a points list: ``options`` that are many are a set or a mapping.
        """
        if value and value not in options:
            self.problem(field, f"there is no {kind} {value!r}", _mend(value, list(options)))
        return value

    def done(self) -> None:
        """Complain of fields that nobody took: a misspelt one must not pass in silence."""
        for field in sorted(set(self._fields) - set(self._known)):
            self.problem(field, "this field is not known", _mend(field, self._known))

    def _take(self, field: str, default: Any, kind: str) -> Any:
        self._known.append(field)
        if field in self._fields:
            return self._fields[field]
        if default is None:
            self._missing(field, kind)
            return ""
        return default

    def _missing(self, field: str, kind: str) -> None:
        self.problem(field, "it is missing", f"Add {kind} for {field!r}.")


def _mend(value: str, names: list[str]) -> str:
    near = difflib.get_close_matches(value, names, n=1, cutoff=0.6)
    if near:
        return f"Did you mean {near[0]!r}?"
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f"Known are {shown}." if names else "None is defined yet."
