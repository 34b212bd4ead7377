"""The live demonstration: the processes run, and a terminal shows what they say."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from adapters.gateway.client import GatewayError, GatewayRefusal, SyncGatewayClient
from controller.demo.options import DemoOptions
from controller.demo.orchestrate import (
    Progress,
    Running,
    await_baselines,
    finish,
    interruptible,
    prepare,
    start_of,
    started,
    watch,
)
from controller.demo.view import LiveView
from controller.evaluation.files import read_frame
from controller.evaluation.series import Array, Truth, cooling_kwh, integrated_kwh, it_kw
from controller.frame import (
    EventView,
    LiveFrame,
    ProposalView,
    RunView,
    Saving,
    frame_of,
    proposal_view,
)
from facility.clock import from_iso
from facility.commands import Proposal
from facility.loading import load_site
from facility.site import Site
from facility.telemetry import Snapshot
from facility.wire import from_wire

ASK_EVERY_S = 1.0
ANSWER_WITHIN_S = 2.0


def live(options: DemoOptions, progress: Progress) -> None:
    """Run until the end of the plant's hours or Ctrl-C, then write the report of a whole run.

    Raises
    ------
    DemoError
        It could not run; everything that was started has been stopped.
    """
    folder, model = prepare(options, progress)
    site = load_site(folder.site)
    whole = False
    with started(options, folder, model) as running:
        watcher = Watcher(site, running, from_iso(start_of(options)))
        with LiveView() as view, interruptible():
            try:
                watch(running, watcher.show_in(view))
                finish(running)
                whole = True
            except KeyboardInterrupt:
                view.progress("handing the plant back ...")
        if whole:
            await_baselines(running)
    for event in running.events:
        progress(event, 1.0)
    if whole:
        _report(folder.out, progress)
    else:
        progress(f"ended; what was recorded is in {folder.out}", 1.0)


def _report(out: Path, progress: Progress) -> None:
    from controller.evaluation import headline, write_report

    progress(headline(write_report(out)), 1.0)
    progress(f"report: {out / 'report.html'}", 1.0)


class Watcher:
    """Asks gateway and controller what there is to see, beside the terminal.

    Questions are asked by a thread of its own: a process that is gone or busy must not
    freeze what the person sees.
    """

    def __init__(self, site: Site, running: Running, started_s: float) -> None:
        self._site, self._running, self._started_s = site, running, started_s
        self._baseline = BaselineEnergy(site, running.folder.baseline("guideline36"))
        self._snapshot: Snapshot | None = None
        self._proposal: ProposalView | None = None
        self._events: list[EventView] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def show_in(self, view: LiveView) -> Callable[[Running], None]:
        """What `watch` calls a few times a second."""

        def show(running: Running) -> None:
            frame = self.frame()
            if frame is None:
                view.progress("waiting for the gateway's first snapshot ...")
            else:
                view.show(frame)
            if not running.simulator.running:
                self._stop.set()

        return show

    def frame(self) -> LiveFrame | None:
        """The newest moment, or None before there is one."""
        snapshot = self._snapshot
        if snapshot is None:
            return None
        running = self._running
        lost = [c.name for c in (running.gateway, running.controller) if not c.running]
        view = RunView(
            started_s=self._started_s,
            ends_s=running.ends_at_s,
            proposal=self._proposal,
            saving=self._saving(),
            events=self._told(snapshot.time_s),
            console_url=self._console_url(),
            docs_url=f"{running.address}/docs",
            status=f"lost: {', '.join(lost)}" if lost else "",
        )
        return frame_of(self._site, snapshot, view)

    def _console_url(self) -> str:
        """A link to the console; the controller makes another one when it was used."""
        with contextlib.suppress(OSError):
            file = self._running.folder.controller / "login-link"
            return file.read_text(encoding="utf-8").strip()
        return ""

    def _told(self, now_s: float) -> tuple[EventView, ...]:
        """Events, each stamped when it was first seen."""
        for text in self._running.events[len(self._events) :]:
            self._events.append(EventView(now_s, "note", text))
        return tuple(self._events)

    def _saving(self) -> Saving | None:
        """Cooling energy so far, IT beyond the baseline's counted, as the report does."""
        live = self._running.live()
        energy = None if live is None else live.get("energy_kwh")
        if live is None or energy is None:
            return None
        baseline = self._baseline.until(float(live["time_s"]))
        if baseline is None:
            return None
        used_kwh = energy["cooling"] + (energy["it"] - baseline.it_kwh)
        return Saving(used_kwh, baseline.cooling_kwh, "Guideline 36", float(live["time_s"]))

    def _ask(self) -> None:
        while not self._stop.wait(ASK_EVERY_S):
            with (
                contextlib.suppress(GatewayError, GatewayRefusal),
                SyncGatewayClient(self._running.socket, ANSWER_WITHIN_S) as gateway,
            ):
                self._snapshot = from_wire(Snapshot, gateway.call("snapshot"))
            with contextlib.suppress(httpx.HTTPError, OSError, LookupError):
                self._proposal = self._ask_proposal()

    def _ask_proposal(self) -> ProposalView | None:
        token = (self._running.folder.controller / "admin.token").read_text().strip()
        answer = httpx.get(
            f"{self._running.address}/v1/proposals",
            params={"limit": 1},
            headers={"Authorization": f"Bearer {token}"},
            timeout=ANSWER_WITHIN_S,
        )
        items: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
        if not items:
            return None
        proposal = from_wire(Proposal, items[0]["proposal"])
        return proposal_view(self._site, proposal, items[0]["state"])


@dataclass(frozen=True, slots=True)
class Energy:
    """Electricity from the start to a moment, kWh."""

    cooling_kwh: float
    it_kwh: float


class BaselineEnergy:
    """Energy of a finished baseline up to a moment, from its truth."""

    def __init__(self, site: Site, folder: Path) -> None:
        self._site, self._folder = site, folder
        self._times_s: Array | None = None
        self._cooling_kwh: Array | None = None
        self._it_kwh: Array | None = None

    def until(self, time_s: float) -> Energy | None:
        """Energy from the start to ``time_s``; None while the baseline is not done."""
        if self._times_s is None and not self._read():
            return None
        if self._times_s is None or self._cooling_kwh is None or self._it_kwh is None:
            return None
        return Energy(
            float(np.interp(time_s, self._times_s, self._cooling_kwh)),
            float(np.interp(time_s, self._times_s, self._it_kwh)),
        )

    def _read(self) -> bool:
        # The accounts come after the truth: once they are there the truth is whole.
        if not (self._folder / "accounts.json").exists():
            return False
        truth = Truth.of(read_frame(self._folder / "truth.parquet"))
        self._times_s = truth.times_s
        self._cooling_kwh = cooling_kwh(self._site, truth)
        self._it_kwh = integrated_kwh(truth.times_s, it_kw(self._site, truth))
        return True
