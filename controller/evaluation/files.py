"""The files of a finished run: where they lie, and reading them with errors that name them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

ISOTHERM = "isotherm"
GUIDELINE_36 = "guideline36"
FIXED = "fixed"
VARIANTS = (ISOTHERM, GUIDELINE_36, FIXED)
"""The run itself and its two baselines: the plant under its own control on the same inputs."""


class EvaluationError(Exception):
    """A run that cannot be evaluated: which file, what is wrong, how to mend it."""


@dataclass(frozen=True, slots=True)
class RunFiles:
    """The layout of a run's folder."""

    out: Path

    @property
    def site(self) -> Path:
        """The site as it was run."""
        return self.out / "site"

    @property
    def arguments(self) -> Path:
        """What was asked, and on what it ran."""
        return self.out / "run.json"

    @property
    def events(self) -> Path:
        """What the orchestration saw happen; may be missing."""
        return self.out / "events.json"

    def accounts(self, variant: str) -> Path:
        """A variant's accounts."""
        return self.out / variant / "accounts.json"

    def truth(self, variant: str) -> Path:
        """A variant's noise-free truth, a row a minute."""
        return self.out / variant / "truth.parquet"

    @property
    def recorder(self) -> Path:
        """What the devices received."""
        return self.out / ISOTHERM / "recorder.jsonl"

    @property
    def journal(self) -> Path:
        """What the gateway did."""
        return self.out / "gateway" / "journal.jsonl"

    @property
    def summary(self) -> Path:
        """What the controller counted."""
        return self.out / "controller" / "summary.json"

    @property
    def ticks(self) -> Path:
        """The controller's records of its steps."""
        return self.out / "controller" / "ticks"


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises
    ------
    EvaluationError
        It is missing or no JSON.
    """
    try:
        return json.loads(_text(path))
    except ValueError as error:
        raise EvaluationError(f"{path} is no JSON ({error}): run again") from None


def read_object(path: Path) -> dict[str, Any]:
    """The content of a JSON file that has to be an object."""
    data = read_json(path)
    if not isinstance(data, dict):
        raise EvaluationError(f"{path} has to hold a JSON object, not a {type(data).__name__}")
    return data


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file of JSON lines.

    Raises
    ------
    EvaluationError
        It is missing, or a line is no JSON object; the message names the line.
    """
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                try:
                    yield json.loads(line)
                except ValueError as error:
                    raise EvaluationError(f"{path}, line {number}: {error}") from None
    except OSError as error:
        raise _missing(path, error) from None


def read_frame(path: Path) -> pd.DataFrame:
    """A table of truth: rising UTC times as its index, one column a tag.

    Raises
    ------
    EvaluationError
        It is missing or not such a table.
    """
    import pandas as pd

    try:
        frame = pd.read_parquet(path)
    except OSError as error:
        raise _missing(path, error) from None
    except ValueError as error:
        raise EvaluationError(f"{path} is no Parquet file: {error}") from None
    if not isinstance(frame.index, pd.DatetimeIndex) or frame.index.tz is None or frame.empty:
        raise EvaluationError(f"{path} has to be a table of at least one row with a UTC time index")
    if not frame.index.is_monotonic_increasing:
        raise EvaluationError(f"{path}: its times do not rise")
    return frame


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise _missing(path, error) from None


def _missing(path: Path, error: OSError) -> EvaluationError:
    if isinstance(error, FileNotFoundError):
        return EvaluationError(
            f"there is no {path}: the run did not come to its end, or this is no run's folder"
        )
    return EvaluationError(f"{path} cannot be read: {error.strerror}")
