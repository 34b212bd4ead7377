"""What long work says on the way: one line that is written over, or a few lines in a log."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

LOG_STEP = 0.25
"""Where there is no terminal, one line for each such share done."""


class Progress:
    """Tells on stderr how far something is; a context manager that leaves the line clean."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._width = 0
        self._told = -LOG_STEP

    def __call__(self, what: str, share: float) -> None:
        """Say ``what`` is being done, with ``share`` of the whole done."""
        if self._quiet:
            return
        line = f"{share:4.0%} {what}"
        if self._terminal:
            sys.stderr.write(f"\r{line.ljust(self._width)}")
            sys.stderr.flush()
            self._width = len(line)
        elif share >= self._told + LOG_STEP or share < self._told:
            sys.stderr.write(f"{line}\n")
            self._told = share

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._terminal and self._width:
            sys.stderr.write(f"\r{' ' * self._width}\r")
            sys.stderr.flush()
