"""TOML text of plain tables: enough for the files that the simulator writes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

Value = str | float | int | bool | tuple[str, ...]


def table(header: str, fields: Mapping[str, Value]) -> str:
    """One table: ``header`` with its brackets, then a field a line."""
    lines = [header, *(f"{name} = {_value(value)}" for name, value in fields.items())]
    return "\n".join(lines) + "\n"


def tables(name: str, rows: Iterable[Mapping[str, Value]]) -> str:
    """An array of tables called ``name``."""
    return "\n".join(table(f"[[{name}]]", row) for row in rows)


def _value(value: Value) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(json.dumps(item, ensure_ascii=False) for item in value) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)
