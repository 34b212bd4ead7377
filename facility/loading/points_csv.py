"""``points.csv``: the points list, one row a point, as engineers keep it in a spreadsheet.

Some columns are ways of saying what a `Point` holds in one way only: ``address_base`` (registers
counted from 1, or the five digits of a manual), ``divide_by`` (the reciprocal of the scale) and
``limit_unit`` (of minimum, maximum, dead band and tolerance, where it is not the canonical one).
"""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from facility.loading.entry import limits_in, place, scale
from facility.loading.problems import Problem
from facility.loading.table import TableReader
from facility.points import Access, DataType, Order, Point, Role, SafeDirection, Table
from facility.quantities import ALARMS, QUANTITIES
from facility.units import UNITS, Kind

FILE = "points.csv"
COLUMNS = (
    *("tag", "device", "equipment", "quantity", "role", "table", "address", "data_type"),
    *("unit", "access", "scale", "offset", "byte_order", "word_order", "function_code"),
    *("minimum", "maximum", "sentinels", "dead_band", "min_write_interval_s"),
    *("read_back", "tolerance", "safe_direction", "doubles"),
    *("bit", "bacnet_priority", "brick", "note"),
)
"""The fields of a `Point`, as they are written."""
ENTRY_COLUMNS = ("address_base", "divide_by", "limit_unit")
"""Columns that are turned into others where a list is read."""
NEEDED = COLUMNS[:10]
OBJECT_ADDRESS = re.compile(r"[a-z][a-z-]*:\d{1,7}(/[a-z][a-z-]*)?")
RESOURCE_ADDRESS = re.compile(r"/redfish/v1/[^#\s]*#/[^\s]+")


@dataclass(frozen=True, slots=True)
class NumberedPoint:
    """A point and the spreadsheet row that it came from."""

    row: str
    point: Point
    file: str = FILE


@dataclass(frozen=True, slots=True)
class Row:
    """Cells of a row by column, and where it stands."""

    file: str
    """``points.csv``, or ``list.xlsx, sheet points``."""
    row: str
    fields: Mapping[str, str]


def read_points(text: str, problems: list[Problem]) -> list[NumberedPoint]:
    """Read the points list; what is wrong goes to ``problems``.

    Minimum, maximum, dead band and tolerance are in the canonical unit of the quantity, unless
    ``limit_unit`` names another.
    """
    lines = csv.DictReader(io.StringIO(text))
    header = [name.strip() for name in lines.fieldnames or ()]
    lines.fieldnames = header
    if not check_header(FILE, header, NEEDED, (*COLUMNS, *ENTRY_COLUMNS), problems):
        return []
    rows = []
    for number, fields in enumerate(lines, start=2):
        row = f"row {number} ({fields.get('tag', '')})"
        if None in fields or None in fields.values():
            problems.append(ragged(FILE, row, len(header)))
        else:
            rows.append(Row(FILE, row, fields))
    return points_of(rows, problems)


def check_header(
    file: str,
    header: Sequence[str],
    needed: Iterable[str],
    known: Iterable[str],
    problems: list[Problem],
) -> bool:
    """Whether every column that is needed is there; unknown ones are problems too."""
    missing = [name for name in needed if name not in header]
    problems.extend(
        Problem(file, "row 1", name, "the column is missing", f"Add a column {name!r}.")
        for name in missing
    )
    columns = tuple(known)
    for name in header:
        # One reader for the header alone, so that the nearest known column is named.
        TableReader(file, "row 1", {}, problems).known(name, name, columns, "column")
    return not missing


def ragged(file: str, row: str, cells: int) -> Problem:
    """A row that has not as many cells as the header."""
    return Problem(
        file,
        row,
        "",
        f"it has not the {cells} cells of the header",
        "Give it a cell for every column; quote a cell that holds a comma.",
    )


def points_of(rows: Iterable[Row], problems: list[Problem]) -> list[NumberedPoint]:
    """The points of some rows; what is wrong goes to ``problems``."""
    known = frozenset((*COLUMNS, *ENTRY_COLUMNS))
    found = []
    for row in rows:
        fields = {name: value for name, value in row.fields.items() if name in known}
        reader = TableReader(row.file, row.row, fields, problems)
        found.append(NumberedPoint(row.row, _point(reader), row.file))
    return found


def write_points(points: Sequence[Point]) -> str:
    """The text of ``points.csv``: `read_points` answers the same points.

    Columns that hold nothing but defaults are left out, but for those that are needed.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(Point)}
    table = [
        {name: _cell(getattr(point, name), defaults[name]) for name in COLUMNS} for point in points
    ]
    for row, point in zip(table, points, strict=True):
        row["limit_unit"] = _limit_unit(point)
    every = (*COLUMNS, "limit_unit")
    columns = [c for c in every if c in NEEDED or any(row[c] for row in table)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([row[name] for name in columns] for row in table)
    return text.getvalue()


def _limit_unit(point: Point) -> str:
    """The canonical unit, said where the unit on the wire could be taken for it."""
    has_limits = point.minimum is not None or point.maximum is not None
    canonical = QUANTITIES[point.quantity].kind.unit if point.quantity in QUANTITIES else point.unit
    if point.unit == canonical or not (has_limits or point.dead_band or point.tolerance):
        return ""
    return canonical


def _cell(value: object, default: object) -> str:
    if value is None or value == default:
        return ""
    if isinstance(value, tuple):
        return " ".join(str(item) for item in value)
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return str(value)


def _point(reader: TableReader) -> Point:
    before = reader.problem_count
    quantity = reader.text("quantity")
    reader.known("quantity", quantity, QUANTITIES, "quantity")
    unit = reader.text("unit")
    reader.known("unit", unit, UNITS, "unit")
    if quantity in QUANTITIES and unit in UNITS:
        kind = QUANTITIES[quantity].kind
        if UNITS[unit].kind is not kind:
            fitting = ", ".join(name for name, known in UNITS.items() if known.kind is kind)
            reader.problem("unit", f"{unit!r} is no unit of {quantity}", f"Use one of {fitting}.")
    table, address = place(reader)
    limits = limits_in(reader, quantity)
    point = Point(
        tag=reader.text("tag"),
        device=reader.text("device"),
        equipment=reader.text("equipment"),
        quantity=quantity,
        role=reader.choice("role", Role),
        table=table,
        address=address,
        data_type=reader.choice("data_type", DataType),
        unit=unit,
        access=reader.choice("access", Access),
        scale=scale(reader),
        offset=reader.number("offset", 0.0),
        byte_order=reader.choice("byte_order", Order, Order.BIG),
        word_order=reader.choice("word_order", Order, Order.BIG),
        function_code=reader.whole("function_code", 16),
        minimum=limits.value("minimum"),
        maximum=limits.value("maximum"),
        sentinels=_sentinels(reader),
        dead_band=limits.difference("dead_band"),
        min_write_interval_s=reader.number("min_write_interval_s", 0.0, minimum=0.0),
        read_back=reader.text("read_back", ""),
        tolerance=limits.difference("tolerance"),
        safe_direction=_safe_direction(reader),
        doubles=reader.text("doubles", ""),
        bit=_bit(reader),
        bacnet_priority=reader.whole("bacnet_priority", 12),
        brick=reader.text("brick", ""),
        note=reader.text("note", ""),
    )
    if reader.problem_count == before:
        # A field that could not be read stands in with a default: checks of fields against
        # each other would complain of what nobody wrote.
        _check(reader, point)
    return point


def _bit(reader: TableReader) -> int | None:
    return reader.whole("bit") if reader.text("bit", "") else None


def _sentinels(reader: TableReader) -> tuple[int, ...]:
    text = reader.text("sentinels", "")
    try:
        return tuple(int(part, 0) for part in text.split())
    except ValueError:
        reader.problem(
            "sentinels",
            f"{text!r} is not a list of whole numbers",
            "Write raw register values with blanks between, as in «0xFFFF 32768».",
        )
        return ()


def _safe_direction(reader: TableReader) -> SafeDirection | None:
    if not reader.text("safe_direction", ""):
        return None
    return reader.choice("safe_direction", SafeDirection)


def _check(reader: TableReader, point: Point) -> None:
    _check_alarm(reader, point)
    modbus = point.table.is_modbus
    _check_address(reader, point)
    bits = point.table in (Table.COIL, Table.DISCRETE) or point.bit is not None
    if modbus and bits != (point.data_type is DataType.BOOL):
        reader.problem(
            "data_type",
            f"{point.data_type.value} does not fit the table {point.table.value!r}",
            "Coils, discrete inputs and single bits of a register are bool; registers are numbers.",
        )
    if point.scale == 0.0:
        reader.problem("scale", "0 would make every value the same", "Leave it empty for 1.")
    if point.function_code not in (6, 16):
        reader.problem("function_code", f"{point.function_code} does not write", "Use 6 or 16.")
    if point.function_code == 6 and modbus and point.data_type.registers > 1:
        reader.problem(
            "function_code",
            f"6 writes one register, and {point.data_type.value} takes more",
            "Use 16.",
        )
    if point.minimum is not None and point.maximum is not None and point.minimum >= point.maximum:
        reader.problem(
            "minimum",
            f"{point.minimum:g} is not below the maximum {point.maximum:g}",
            "Swap or mend them.",
        )
    if point.role is not Role.SENSOR and point.role is not Role.AUTHORITY:
        if point.access is Access.READ:
            reader.problem("access", f"a {point.role.value} must be written", "Use rw.")
        if point.table in (Table.INPUT, Table.DISCRETE):
            reader.problem(
                "table", f"{point.table.value} cannot be written", "Use holding or coil."
            )


def _check_address(reader: TableReader, point: Point) -> None:
    forms = {
        Table.OBJECT: (OBJECT_ADDRESS, "object type and instance, as in «analog-value:3»"),
        Table.RESOURCE: (
            RESOURCE_ADDRESS,
            "the resource's path and a JSON pointer, as in "
            "«/redfish/v1/ThermalEquipment/CDUs/1#/SecondaryCoolantConnectors/0/Reading»",
        ),
    }
    register = point.address.isdigit() and int(point.address) <= 65535
    if point.table.is_modbus and not register:
        reader.problem(
            "address",
            f"{point.address!r} is not a register number",
            "Write a whole number from 0 to 65535, as sent on the wire, or name the "
            "address_base: 1, or modicon for numbers such as 40001.",
        )
    elif point.table in forms and not forms[point.table][0].fullmatch(point.address):
        reader.problem(
            "address",
            f"{point.address!r} is no address of a {point.table.value}",
            f"Write {forms[point.table][1]}.",
        )
    if point.bit is not None and (
        point.table not in (Table.HOLDING, Table.INPUT)
        or point.bit > 15
        or point.access is not Access.READ
    ):
        reader.problem(
            "bit",
            "only a register that is read has bits 0 to 15",
            "Leave it empty, or use table holding or input with access r: writing one bit of a "
            "register would write its neighbours too.",
        )
    if not 10 <= point.bacnet_priority <= 14:
        reader.problem(
            "bacnet_priority",
            f"{point.bacnet_priority} is not ours",
            "Use 10 to 14: 8 is the operator's, 9 and below outrank people, 16 is the default.",
        )


def _check_alarm(reader: TableReader, point: Point) -> None:
    state = QUANTITIES[point.quantity].kind is Kind.STATE
    directions = ", ".join(direction.value for direction in SafeDirection)
    if point.quantity in ALARMS and point.safe_direction is None:
        reader.problem(
            "safe_direction",
            "an alarm must name the direction that is safe while it is active",
            f"Write one of {directions}.",
        )
    if point.safe_direction is not None and not (state and point.role is Role.SENSOR):
        reader.problem(
            "safe_direction",
            f"only an alarm has one, not {point.quantity} with role {point.role.value}",
            "Leave it empty, or give the alarm a quantity of kind state and the role sensor.",
        )
    if point.doubles and point.role is not Role.SENSOR:
        reader.problem("doubles", "only a sensor can double another", "Leave it empty.")
