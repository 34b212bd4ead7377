"""One day of one variant: what it would have planned, minute by minute as things were known."""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from controller.backtest.record import (
    AFTER_S,
    BEFORE_S,
    BacktestError,
    DayFile,
    KnownThen,
)
from controller.backtest.settings import plain, settings_of
from controller.evaluation.shadow.beside import EnvelopeBeside
from controller.sweep import Task
from facility.clock import iso
from facility.commands import Command, Decision, Receipt
from facility.site import Site
from facility.telemetry import Authority, Snapshot

if TYPE_CHECKING:
    from controller.evaluation.shadow.inputs import LearnedParts
    from controller.planning.settings import PlanningSettings
    from controller.records import TickRecord
    from models.registry import Bundle

FUNCTION = "controller.backtest.day:day"
ANSWERS = ("allowed", "limited", "refused", "unchanged")
"""What the envelope says to a command."""


@dataclass(frozen=True)
class Variant:
    """A model under settings."""

    name: str
    """As `named` makes it."""
    model: Path
    version: str
    """The model's content hash: a folder's content may change."""
    settings: PlanningSettings


def named(text: str) -> str:
    """A name of a variant: what names of files may hold."""
    return re.sub(r"[^\w.-]+", "-", text)


def tasks(
    site: tuple[Path, Site],
    variants: Sequence[Variant],
    days: Sequence[DayFile],
    *,
    every_s: float,
    stands_s: float,
    keep: Path | None = None,
) -> tuple[Task, ...]:
    """One a variant and day, in that order; their steps are kept below ``keep``, for replay."""
    return tuple(
        Task(
            f"{variant.name}_{_date(one)}",
            FUNCTION,
            {
                "site": str(site[0]),
                "site_hash": site[1].content_hash,
                "model": str(variant.model),
                "version": variant.version,
                "settings": plain(variant.settings),
                "record": str(one.path),
                "sha256": one.sha256,
                "start_s": one.start_s,
                "end_s": one.end_s,
                "every_s": every_s,
                "stands_s": stands_s,
                "keep": None if keep is None else str(keep / f"{variant.name}_{_date(one)}"),
            },
        )
        for variant in variants
        for one in days
    )


def _date(one: DayFile) -> str:
    return iso(one.start_s)[:10]


def day(  # noqa: PLR0913 - a task's arguments, each by its name
    *,
    site: str,
    site_hash: str,
    model: str,
    version: str,
    settings: Mapping[str, Any],
    record: str,
    sha256: str,
    start_s: float,
    end_s: float,
    every_s: float,
    stands_s: float,
    keep: str | None,
) -> dict[str, Any]:
    """Live through a day with the control step of a variant; answers JSON values.

    Raises
    ------
    BacktestError
        Site, model or record are not those that were asked for.
    """
    import pyarrow.parquet as pq

    from controller.backtest.score import score
    from controller.evaluation.shadow.inputs import learned_parts
    from facility.loading import load_site

    hall = load_site(site)
    content = Path(record).read_bytes()
    if hall.content_hash != site_hash or hashlib.sha256(content).hexdigest() != sha256:
        raise BacktestError(f"{site} or {record} has changed since the backtest was begun")
    parts = learned_parts(hall, Path(model), settings_of(settings, "settings"))
    if parts.bundle.version != version:
        raise BacktestError(f"{model} has changed since the backtest was begun")
    table = pq.read_table(record)
    known = KnownThen(hall, table, start_s - BEFORE_S, end_s + AFTER_S, stands_s)
    lived = asyncio.run(
        live_through(hall, parts, known, start_s=start_s, end_s=end_s, every_s=every_s)
    )
    if keep is not None:
        keep_steps(Path(keep), (Path(site), hall), (Path(model), parts.bundle), lived.ticks)
    return {
        "steps": [step_of(one) for one in lived.ticks],
        "envelope": lived.envelope,
        "errors": score(hall, parts.bundle, known.frame(), lived.ticks),
    }


@dataclass(frozen=True)
class Lived:
    """A day's steps, and what the envelope said."""

    ticks: tuple[TickRecord, ...]
    envelope: dict[str, Any]


async def live_through(
    site: Site,
    parts: LearnedParts,
    known: KnownThen,
    *,
    start_s: float,
    end_s: float,
    every_s: float,
) -> Lived:
    """The control step at every ``every_s`` from ``start_s`` up to ``end_s``.

    Each sees the plant as it was: what it would have done is not carried on to the next, for the
    recorded plant did not follow. The last plan is, as the start of the next one's search.
    """
    from controller.tick import TickState, tick

    state, ticks, gateway = TickState.start(site), [], _EnvelopeThen(site)
    wired = parts.wired(site, gateway)
    for snapshot in known.snapshots():
        if snapshot.time_s >= end_s:
            break
        state = state.seen(snapshot)
        if snapshot.time_s < start_s or (snapshot.time_s - start_s) % every_s > 1e-6:
            continue
        gateway.at(snapshot)
        state, one = await tick(replace(state, proposal=None, writes={}), snapshot, wired)
        ticks.append(one)
    return Lived(tuple(ticks), gateway.counted())


def keep_steps(
    folder: Path,
    site: tuple[Path, Site],
    model: tuple[Path, Bundle],
    ticks: Sequence[TickRecord],
) -> None:
    """Write steps as a state directory of their own, with what they were made with."""
    from controller.replay.inputs import keep_inputs
    from controller.storage.opening import Place, open_stores

    shutil.rmtree(folder, ignore_errors=True)  # of a run that was interrupted
    folder.mkdir(parents=True)
    keep_inputs(folder, site, model)
    stores = open_stores(Place(folder))
    try:
        for one in ticks:
            stores.ticks.keep(one)
    finally:
        stores.close()


def step_of(tick: TickRecord) -> dict[str, Any]:
    """What a step would have proposed: JSON values."""
    plan = tick.outcome.plan if tick.outcome else None
    now = {limit.group: limit.in_force for limit in tick.request.limits} if tick.request else {}
    aims = dict(zip(plan.groups, plan.setpoints[0], strict=True)) if plan else {}
    held = None if plan is None else sum(plan.power_now_kw[0])
    return {
        "time_s": tick.time_s,
        "note": tick.note,
        "link": plan.link if plan else None,
        "verified": plan.verified if plan else False,
        "fallback": tick.fallback,
        "saving_kw": plan.saving_kw if plan else None,
        "power_now_kw": held,
        "moves": {
            group: [now[group], aim] for group, aim in aims.items() if abs(aim - now[group]) > 1e-9
        },
    }


class _AsItWas:
    """The recorded hall at one moment; what is set in it is known to the envelope alone."""

    def __init__(self, site: Site, snapshot: Snapshot) -> None:
        self.site, self._snapshot = site, snapshot
        self.armed: set[str] = set()
        self._held: dict[str, float] = {}

    @property
    def now_s(self) -> float:
        """The moment."""
        return self._snapshot.time_s

    def snapshot(self) -> Snapshot:
        """As it was, with the devices that would have been taken over."""
        readings = dict(self._snapshot.readings)
        for name, value in self._held.items():
            tag = self.site.actuators[name].read_back
            if tag in readings:
                readings[tag] = replace(readings[tag], value=value)
        devices = {
            name: replace(status, armed=True, authority=Authority.REMOTE)
            if name in self.armed
            else status
            for name, status in self._snapshot.devices.items()
        }
        return replace(self._snapshot, readings=readings, devices=devices)

    def hold(self, actuator: str, value: float) -> None:
        """Would have been set."""
        self._held[actuator] = value

    def give_back(self, device: str) -> None:
        """Would have been given back."""
        self.armed.discard(device)
        for actuator in self.site.device_actuators(device):
            self._held.pop(actuator.id, None)


class _EnvelopeThen:
    """Where a step's commands end: judged at its moment, and forgotten after it."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._beside = EnvelopeBeside(_AsItWas(site, Snapshot(0.0, {})))
        self._sums = Counter[str]()
        self._checks = Counter[str]()

    def at(self, snapshot: Snapshot) -> None:
        """The moment of the next step."""
        self._beside = EnvelopeBeside(_AsItWas(self._site, snapshot))

    async def send(self, decision: Decision, commands: Sequence[Command]) -> tuple[Receipt, ...]:
        """Judge, and count."""
        receipts = await self._beside.send(decision, commands)
        would_be = self._beside.would_be
        self._sums.update({name: getattr(would_be, name) for name in ANSWERS})
        self._checks.update(would_be.by_check)
        return receipts

    def counted(self) -> dict[str, Any]:
        """Commands by answer, and the checks that bound: JSON values."""
        return {
            **{name: self._sums[name] for name in ANSWERS},
            "by_check": dict(sorted(self._checks.items())),
        }
