"""Mutants that no test can kill, each with the reason; entries that no longer hold are stale."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.campaign import KILLED, Result
from tests.mutation.operators import Mutant


@dataclass(frozen=True)
class Listed:
    """Reasons by the name of a mutant."""

    reasons: dict[str, str]

    def compare(
        self, every: Iterable[Mutant], results: Sequence[Result]
    ) -> tuple[list[Result], list[str]]:
        """What is open, and which entries are stale: of no mutant, or of one that is killed."""
        names = {each.key for each in every}
        stale = [f"there is no such mutant: {key}" for key in self.reasons if key not in names]
        stale += [
            f"it is killed (by {each.by}): {each.mutant.key}"
            for each in results
            if each.outcome == KILLED and each.mutant.key in self.reasons
        ]
        open_ = [
            each
            for each in results
            if each.outcome != KILLED and each.mutant.key not in self.reasons
        ]
        return open_, stale


def read_listed(path: Path) -> Listed:
    """The file: ``[[equivalent]]`` tables, each with a ``reason`` and its ``mutants``."""
    reasons: dict[str, str] = {}
    for entry in tomllib.loads(path.read_text("utf-8")).get("equivalent", ()):
        for key in entry["mutants"]:
            if not entry["reason"].strip():
                raise ValueError(f"{path}: no reason is given for {key}")
            if key in reasons:
                raise ValueError(f"{path}: listed twice: {key}")
            reasons[key] = entry["reason"]
    return Listed(reasons)
