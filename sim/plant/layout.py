"""Tables of physical units for compiled code: one record a unit, one column a quantity.

All columns are float64, so that a whole plant's state lies in one block of memory: it is
copied, saved, compared and sampled as one array.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.void]
"""Records of a `Layout`: ``table["column"]`` is an array over units."""

Record = Any
"""One unit's row inside a kernel: ``record.column`` reads and writes it."""

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_Function = TypeVar("_Function", bound=Callable[..., Any])


def kernel(function: _Function) -> _Function:
    """Compile ``function`` with Numba, without fast-math, and keep the result on disk.

    Numba's cache notices a change of a kernel's own file, but not of the kernels that it
    calls: a stale plant would go on running after its chiller was mended. So the cache lies
    in a folder named after the text of all kernels.
    """
    return _compiled(function, inline="never")


def template(function: _Function) -> _Function:
    """A kernel that is written out where it is called: for records of different layouts."""
    return _compiled(function, inline="always")


def _compiled(function: _Function, inline: Literal["never", "always"]) -> _Function:
    config = cast(Any, numba.config)  # its settings are attributes made at run time
    before = config.CACHE_DIR
    config.CACHE_DIR = str(Path(before or _HERE / "__pycache__") / f"kernels-{_DIGEST}")
    try:
        return cast(_Function, numba.njit(cache=True, inline=inline)(function))
    finally:
        config.CACHE_DIR = before


_HERE = Path(__file__).parent
_DIGEST = hashlib.sha256(
    b"".join(path.read_bytes() for path in sorted(_HERE.glob("*.py")))
).hexdigest()[:12]


@dataclass(frozen=True)
class Layout:
    """The columns of a table, each with its meaning (which names its unit and its source)."""

    meaning: dict[str, str]

    @cached_property
    def dtype(self) -> np.dtype[np.void]:
        """The record type."""
        return np.dtype([(name, np.float64) for name in self.meaning])

    def table(self, rows: int) -> Table:
        """An empty table: zeros."""
        return cast(Table, np.zeros(rows, dtype=self.dtype))

    def filled(self, rows: list[dict[str, float]]) -> Table:
        """A table of complete rows.

        Raises
        ------
        KeyError
            A row lacks a column or has one that is not of this layout.
        """
        table = self.table(len(rows))
        for i, row in enumerate(rows):
            if odd := set(row) ^ set(self.meaning):
                raise KeyError(f"columns missing or unknown: {', '.join(sorted(odd))}")
            for name, value in row.items():
                table[name][i] = value
        return table
