"""A whole run in one process: plant, devices, gateway and controller, without sockets or files.

The same gateway core, envelope, write gate and journal, the same control loop, tick, desk and
stores as in three processes; only the ways between them are calls. Plant time stands still while
anything works, the devices keep the resolution of their wires, and every write is recorded as they
received it. So the same scenario, seed and model give the same accounts twice, in as little time as
the planner needs.

The folder of a run is that of the demonstration (docs/interfaces.md, «Evaluation»), so that
`controller.evaluation.write_report` makes its report.
"""

from __future__ import annotations

import asyncio
import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from controller.evaluation.files import ISOTHERM, RunFiles
from controller.in_process_link import InProcessLink
from controller.replay.inputs import keep_inputs
from facility.clock import RunEnded, iso
from facility.commands import Mode
from facility.loading import load_site

if TYPE_CHECKING:
    from controller.authority.desk import Desk
    from controller.estimation.estimate import Estimator
    from controller.estimation.forecasts import Forecaster, Prices
    from controller.gateway_link import GatewayLink
    from controller.loop import Tick
    from controller.planning.settings import PlanningSettings
    from controller.planning.words import Planner
    from facility.clock import Clock
    from facility.site import Site
    from models.registry import Bundle
    from sim.scenarios import Prepared

    MakeTick = Callable[[Site, Clock, Desk, GatewayLink], Tick]
    """Makes the control step of a run."""

BASELINES = ("guideline36", "fixed")
BASE_PORT = 15_020
LOCAL_CONTROL = "guideline36"
"""What the devices fall back to, and what a variant starts from."""
STAGE = "running under Isotherm"
Progress = Callable[[str, float], None]


class InProcessError(Exception):
    """A run that cannot begin: what is wrong and how to mend it. Nothing was run."""


@dataclass(frozen=True)
class InProcessRun:
    """What a run leaves, beside its folder."""

    out: Path
    accounts: Mapping[str, Mapping[str, Any]]
    """By variant: ``isotherm``, and the baselines that were run."""
    summary: Mapping[str, Any]
    """What the controller counted; timings are the machine's."""


def run_in_process(
    prepared: Prepared,
    model: Path,
    out: Path,
    *,
    mode: Mode = Mode.AUTOMATIC,
    baselines: tuple[str, ...] = BASELINES,
    progress: Progress | None = None,
) -> InProcessRun:
    """Run a scenario under the whole controller.

    Parameters
    ----------
    prepared
        The scenario (`sim.scenarios.prepare`), with its seed and length.
    model
        The folder of a model that was trained for its site.
    out
        A new folder.
    mode
        Of all actuators from the start. In ``advisory`` nobody answers, in ``shadow`` nothing is
        written.
    baselines
        Local controls to run besides on the same inputs; the report needs both.
    progress
        Gets a stage's name and its share done, 0 to 1.

    Raises
    ------
    InProcessError
        ``out`` holds a run already, or the model is none of this site's.
    """
    tell = progress or (lambda _stage, _share: None)
    if (out / "run.json").exists():
        raise InProcessError(f"{out} holds a run already; choose another folder")
    site = lay_site(prepared, out)
    parts = learned_step(site, model, prepared.grid)
    keep_inputs(out / "controller", (out / "site", site), (model, parts.bundle))
    (out / "run.json").write_text(
        json.dumps(_provenance(prepared, model, mode), indent=2, sort_keys=True) + "\n",
        encoding="utf-8",
    )
    accounts = {ISOTHERM: controlled(prepared, site, parts.tick, out, mode, tell)}
    for name in baselines:
        accounts[name] = _baseline(prepared, name, out, tell)
    summary = json.loads(RunFiles(out).summary.read_text(encoding="utf-8"))
    return InProcessRun(out, accounts, summary)


@dataclass(frozen=True)
class LearnedStep:
    """The control step that `isotherm serve` runs, with the planner in this process."""

    bundle: Bundle
    planner: Planner
    settings: PlanningSettings
    prices: Prices
    estimator: Estimator
    forecaster: Forecaster

    def tick(self, site: Site, clock: Clock, desk: Desk, link: GatewayLink) -> Tick:
        """As a run's control loop is given it."""
        from controller.assembly import LearnedTick
        from controller.tick import Parts, Through, TickState

        parts = Parts(
            site=site,
            model_version=self.bundle.version,
            estimator=self.estimator,
            forecaster=self.forecaster,
            planner=self.planner,
            authority=desk,
            gateway=Through(link),
            prices=self.prices,
            settings=self.settings,
            clock=clock,
        )
        return LearnedTick(parts, TickState.start(site))


def learned_step(site: Site, model: Path, prices: Prices) -> LearnedStep:
    """The control step over the model in the folder ``model``.

    Raises
    ------
    InProcessError
        There is no model of this site there.
    """
    import torch

    from controller.estimation.learned import LearnedEstimator, LearnedForecaster
    from controller.planning.predictor import LearnedPredictor
    from controller.planning.settings import PlanningSettings
    from controller.planning.solve import PlanMaker
    from controller.planning.worker import InProcessPlanner
    from models.registry import Bundle, RegistryError

    torch.set_num_threads(1)  # small tensors: more threads only wait, and sum in another order
    try:
        bundle = Bundle.load(model, site)
    except RegistryError as error:
        raise InProcessError(str(error)) from None
    # Plant time stands still while a plan is made: the machine's speed decides nothing.
    settings = PlanningSettings(stage_time_s=None)
    maker = PlanMaker(site, LearnedPredictor(site, bundle), settings)
    return LearnedStep(
        bundle,
        InProcessPlanner(maker),
        settings,
        prices,
        LearnedEstimator(site, bundle),
        LearnedForecaster(site, bundle),
    )


def lay_site(prepared: Prepared, out: Path) -> Site:
    """The site's files as run, for whoever reads the folder."""
    from sim.scenarios.build import PLANT_SEED
    from sim.sites import write

    write(prepared.scenario.site, out / "site", BASE_PORT, seed=PLANT_SEED)
    return load_site(out / "site")


class _World:
    """Plant and gateway, second by second; the controller's clock is its hand."""

    def __init__(self, prepared: Prepared, site: Site, out: Path, tell: Progress) -> None:
        from adapters.driver import LinkStatus, WriteFailed
        from adapters.gateway.lockstep import LockStepGateway
        from sim.devices.reports import TRUTH_EVERY_S, TruthLog
        from sim.lockstep import LockstepClock, LockstepDriver
        from sim.recorder import Recorder

        self.plant = prepared.warmed_up(LOCAL_CONTROL)
        self._out, self._tell = out / ISOTHERM, tell
        self._out.mkdir(parents=True)
        self._start_s, self._ends_s = prepared.start_s, prepared.ends_s
        self.recorder = Recorder(self._out / "recorder.jsonl")
        drivers = {
            device: LockstepDriver(
                site, device, self.plant, self.recorder, status=LinkStatus, failure=WriteFailed
            )
            for device in site.devices
        }
        (out / "gateway").mkdir()
        self.gateway = LockStepGateway(site, drivers, lambda: self.plant.now_s, out / "gateway")
        self.clock = LockstepClock(self.plant, self.advance)
        self._truth, self._every_s = TruthLog(), TRUTH_EVERY_S
        self._truth.add(self.plant.now_s, self.plant.truth())
        self.gateway.second()

    def advance(self, to_s: float) -> None:
        """Go on to ``to_s``: each second the plant first, then the gateway.

        Raises
        ------
        RunEnded
            The run is over; the controller leaves.
        """
        while self.plant.now_s < to_s - 1e-6:
            self.plant.advance(min(self.plant.now_s + 1.0, self._ends_s))
            since_s = self.plant.now_s - self._start_s
            if since_s % self._every_s == 0.0:
                self._truth.add(self.plant.now_s, self.plant.truth())
                self._tell(STAGE, since_s / (self._ends_s - self._start_s))
            if self.plant.now_s >= self._ends_s:
                raise RunEnded(f"the run came to its end at {iso(self.plant.now_s)}")
            self.gateway.second()

    def finish(self) -> Mapping[str, Any]:
        """Complete the record; write and answer the accounts."""
        from safety.journal import Journal
        from sim.devices.reports import accounts_of, write_json

        self.recorder.close()
        if isinstance(self.gateway.house.journal, Journal):
            self.gateway.house.journal.close()
        accounts = accounts_of(self.plant.accounts(), self.recorder)
        write_json(self._out / "accounts.json", accounts)
        self._truth.write(self._out / "truth.parquet")
        return accounts


def controlled(
    prepared: Prepared, site: Site, make_tick: MakeTick, out: Path, mode: Mode, tell: Progress
) -> Mapping[str, Any]:
    """A scenario under the control loop and whatever step it is given.

    Writes all but ``run.json`` and the baselines; answers the plant's accounts with the count of
    writes.
    """
    return asyncio.run(_controlled(prepared, site, make_tick, out, mode, tell))


async def _controlled(
    prepared: Prepared, site: Site, make_tick: MakeTick, out: Path, mode: Mode, tell: Progress
) -> Mapping[str, Any]:
    from controller.alarms.watch import AlarmBook
    from controller.authority.desk import Desk
    from controller.authority.roles import Actor, Scope
    from controller.live import Live
    from controller.loop import ControlLoop, LoopParts
    from controller.storage.records import LocalRecords
    from controller.storage.telemetry import LocalTelemetry
    from controller.storage.ticks import FolderBodies, TickArchive

    world = _World(prepared, site, out, tell)
    clock, state = world.clock, out / "controller"
    state.mkdir(exist_ok=True)
    link = InProcessLink(world.gateway.house, clock.now_s)
    records = LocalRecords(state / "records.db")
    dead_bands = {point.tag: point.dead_band for point in site.points.values()}
    telemetry = LocalTelemetry(state / "telemetry", dead_bands, durable=False)
    try:
        desk = Desk(site, records, link)
        loop = ControlLoop(
            LoopParts(
                site=site,
                clock=clock,
                link=link,
                desk=desk,
                alarms=AlarmBook(site, records),
                telemetry=telemetry,
                ticks=TickArchive(FolderBodies(state / "ticks"), records),
                tick=make_tick(site, clock, desk, link),
                live=Live(site.id, clock.now_s(), clock.now_s()),
                summary_file=state / "summary.json",
            )
        )
        actor = Actor("the run", Scope.ENGINEER, "in process")
        await link.connect()
        await desk.set_mode(None, mode, actor, "asked for at the start of the run", clock.now_s())
        await loop.run()
    finally:
        telemetry.close()
        records.close()
        accounts = world.finish()
    return accounts


def _baseline(prepared: Prepared, name: str, out: Path, tell: Progress) -> Mapping[str, Any]:
    """A local control on the same inputs, in files that the report reads."""
    from sim.scenarios import run_scenario

    stage = f"the same under {name}"
    done = run_scenario(prepared, local_control=name, progress=lambda share: tell(stage, share))
    done.write(out / name)
    tell(stage, 1.0)
    return done.summary()


def _provenance(prepared: Prepared, model: Path, mode: Mode) -> dict[str, Any]:
    scenario = prepared.scenario
    return {
        "isotherm": version("isotherm"),
        "scenario": scenario.name,
        "site": scenario.site,
        "start": iso(prepared.start_s),
        "hours": prepared.hours,
        "seed": prepared.seed,
        "mode": mode.value,
        "rate": None,
        "load": scenario.load.file or None,
        "weather": scenario.weather.file or None,
        "model": model.name,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "packages": {name: version(name) for name in ("torch", "numpy", "cvxpy")},
    }
