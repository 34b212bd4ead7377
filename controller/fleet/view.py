"""How one site is doing, read from what its controller has kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from controller.alarms.watch import ACTIVE, OPEN
from controller.fleet.sites import SiteEntry
from controller.storage.opening import open_present
from controller.storage.ports import Kind, StorageError
from controller.storage.upgrading import levels

if TYPE_CHECKING:
    from controller.storage.opening import Stores

DAY_S = 86_400.0
PAGE = 1000
STEPS_KEPT = 300
"""Of the newest steps so many are looked at: a day of them, one every five minutes."""


@dataclass(frozen=True)
class SiteView:
    """A site's row; None is what its store does not say."""

    name: str
    error: str = ""
    """Why nothing is known of it; the other sites are shown all the same."""
    last_data_s: float | None = None
    last_step_s: float | None = None
    modes: Mapping[str, int] = field(default_factory=dict)
    """Actuators by mode at the last step."""
    steps: int = 0
    """Of the day up to the last one."""
    fallbacks: int = 0
    saving_kw: float | None = None
    """Mean of what these steps expected to save."""
    alarms: Mapping[str, int] = field(default_factory=dict)
    """Open ones by priority."""
    unacknowledged: int = 0
    waiting: int = 0
    """Proposals that nobody has answered."""

    @property
    def mode(self) -> str:
        """The modes in words: the one, or how many actuators are in each."""
        if len(self.modes) == 1:
            return next(iter(self.modes))
        return ", ".join(f"{count} {mode}" for mode, count in self.modes.items())

    def plain(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "name": self.name,
            "error": self.error,
            "last_data_s": self.last_data_s,
            "last_step_s": self.last_step_s,
            "modes": dict(self.modes),
            "steps": self.steps,
            "fallbacks": self.fallbacks,
            "saving_kw": self.saving_kw,
            "alarms": dict(self.alarms),
            "unacknowledged": self.unacknowledged,
            "waiting": self.waiting,
        }


def view_of(entry: SiteEntry) -> SiteView:
    """How a site is doing; a store that cannot be read gives a row that says why."""
    try:
        found = levels(entry.place) if entry.place.exists else []
        if not found or any(level.current is None for level in found):
            return SiteView(entry.name, error=f"{entry.place} holds no records of Isotherm")
        stores = open_present(entry.place)
        try:
            return _view(entry.name, stores)
        finally:
            stores.close()
    except StorageError as error:
        return SiteView(entry.name, error=str(error))


def _view(name: str, stores: Stores) -> SiteView:
    extent = stores.telemetry.extent()
    steps = list(_last_day(stores))
    savings = [s["saving_kw"] for s in steps if s["saving_kw"] is not None]
    tick = stores.ticks.tick(steps[0]["id"]) if steps else None
    alarms = stores.records.find(Kind.ALARM, states=OPEN, limit=PAGE)
    modes = Counter(mode.value for mode in tick.modes.values()) if tick else Counter[str]()
    return SiteView(
        name,
        last_data_s=None if extent is None else extent[1],
        last_step_s=steps[0]["time_s"] if steps else None,
        modes=dict(modes.most_common()),
        steps=len(steps),
        fallbacks=sum(step["fallback"] for step in steps),
        saving_kw=sum(savings) / len(savings) if savings else None,
        alarms=dict(Counter(str(record.body["priority"]) for record in alarms)),
        unacknowledged=sum(record.state == ACTIVE for record in alarms),
        waiting=len(stores.records.find(Kind.PROPOSAL, states=("pending",), limit=PAGE)),
    )


def _last_day(stores: Stores) -> Iterator[Mapping[str, Any]]:
    """Index entries of the newest steps, newest first, of the day up to the last one."""
    found = stores.records.find(Kind.TICK, limit=STEPS_KEPT)
    for record in found:
        if record.time_s > found[0].time_s - DAY_S:
            yield record.body
