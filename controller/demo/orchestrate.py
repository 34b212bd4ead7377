"""Runs a demonstration: the site, its model, the baselines, then the three processes."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

from controller.demo.model import ensure_model
from controller.demo.options import (
    DEFAULT_START,
    FALLBACK_START,
    DemoError,
    DemoOptions,
    RunFolder,
)
from controller.demo.ports import free_block
from controller.demo.processes import Child, Starter, await_file, children
from facility.clock import from_iso
from facility.loading import SiteError, load_site
from facility.wire import to_wire

BASELINES = ("guideline36", "fixed")
READY_WITHIN_S = 300.0
POLL_S = 0.1

Progress = Callable[[str, float], None]


@dataclass(slots=True)
class Running:
    """The processes of a run under way, and what is known of it."""

    folder: RunFolder
    simulator: Child
    gateway: Child
    controller: Child
    socket: Path
    address: str
    ends_at_s: float
    baselines: list[Child]
    events: list[str] = field(default_factory=list)

    def live(self) -> dict[str, Any] | None:
        """The simulator's headline truth, or None where it has written none yet."""
        try:
            text = (self.folder.simulator / "live.json").read_text(encoding="utf-8")
            return dict(json.loads(text))
        except (OSError, ValueError):
            return None


def prepare(options: DemoOptions, progress: Progress) -> tuple[RunFolder, Path]:
    """Check every input, lay out the run's folder and have a model; answers both.

    Raises
    ------
    DemoError
        An input cannot be used. Nothing has been started then.
    """
    folder = RunFolder(options.out)
    if (options.out / "run.json").exists():
        raise DemoError(f"{options.out} holds a run already; choose another folder with --out")
    for path in (options.load, options.weather):
        if path is not None and not path.is_file():
            raise DemoError(f"there is no file {path}")
    if options.hours <= 0.0:
        raise DemoError(f"--hours must be above 0, not {options.hours:g}")
    _lay_site(options.site, folder.site, options.seed)
    _check_inputs(options, folder)
    if options.model is not None:
        return folder, options.model
    started = time.monotonic()
    model, new = ensure_model(folder.site, seed=options.seed, progress=progress)
    if new:
        progress(f"model trained in {time.monotonic() - started:.0f} s and kept in {model}", 1.0)
    return folder, model


def _lay_site(name: str, target: Path, seed: int) -> None:
    from sim.sites import DESIGNS, write

    shutil.rmtree(target, ignore_errors=True)
    source = Path(name)
    if (source / "site.toml").exists():
        try:
            load_site(source)
        except SiteError as error:
            raise DemoError(str(error)) from None
        if not (source / "plant.toml").exists():
            raise DemoError(
                f"{source} has no plant.toml: only a simulated site can be demonstrated. "
                "For a real one run `isotherm gateway` and `isotherm serve`."
            )
        shutil.copytree(source, target)
        return
    if name not in DESIGNS:
        raise DemoError(
            f"there is no site {name!r}: name a folder with site.toml, or one of "
            f"{', '.join(sorted(DESIGNS))}"
        )
    write(name, target, free_block(64), seed=seed)


def _check_inputs(options: DemoOptions, folder: RunFolder) -> None:
    """Read load and weather once, so that a gap is found before anything is started."""
    from sim.inputs import InputError, inputs

    site = load_site(folder.site)
    try:
        from_iso(start_of(options))
    except ValueError:
        raise DemoError(f"--start {options.start!r} is not a date such as 2024-04-07") from None
    try:
        inputs(site, options.load, options.weather, seed=options.seed, hours=options.hours)
    except InputError as error:
        raise DemoError(str(error)) from None


def start_of(options: DemoOptions) -> str:
    """The first moment of the run."""
    return options.start or DEFAULT_START.get(options.site, FALLBACK_START)


@contextmanager
def started(options: DemoOptions, folder: RunFolder, model: Path) -> Iterator[Running]:
    """The baselines and the three processes, running; all are stopped on the way out."""
    (folder.out / "run.json").write_text(
        json.dumps(_provenance(options, model), indent=2, sort_keys=True) + "\n", encoding="utf-8"
    )
    # The path of a Unix socket is short by the system's law; a run's folder may not be.
    with tempfile.TemporaryDirectory(prefix="isotherm-") as short, children(folder.logs) as starter:
        socket = Path(short) / "gateway.sock"
        simulator = starter.start("simulator", "sim.devices", _simulator_arguments(options, folder))
        ready = await_file(folder.simulator / "ready.json", simulator, READY_WITHIN_S)
        clock_file = str(folder.simulator / "ready.json")
        gateway = starter.start(
            "gateway",
            "adapters.gateway",
            [
                *("--site", str(folder.site), "--state", str(folder.gateway)),
                *("--socket", str(socket), "--clock-file", clock_file),
            ],
        )
        port = options.port or free_block(1)
        controller = starter.start(
            "controller",
            "controller.cli",
            [
                *("serve", "--site", str(folder.site), "--state", str(folder.controller)),
                *("--gateway", str(socket), "--model", str(model)),
                *("--clock-file", clock_file, "--port", str(port)),
                *("--mode", options.mode.value, "--login-link"),
            ],
        )
        yield Running(
            folder=folder,
            simulator=simulator,
            gateway=gateway,
            controller=controller,
            socket=socket,
            address=f"http://127.0.0.1:{port}",
            ends_at_s=float(ready["ends_at_s"]),
            baselines=_start_baselines(starter, options, folder),
        )


def _start_baselines(starter: Starter, options: DemoOptions, folder: RunFolder) -> list[Child]:
    return [
        starter.start(
            name,
            "sim.batch",
            [*_inputs(options, folder), "--local", name, "--out", str(folder.baseline(name))],
        )
        for name in BASELINES
    ]


def _inputs(options: DemoOptions, folder: RunFolder) -> list[str]:
    arguments = [
        *("--site", str(folder.site), "--start", start_of(options)),
        *("--hours", repr(options.hours), "--seed", str(options.seed)),
    ]
    if options.load is not None:
        arguments += ["--load", str(options.load)]
    if options.weather is not None:
        arguments += ["--weather", str(options.weather)]
    return arguments


def _simulator_arguments(options: DemoOptions, folder: RunFolder) -> list[str]:
    arguments = [
        *_inputs(options, folder),
        *("--local", "guideline36", "--clients", "gateway,controller"),
        *("--out", str(folder.simulator)),
    ]
    if options.rate is not None:
        return [*arguments, "--clock", "wall", "--rate", repr(options.rate)]
    arguments += ["--clock", "stepped"]
    return arguments if options.pace is None else [*arguments, "--pace", repr(options.pace)]


def _provenance(options: DemoOptions, model: Path) -> dict[str, Any]:
    return {
        "isotherm": version("isotherm"),
        "site": options.site,
        "hours": options.hours,
        "start": start_of(options),
        "mode": to_wire(options.mode),
        "load": options.load.name if options.load else None,
        "weather": options.weather.name if options.weather else None,
        "rate": options.rate,
        "seed": options.seed,
        "model": model.name,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "packages": {
            name: version(name) for name in ("torch", "numpy", "cvxpy", "pymodbus", "asyncua")
        },
    }


def watch(running: Running, seen: Callable[[Running], None]) -> None:
    """Wait for the run's end, telling of every process that is lost on the way.

    ``seen`` is called a few times a second. The run ends when the simulator ends; a lost
    gateway or controller does not end it, since what the devices do then is the point.
    """
    lost: set[str] = set()
    while running.simulator.running:
        for child in (running.gateway, running.controller):
            if not child.running and child.name not in lost and _still_due(running):
                lost.add(child.name)
                running.events.append(f"the {child.name} is gone ({child.how_it_ended()})")
                _watch_hand_back(running, child.name, seen)
        seen(running)
        time.sleep(POLL_S)
    if running.simulator.status != 0:
        raise DemoError(
            f"the simulator ended early ({running.simulator.how_it_ended()}):\n"
            f"{running.simulator.tail()}"
        )


def _still_due(running: Running) -> bool:
    live = running.live()
    return live is None or float(live["time_s"]) < running.ends_at_s - 1.0


def _watch_hand_back(running: Running, name: str, seen: Callable[[Running], None]) -> None:
    """Tell how long the devices took to be back in local control."""
    before = running.live()
    since_s = float(before["time_s"]) if before else 0.0
    while running.simulator.running:
        live = running.live()
        if live is not None:
            remote = [d for d, authority in live["authority"].items() if authority == "remote"]
            if not remote:
                took_s = float(live["time_s"]) - since_s
                running.events.append(
                    f"all {len(live['authority'])} devices are in local control, within "
                    f"{took_s:.1f} s of plant time after the {name} was lost"
                )
                return
        seen(running)
        time.sleep(POLL_S)


def await_baselines(running: Running) -> None:
    """Wait for the baselines; they are usually done long before."""
    for child in running.baselines:
        child.process.wait()
        if child.status != 0:
            raise DemoError(
                f"the baseline {child.name} failed ({child.how_it_ended()}):\n{child.tail()}"
            )


def finish(running: Running) -> None:
    """Let gateway and controller leave by themselves at the end of a stepped run."""
    for child in (running.controller, running.gateway):
        if child.running:
            try:
                child.process.wait(20.0)
            except Exception:  # noqa: BLE001 - whatever it is, stop_all() follows
                return


def headless(options: DemoOptions, progress: Progress) -> dict[str, Any]:
    """A whole run without a person: prepare, run, report. Answers the report.

    Raises
    ------
    DemoError
        It could not run; everything that was started has been stopped.
    """
    from controller.evaluation import write_report

    began = time.monotonic()
    folder, model = prepare(options, progress)
    with started(options, folder, model) as running:
        start_s = from_iso(start_of(options))

        def seen(state: Running) -> None:
            live = state.live()
            if live is not None:
                share = (float(live["time_s"]) - start_s) / (state.ends_at_s - start_s)
                progress("running", min(1.0, max(0.0, share)))

        with interruptible():
            watch(running, seen)
            finish(running)
            await_baselines(running)
    for event in running.events:
        progress(event, 1.0)
    (folder.out / "events.json").write_text(json.dumps(running.events), encoding="utf-8")
    report = write_report(folder.out)
    progress(f"done in {time.monotonic() - began:.0f} s", 1.0)
    return report


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM ends a run as Ctrl-C does: the children are stopped in order."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def writable(folder: Path) -> None:
    """Make sure that ``folder`` can be written before minutes are spent.

    Raises
    ------
    DemoError
        It cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DemoError(f"cannot write to {folder}: {error.strerror}") from None
    if not os.access(folder, os.W_OK):
        raise DemoError(f"cannot write to {folder}")
