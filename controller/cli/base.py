"""What all groups of commands share: how they register, fail, and print."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Commands = argparse._SubParsersAction


class CommandError(Exception):
    """A command that cannot be done as asked: what is wrong and how to mend it."""

    def __init__(self, text: str, status: int = 2) -> None:
        super().__init__(text)
        self.status = status


def message(text: str) -> None:
    """Say something to the person; stdout is for data."""
    print(text, file=sys.stderr)


def print_json(data: Any) -> None:
    """Data for a program, or for a careful reader."""
    print(json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False))


def print_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Rows under their heads, columns aligned."""
    table = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *table, strict=True)]
    for row in [list(head), *table]:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )
