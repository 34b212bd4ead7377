"""Runs EnergyPlus on the office's plant, in a process of its own.

``pyenergyplus-lbnl`` brings the engine (25.2.0) and weather files. It is a C++ library that
writes to the terminal and keeps global state, so each run is a fresh process; what it found is
read from the SQLite file that it leaves.
"""

from __future__ import annotations

import importlib.util
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from benchmarks.validation.office_idf import VARIABLES

WEATHER = "USA_VA_Sterling-Washington.Dulles.Intl.AP.724030_TMY3.epw"


class EnergyPlusError(Exception):
    """EnergyPlus is absent or gave up; the message holds what it said."""


def available() -> bool:
    """Whether the package is installed (it is of the development packages)."""
    return importlib.util.find_spec("pyenergyplus") is not None


def weather_file() -> Path:
    """The weather of Dulles, Virginia, near which both reference sites lie."""
    return _package() / "data" / "weather" / WEATHER


def model_file(name: str) -> Path:
    """An input that the package ships."""
    return _package() / "data" / "model" / name


def run(
    idf: str, files: dict[str, str], variables: Mapping[str, tuple[str, str]] = VARIABLES
) -> pd.DataFrame:
    """Run ``idf`` and answer ``variables`` (column -> key and output), one row a time step.

    Parameters
    ----------
    files
        Files that the input names, by name: their text.

    Returns
    -------
    DataFrame
        Time in seconds of the year (of 365 days, local standard time), at the end of the step.

    Raises
    ------
    EnergyPlusError
        It is not installed, or it ended with an error.
    """
    with tempfile.TemporaryDirectory(prefix="isotherm-energyplus-") as name:
        folder = Path(name)
        (folder / "in.idf").write_text(idf, encoding="ascii")
        for file, text in files.items():
            (folder / file).write_text(text, encoding="ascii")
        done = subprocess.run(
            [sys.executable, "-c", _CHILD, str(weather_file()), str(folder)],
            capture_output=True,
            text=True,
            cwd=folder,
            check=False,
        )
        errors = folder / "eplusout.err"
        if done.returncode != 0:
            said = errors.read_text(encoding="utf-8", errors="replace") if errors.exists() else ""
            raise EnergyPlusError(f"EnergyPlus ended with {done.returncode}: {done.stderr}\n{said}")
        return _read(folder / "eplusout.sql", variables)


_CHILD = """
import sys
from pyenergyplus.api import EnergyPlusAPI
weather, folder = sys.argv[1:]
api = EnergyPlusAPI()
state = api.state_manager.new_state()
api.runtime.set_console_output_status(state, False)
sys.exit(api.runtime.run_energyplus(state, ["-w", weather, "-d", folder, folder + "/in.idf"]))
"""


def _package() -> Path:
    found = importlib.util.find_spec("pyenergyplus")
    if found is None or found.origin is None:
        raise EnergyPlusError(
            "pyenergyplus is not installed: it comes with the development packages (`make setup`)"
        )
    return Path(found.origin).parent


_QUERY = """
select t.Month, t.Day, t.Hour, t.Minute, d.KeyValue, d.Name, v.Value
from ReportData v
join ReportDataDictionary d using (ReportDataDictionaryIndex)
join Time t using (TimeIndex)
where coalesce(t.WarmupFlag, 0) = 0
"""


def _read(path: Path, variables: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
    with sqlite3.connect(path) as database:
        rows = pd.read_sql_query(_QUERY, database)
    database.close()
    wanted = {(key.upper(), name): column for column, (key, name) in variables.items()}
    keys = zip(rows["KeyValue"].str.upper(), rows["Name"], strict=True)
    rows["column"] = [wanted.get(key) for key in keys]
    days = pd.to_datetime({"year": 2023, "month": rows["Month"], "day": rows["Day"]})
    rows["time_s"] = (
        (days.dt.day_of_year - 1) * 86_400.0 + rows["Hour"] * 3600.0 + rows["Minute"] * 60.0
    )
    table = rows.pivot_table(index="time_s", columns="column", values="Value")
    if missing := sorted(set(variables) - set(table.columns)):
        raise EnergyPlusError(f"EnergyPlus reported no {', '.join(missing)}")
    return table
