"""Faults from a file: a list of tables in TOML.

```toml
[[faults]]
kind = "fouling"
place = "cdu1"
start = 3600                    # seconds from the run's start, or a time such as 2024-04-07T01:00Z
end = "2024-04-07T05:00Z"       # left out: it stays
severity = 0.4
grows_s = 7200                  # left out: at once
```
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from facility.clock import from_iso
from facility.site import Site
from sim.faults.fault import Fault, FaultError, check

FIELDS = ("kind", "place", "start", "end", "severity", "grows_s")


def read_faults(path: Path, site: Site, start_s: float) -> tuple[Fault, ...]:
    """The faults in a file, for a run of ``site`` that starts at ``start_s``.

    Raises
    ------
    FaultError
        Names file, fault and field, and the mend.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FaultError(f"{path}: {error.strerror or error}: give a file of faults") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FaultError(f"{path}: it is no TOML: {error}") from None
    if odd := sorted(set(data) - {"faults"}):
        raise FaultError(f"{path}: {odd[0]!r} is not known here: the file holds [[faults]] only")
    rows = data.get("faults", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise FaultError(f"{path}: write each fault as a table [[faults]]")
    return parse_faults(rows, site, start_s, where=str(path))


def parse_faults(
    rows: Iterable[Mapping[str, Any]], site: Site, start_s: float, *, where: str = "faults"
) -> tuple[Fault, ...]:
    """Faults from tables, as of a file or a scenario; times in seconds from ``start_s`` or ISO.

    Raises
    ------
    FaultError
        Names the fault by its number, and the mend.
    """
    return tuple(
        _fault(row, site, start_s, f"{where}: fault {number}")
        for number, row in enumerate(rows, start=1)
    )


def _fault(row: Mapping[str, Any], site: Site, start_s: float, where: str) -> Fault:
    if odd := sorted(set(row) - set(FIELDS)):
        raise FaultError(f"{where}: field {odd[0]!r} is none of {', '.join(FIELDS)}")
    for name in ("kind", "place", "start"):
        if name not in row:
            raise FaultError(f"{where}: field {name!r} is missing")
    severity = row.get("severity")
    fault = Fault(
        kind=str(row["kind"]),
        place=str(row["place"]),
        start_s=_time(row["start"], start_s, f"{where}: start"),
        end_s=_time(row["end"], start_s, f"{where}: end") if "end" in row else math.inf,
        severity=None if severity is None else _number(severity, f"{where}: severity"),
        grows_s=_number(row.get("grows_s", 0.0), f"{where}: grows_s"),
    )
    try:
        check(fault, site)
    except FaultError as error:
        raise FaultError(f"{where}: {error}") from None
    return fault


def _time(value: Any, start_s: float, where: str) -> float:
    if isinstance(value, str):
        try:
            return from_iso(value)
        except ValueError:
            raise FaultError(f"{where}: {value!r} is no time: write 2024-04-07T01:00Z") from None
    return start_s + _number(value, where)


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise FaultError(f"{where}: {value!r} is no finite number")
    return float(value)
