"""What a demonstration was asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from facility.commands import Mode

# A spring day of the measured trace; a hot summer day for the hall with chillers.
DEFAULT_START = {"frontier": "2024-04-07", "campus": "2024-07-15"}
FALLBACK_START = "2024-07-15"


class DemoError(Exception):
    """The demonstration cannot run: what is wrong and how to mend it."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """One run of the demonstration.

    ``site`` is the name of a reference site or a folder; ``rate`` None means stepped time,
    else wall time that many times as fast; ``pace`` bounds stepped time to so many times
    real time, for people to watch.
    """

    site: str
    hours: float
    start: str
    mode: Mode
    out: Path
    load: Path | None = None
    weather: Path | None = None
    rate: float | None = None
    pace: float | None = None
    seed: int = 1
    port: int = 0
    """Of the REST service; 0 takes any free one."""
    model: Path | None = None
    """A trained model's folder; None trains one on the first run and keeps it."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where everything of one run lies."""

    out: Path

    @property
    def site(self) -> Path:
        """The site's files as run."""
        return self.out / "site"

    @property
    def simulator(self) -> Path:
        """The simulator's records of the run under Isotherm."""
        return self.out / "isotherm"

    @property
    def gateway(self) -> Path:
        """The gateway's journal and modes."""
        return self.out / "gateway"

    @property
    def controller(self) -> Path:
        """The controller's stores and summary."""
        return self.out / "controller"

    @property
    def logs(self) -> Path:
        """What the processes said."""
        return self.out / "logs"

    def baseline(self, name: str) -> Path:
        """A baseline's records: ``guideline36`` or ``fixed``."""
        return self.out / name
