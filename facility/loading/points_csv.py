"""``points.csv``: the points list, one row a point, as engineers keep it in a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass

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
    *("bit", "bacnet_priority"),
)
NEEDED = COLUMNS[:10]
OBJECT_ADDRESS = re.compile(r"[a-z][a-z-]*:\d{1,7}(/[a-z][a-z-]*)?")
RESOURCE_ADDRESS = re.compile(r"/redfish/v1/[^#\s]*#/[^\s]+")


@dataclass(frozen=True, slots=True)
class NumberedPoint:
    """A point and the spreadsheet row that it came from."""

    row: str
    point: Point


def read_points(text: str, problems: list[Problem]) -> list[NumberedPoint]:
    """Read the points list; what is wrong goes to ``problems``.

    Minimum, maximum, dead band and tolerance are in the canonical unit of the quantity.
    """
    lines = csv.DictReader(io.StringIO(text))
    header = [name.strip() for name in lines.fieldnames or ()]
    lines.fieldnames = header
    missing = [name for name in NEEDED if name not in header]
    problems.extend(
        Problem(FILE, "row 1", name, "the column is missing", f"Add a column {name!r}.")
        for name in missing
    )
    for name in header:
        if name not in COLUMNS:
            # One reader for the header alone, so that the nearest known column is named.
            reader = TableReader(FILE, "row 1", {}, problems)
            reader.known(name, name, COLUMNS, "column")
    if missing:
        return []
    found: list[NumberedPoint] = []
    for number, fields in enumerate(lines, start=2):
        row = f"row {number} ({fields.get('tag', '')})"
        if None in fields or None in fields.values():
            problems.append(
                Problem(
                    FILE,
                    row,
                    "",
                    f"it has not the {len(header)} cells of the header",
                    "Give it a cell for every column; quote a cell that holds a comma.",
                )
            )
            continue
        known = {name: value for name, value in fields.items() if name in COLUMNS}
        found.append(NumberedPoint(row, _point(TableReader(FILE, row, known, problems))))
    return found


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
    table = reader.choice("table", Table)
    point = Point(
        tag=reader.text("tag"),
        device=reader.text("device"),
        equipment=reader.text("equipment"),
        quantity=quantity,
        role=reader.choice("role", Role),
        table=table,
        address=reader.text("address"),
        data_type=reader.choice("data_type", DataType),
        unit=unit,
        access=reader.choice("access", Access),
        scale=reader.number("scale", 1.0),
        offset=reader.number("offset", 0.0),
        byte_order=reader.choice("byte_order", Order, Order.BIG),
        word_order=reader.choice("word_order", Order, Order.BIG),
        function_code=reader.whole("function_code", 16),
        minimum=reader.optional_number("minimum"),
        maximum=reader.optional_number("maximum"),
        sentinels=_sentinels(reader),
        dead_band=reader.number("dead_band", 0.0, minimum=0.0),
        min_write_interval_s=reader.number("min_write_interval_s", 0.0, minimum=0.0),
        read_back=reader.text("read_back", ""),
        tolerance=reader.number("tolerance", 0.0, minimum=0.0),
        safe_direction=_safe_direction(reader),
        doubles=reader.text("doubles", ""),
        bit=_bit(reader),
        bacnet_priority=reader.whole("bacnet_priority", 12),
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
            "Write a whole number from 0 to 65535, as sent on the wire (40001 is 0).",
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
