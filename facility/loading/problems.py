"""What is wrong with a site's files, said so that an engineer can mend it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where, what, and the mend."""

    file: str
    row: str
    """«row 12 (cdu01.tcs_flow)» of a table, «[[cdus]] 3 (cdu03)» of a TOML file."""
    field: str
    what: str
    mend: str

    def __str__(self) -> str:
        where = ", ".join(part for part in (self.file, self.row, self.field) if part)
        return f"{where}: {self.what}. {self.mend}"


class SiteError(ValueError):
    """A site's files cannot be used; ``problems`` holds every reason, not the first alone."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = f"{count} problem{'s' if count != 1 else ''} in the site's files:"
        super().__init__("\n".join([head, *(f"  {problem}" for problem in self.problems)]))
