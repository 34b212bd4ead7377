"""Which sites there are, and where each keeps its records: a TOML file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.storage.opening import Place
from facility.toml_file import read_toml

KEYS = {"name", "state", "database"}


class FleetError(Exception):
    """A list of sites that cannot be used: what is wrong and how to mend it."""


@dataclass(frozen=True, slots=True)
class SiteEntry:
    """A site by the name that people know it by."""

    name: str
    place: Place


def read_sites(path: Path) -> tuple[SiteEntry, ...]:
    """The sites of a file; a relative ``state`` is below the file's own folder.

    Raises
    ------
    FleetError
        Every mistake of the file at once.
    """
    data = read_toml(path, FleetError)
    rows = data.pop("sites", None)
    wrong = [f"{key} is not known; there is [[sites]]" for key in data]
    if not isinstance(rows, list) or not rows:
        wrong.append('it names no site: write [[sites]] with name = "..." and state or database')
        rows = []
    found: list[SiteEntry] = []
    for number, row in enumerate(rows, start=1):
        mistakes = _mistakes(row)
        wrong += [f"[[sites]] {number}: {text}" for text in mistakes]
        if not mistakes:
            state = path.parent / row.get("state", ".")
            found.append(SiteEntry(row["name"], Place(state, row.get("database"))))
    names = [entry.name for entry in found]
    wrong += [f"the name {n!r} is there twice" for n in sorted(set(names)) if names.count(n) > 1]
    if wrong:
        raise FleetError("\n".join(f"{path.name}: {text}" for text in wrong))
    return tuple(found)


def _mistakes(row: Any) -> list[str]:
    if not isinstance(row, dict):
        return ["it is not a table"]
    wrong = [f"{key} is not known; there are {', '.join(sorted(KEYS))}" for key in set(row) - KEYS]
    wrong += [
        f"{key} has to be a text"
        for key in sorted(KEYS & set(row))
        if not isinstance(row[key], str) or not row[key].strip()
    ]
    if "name" not in row:
        wrong.append("name is missing")
    if not {"state", "database"} & set(row):
        wrong.append("state (the folder of isotherm serve) or database is missing")
    return wrong
