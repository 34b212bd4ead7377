"""A points list from a workbook, from a CSV file, or from a folder of CSV files."""

from __future__ import annotations

import csv
import io
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facility.loading import Problem, SiteError
from facility.loading.points_csv import COLUMNS, ENTRY_COLUMNS, Row, check_header, ragged
from facility.loading.templates import INSTANCE_COLUMNS, TEMPLATE, PointsList

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

POINT_COLUMNS = ("tag", "device", "equipment", "quantity", "role", "address", "data_type", "unit")
"""Columns without which no row of a list can be understood; a register number of a manual
names its table, and a sensor's access is plain."""
DEVICE_COLUMNS = (
    *("id", "protocol", "host", "port", "hand_back", "release", "unit_id", "scan_s"),
    *("heartbeat_s", "watchdog_s", "timeout_s", "max_gap", "max_block", "security"),
    *("login", "user", "request_gap_s", "report"),
)
LONGEST_FILE = 64 * 2**20


def read_list(path: Path) -> PointsList:
    """Read the tables ``points``, ``devices`` and ``instances`` of a list.

    ``path`` is a workbook (.xlsx) with sheets of those names, a CSV file of points alone, or a
    folder with CSV files of those names (a site's folder among them).

    Raises
    ------
    SiteError
        It cannot be read, or a column is missing or not known.
    """
    problems: list[Problem] = []
    tables = _Tables(problems)
    try:
        if path.is_dir():
            for name in ("points", "devices", "instances"):
                file = path / f"{name}.csv"
                if file.exists() or name == "points":
                    tables.take(name, file.name, _csv_lines(file, problems))
        elif path.suffix.lower() == ".xlsx":
            _read_workbook(path, tables, problems)
        elif path.suffix.lower() in (".csv", ".txt", ".tsv"):
            tables.take("points", path.name, _csv_lines(path, problems))
        else:
            problems.append(
                Problem(str(path), "", "", "it is neither .xlsx nor .csv", "Save it as one.")
            )
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        mend = "Name a file that exists; save text as «CSV UTF-8»."
        problems.append(Problem(str(path), "", "", f"it cannot be read: {reason}", mend))
    if problems:
        raise SiteError(problems)
    return PointsList(*(tuple(tables.rows[name]) for name in ("points", "devices", "instances")))


@dataclass
class _Tables:
    problems: list[Problem]
    rows: dict[str, list[Row]] = field(
        default_factory=lambda: {"points": [], "devices": [], "instances": []}
    )

    def take(self, table: str, file: str, lines: Iterable[tuple[int, Sequence[str]]]) -> None:
        """Rows of a table; the first line is its header, and empty lines are passed over."""
        filled = ((n, cells) for n, cells in lines if any(cell.strip() for cell in cells))
        _, head = next(filled, (0, ()))
        header = [name.strip().lower().replace(" ", "_") for name in head]
        while header and not header[-1]:
            header.pop()
        needed, known = {
            "points": (POINT_COLUMNS, (*COLUMNS, *ENTRY_COLUMNS, TEMPLATE)),
            "devices": (("id",), (*DEVICE_COLUMNS, TEMPLATE)),
            "instances": (INSTANCE_COLUMNS, header),
        }[table]
        check_header(file, header, needed, known, self.problems)
        for number, line in filled:
            cells = list(line)
            while len(cells) > len(header) and not cells[-1].strip():
                cells.pop()
            values = dict(zip(header, cells, strict=False))
            name = values.get("tag") or values.get("id") or ""
            label = f"row {number} ({name})" if name else f"row {number}"
            if len(cells) != len(header):
                self.problems.append(ragged(file, label, len(header)))
            else:
                self.rows[table].append(Row(file, label, _with_defaults(table, values)))


def _with_defaults(table: str, values: dict[str, str]) -> dict[str, str]:
    if table == "points" and not values.get("access"):
        sensor = values.get("role") in ("sensor", "authority")
        return {**values, "access": "r" if sensor else "rw"}
    return values


def _csv_lines(path: Path, problems: list[Problem]) -> Iterator[tuple[int, Sequence[str]]]:
    text = path.read_text(encoding="utf-8-sig")
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    try:
        for cells in reader:
            yield reader.line_num, cells
    except csv.Error as error:
        where = f"row {reader.line_num}"
        problems.append(Problem(path.name, where, "", f"it is not CSV: {error}", "Mend the line."))


def _read_workbook(path: Path, tables: _Tables, problems: list[Problem]) -> None:
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    if path.stat().st_size > LONGEST_FILE:
        problems.append(Problem(path.name, "", "", "it is larger than 64 MiB", "Split it."))
        return
    try:
        with warnings.catch_warnings():
            # openpyxl tells of drawings and validations that it does not keep: we only read.
            warnings.simplefilter("ignore")
            shown = openpyxl.load_workbook(path, read_only=True, data_only=True)
            typed = openpyxl.load_workbook(path, read_only=True, data_only=False)
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError) as error:
        problems.append(
            Problem(path.name, "", "", f"it is no workbook: {error}", "Save it as .xlsx anew.")
        )
        return
    try:
        if "points" not in shown.sheetnames:
            listed = ", ".join(shown.sheetnames)
            mend = f"Name one of its sheets «points»; it has {listed}."
            problems.append(Problem(path.name, "", "", "it has no sheet «points»", mend))
        for name in ("points", "devices", "instances"):
            if name in shown.sheetnames:
                file = f"{path.name}, sheet {name}"
                tables.take(name, file, _sheet_lines(shown[name], typed[name], file, problems))
    finally:
        shown.close()
        typed.close()


def _sheet_lines(
    shown: Worksheet, typed: Worksheet, file: str, problems: list[Problem]
) -> Iterator[tuple[int, Sequence[str]]]:
    rows = zip(shown.iter_rows(values_only=True), typed.iter_rows(values_only=True), strict=False)
    for number, (values, formulas) in enumerate(rows, start=1):
        for value, formula in zip(values, formulas, strict=False):
            if value is None and isinstance(formula, str) and formula.startswith("="):
                problems.append(
                    Problem(
                        file,
                        f"row {number}",
                        "",
                        f"the formula {formula} was never calculated",
                        "Open the workbook in a spreadsheet and save it there.",
                    )
                )
        yield number, [_text(value) for value in values]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float):
        # A spreadsheet stores 0.1 + 0.2; a person meant 0.3.
        return f"{value:.15g}"
    return str(value).strip()
