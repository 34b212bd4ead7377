"""Inner loops compiled by numba: arithmetic over time that torch would call step by step.

What is compiled is kept beside the code, so that only the first run after an installation waits.
No fast mathematics: the same numbers come out on every run. Divisions follow IEEE 754, so that
a loop without branches can be carried out several elements at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numba

Kernel = Callable[..., None]


def compiled(function: Kernel) -> Kernel:
    """``function`` of arrays and numbers, compiled on first use."""
    return cast(Kernel, cast(Any, numba.njit(cache=True, error_model="numpy"))(function))


def compiled_part(function: Callable[..., float]) -> Callable[..., float]:
    """``function`` of numbers, for use inside what is `compiled`."""
    part = numba.njit(cache=True, error_model="numpy", inline="always")
    return cast("Callable[..., float]", cast(Any, part)(function))
