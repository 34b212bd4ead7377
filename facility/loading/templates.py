"""Points lists with templates: one template for a family of devices, one row for each of them.

A list has up to three tables. ``points`` and ``devices`` hold rows as in ``points.csv`` and in
``[[devices]]``; a row that names a ``template`` stands for as many rows as ``instances`` has of
that template, with each ``{column}`` in its cells replaced by that instance's cell. Register
numbers may be sums: ``{base}+12``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from facility.loading.points_csv import Row
from facility.loading.problems import Problem
from facility.loading.table import TableReader
from facility.quantities import QUANTITIES
from facility.units import UNITS

TEMPLATE = "template"
INSTANCE_COLUMNS = (TEMPLATE, "id")
LIMITS = ("minimum", "maximum", "dead_band", "tolerance")

_PLACE = re.compile(r"\{([^{}]*)\}")
_SUM = re.compile(r"\d+(\s*\+\s*\d+)+")
_REFERENCE = re.compile(r"#(REF|N/A|VALUE|NAME\?|DIV/0|NUM|NULL)[!/]?")


@dataclass(frozen=True, slots=True)
class PointsList:
    """The tables of a list, as they were entered."""

    points: tuple[Row, ...]
    devices: tuple[Row, ...] = ()
    instances: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True)
class Expanded:
    """The rows of a list, templates written out."""

    points: tuple[Row, ...]
    devices: tuple[Row, ...]


def expand(
    entered: PointsList, problems: list[Problem], *, ask_limit_unit: bool = True
) -> Expanded:
    """Write out the templates; what is wrong goes to ``problems``.

    Parameters
    ----------
    ask_limit_unit
        Whether a row whose unit is not the canonical one must say in which its limits are. The
        points list of a site need not: there they are canonical.
    """
    instances: dict[str, list[Row]] = {}
    templates = _templates(entered)
    for row in entered.instances:
        reader = TableReader(row.file, row.row, row.fields, problems)
        template = reader.text(TEMPLATE)
        reader.text("id")
        reader.known(TEMPLATE, template, templates, "template")
        instances.setdefault(template, []).append(row)
    for name in templates:
        if name not in instances:
            row = templates[name]
            problems.append(
                Problem(
                    row.file,
                    row.row,
                    TEMPLATE,
                    f"no instance uses the template {name!r}",
                    f"Add rows with template {name!r} to the instances, or take it out.",
                )
            )
    points = _written_out(entered.points, instances, problems)
    for row in points:
        _check_entry(row, problems, ask_limit_unit=ask_limit_unit)
    return Expanded(tuple(points), tuple(_written_out(entered.devices, instances, problems)))


def _templates(entered: PointsList) -> dict[str, Row]:
    """The first row of each template."""
    found: dict[str, Row] = {}
    for row in (*entered.points, *entered.devices):
        if name := row.fields.get(TEMPLATE, "").strip():
            found.setdefault(name, row)
    return found


def _written_out(
    rows: Iterable[Row], instances: Mapping[str, Sequence[Row]], problems: list[Problem]
) -> list[Row]:
    found = []
    for row in rows:
        cells = {name: value for name, value in row.fields.items() if name != TEMPLATE}
        template = row.fields.get(TEMPLATE, "").strip()
        if not template:
            found.append(Row(row.file, row.row, cells))
            continue
        for instance in instances.get(template, ()):
            where = f"{row.row} for {instance.fields.get('id', '')} ({instance.row})"
            found.append(_fill(Row(row.file, where, cells), instance, problems))
    return found


def _fill(row: Row, instance: Row, problems: list[Problem]) -> Row:
    reader = TableReader(row.file, row.row, {}, problems)
    columns = [name for name in instance.fields if name != TEMPLATE]
    cells: dict[str, str] = {}
    for field, text in row.fields.items():
        for name in _PLACE.findall(text):
            reader.known(field, name, columns, "column of the instances")
            if name in columns and not instance.fields[name].strip():
                reader.problem(
                    field,
                    f"the instance leaves {name!r} empty",
                    f"Fill in {name!r} in {instance.file}, {instance.row}.",
                )
        filled = _PLACE.sub(lambda place: instance.fields.get(place[1], "").strip(), text)
        if field == "address" and _SUM.fullmatch(filled):
            filled = str(sum(int(part) for part in filled.split("+")))
        cells[field] = filled
    return Row(row.file, row.row, cells)


def _check_entry(row: Row, problems: list[Problem], *, ask_limit_unit: bool) -> None:
    """What a spreadsheet gets wrong, and what must not be guessed."""
    reader = TableReader(row.file, row.row, {}, problems)
    for field, text in row.fields.items():
        if _REFERENCE.match(text):
            reader.problem(field, f"the cell holds the error {text}", "Mend the formula.")
    unit, quantity = row.fields.get("unit", ""), row.fields.get("quantity", "")
    if not ask_limit_unit or row.fields.get("limit_unit"):
        return
    if unit not in UNITS or quantity not in QUANTITIES:
        return
    canonical = QUANTITIES[quantity].kind.unit
    given = [name for name in LIMITS if row.fields.get(name)]
    if unit != canonical and given:
        reader.problem(
            "limit_unit",
            f"{', '.join(given)} could be in {unit} or in {canonical}",
            f"Write {unit!r} or {canonical!r} into limit_unit.",
        )
