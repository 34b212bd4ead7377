"""What a row says in its own way: how it counts registers, scales, and gives its limits."""

from __future__ import annotations

from dataclasses import dataclass

from facility.loading.table import TableReader
from facility.points import Table
from facility.quantities import QUANTITIES
from facility.units import UNITS, Kind, Unit

MODICON = {"0": Table.COIL, "1": Table.DISCRETE, "3": Table.INPUT, "4": Table.HOLDING}
"""Leading digit of the register numbers in manuals."""


def place(reader: TableReader) -> tuple[Table, str]:
    """Table and address, counted from 0 as they travel."""
    base = reader.text("address_base", "0")
    reader.known("address_base", base, ("0", "1", "modicon"), "base")
    address = reader.text("address")
    if base == "modicon":
        named = reader.text("table", "")
        table = MODICON.get(address[:1])
        if table is None or not (address.isdigit() and len(address) in (5, 6) and int(address[1:])):
            reader.problem(
                "address",
                f"{address!r} is no register number of a manual",
                "Write five or six digits: 0 coils, 1 discrete inputs, 3 input registers, 4 "
                "holding registers, then the number from 1, as in 40001.",
            )
            return Table.HOLDING, "0"
        if named and named != table.value:
            reader.problem(
                "table",
                f"{address} is a {table.value} register, not {named!r}",
                "Leave the table empty, or mend the address.",
            )
        return table, str(int(address[1:]) - 1)
    table = reader.choice("table", Table)
    if base == "1" and table.is_modbus and address.isdigit():
        if int(address) == 0:
            reader.problem("address", "counted from 1 there is no 0", "Mend it, or the base.")
        return table, str(max(0, int(address) - 1))
    return table, address


def scale(reader: TableReader) -> float:
    """The scale, or the reciprocal of ``divide_by``."""
    divide_by = reader.optional_number("divide_by")
    if divide_by is None:
        return reader.number("scale", 1.0)
    if reader.text("scale", ""):
        reader.problem("divide_by", "the row has a scale too", "Leave one of the two empty.")
    if divide_by == 0.0:
        reader.problem("divide_by", "nothing can be divided by 0", "Leave it empty for 1.")
        return 1.0
    return 1.0 / divide_by


@dataclass(frozen=True, slots=True)
class Limits:
    """Reads limits in the unit that the row gives them in."""

    reader: TableReader
    unit: Unit

    def value(self, field: str) -> float | None:
        """A limit in the canonical unit; None where there is none."""
        found = self.reader.optional_number(field)
        return None if found is None else self.unit.to_canonical(found)

    def difference(self, field: str) -> float:
        """A width in the canonical unit; 0 where there is none."""
        return self.reader.number(field, 0.0, minimum=0.0) * self.unit.factor


def limits_in(reader: TableReader, quantity: str) -> Limits:
    """Limits of a row, in ``limit_unit`` or else in the canonical unit of ``quantity``."""
    name = reader.text("limit_unit", "")
    plain = Unit("canonical", Kind.COUNT)
    if not name or quantity not in QUANTITIES:
        return Limits(reader, plain)
    kind = QUANTITIES[quantity].kind
    if name not in UNITS or UNITS[name].kind is not kind:
        fitting = ", ".join(known.name for known in UNITS.values() if known.kind is kind)
        reader.problem("limit_unit", f"{name!r} is no unit of {quantity}", f"Use one of {fitting}.")
        return Limits(reader, plain)
    return Limits(reader, UNITS[name])
