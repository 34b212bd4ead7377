"""The devices of a points list, put into ``site.toml`` with its comments and order kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Item, Table

from controller.points.reading import DEVICE_COLUMNS
from facility.loading import Problem, SiteError
from facility.loading.points_csv import Row

WHOLE = frozenset({"port", "unit_id", "max_gap", "max_block"})
NUMBERS = frozenset({"scan_s", "heartbeat_s", "watchdog_s", "timeout_s", "request_gap_s"})


def with_devices(site_toml: str, devices: Iterable[Row]) -> str:
    """``site.toml`` with these devices: known ones take the cells that are filled in.

    Raises
    ------
    SiteError
        The file is not TOML, or a cell is no number where one belongs.
    """
    problems: list[Problem] = []
    try:
        document = tomlkit.parse(site_toml)
    except TOMLKitError as error:
        raise SiteError(
            [Problem("site.toml", "", "", f"it is not TOML: {error}", "Mend that line.")]
        ) from None
    tables = document.get("devices")
    if not isinstance(tables, AoT):
        tables = tomlkit.aot()
        document["devices"] = tables
    known: dict[str, Table] = {str(table.get("id", "")): table for table in tables}
    for row in devices:
        fields = _fields(row, problems)
        name = str(fields.get("id", ""))
        if not name:
            problems.append(Problem(row.file, row.row, "id", "it is missing", "Name the device."))
            continue
        if name not in known:
            known[name] = tomlkit.table()
            tables.append(known[name])
        for field, value in fields.items():
            if known[name].get(field) != value:
                known[name][field] = _item(value)
    if problems:
        raise SiteError(problems)
    return tomlkit.dumps(document)


def _item(value: str | int | float) -> Item:
    return tomlkit.item(value)


def _fields(row: Row, problems: list[Problem]) -> Mapping[str, str | int | float]:
    found: dict[str, str | int | float] = {}
    for field in DEVICE_COLUMNS:
        text = row.fields.get(field, "").strip()
        if not text:
            continue
        try:
            if field in WHOLE:
                found[field] = int(text)
            elif field in NUMBERS:
                found[field] = float(text)
            else:
                found[field] = text
        except ValueError:
            what = f"{text!r} is not a {'whole ' if field in WHOLE else ''}number"
            problems.append(Problem(row.file, row.row, field, what, "Mend the cell."))
    return found
