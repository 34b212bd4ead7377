"""One run of the hosted devices, stepped or in wall time, from listening to the last report."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from facility.clock import WallClock
from facility.site import Site
from sim.devices.host import DeviceHost
from sim.devices.plant import RunningPlant
from sim.devices.reports import write_json
from sim.devices.turns import ClockServer
from sim.recorder import Recorder

LEAVE_WITHIN_S = 10.0
"""Wall time that clients have to disconnect after the end of a run in wall time."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a run goes."""

    start_s: float
    ends_at_s: float
    out: Path
    stepped: bool = True
    rate: float = 1.0
    """Of wall time: plant seconds for each real one."""
    pace: float | None = None
    """Of a stepped run: at most so many times real time."""
    clients: tuple[str, ...] = ()
    """Participants of a stepped run in the order of their turns."""


async def host_run(site: Site, plant: RunningPlant, options: RunOptions) -> None:
    """Host the devices until the run ends, or SIGINT or SIGTERM ends it early.

    Either way every port is closed, the record of writes is complete and the reports are
    written when this returns.

    Raises
    ------
    HostError
        The devices cannot be hosted; then nothing listens and nothing was written.
    """
    work = asyncio.create_task(_host(site, plant, options))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        this = asyncio.current_task()
        if this is not None and this.cancelling():  # cancelled from outside, not by a signal
            raise
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def _host(site: Site, plant: RunningPlant, options: RunOptions) -> None:
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "ready.json").unlink(missing_ok=True)  # of an earlier run
    with Recorder() as recorder:
        host = DeviceHost(site, plant, recorder, options.out)
        await host.start()
        try:
            recorder.open(options.out / "recorder.jsonl")
            await (_stepped if options.stepped else _wall)(host, options)
        finally:
            try:
                await host.stop()
            finally:
                host.finish()


async def _stepped(host: DeviceHost, options: RunOptions) -> None:
    clock = ClockServer(
        host.advance,
        options.clients,
        start_s=options.start_s,
        ends_at_s=options.ends_at_s,
        pace=options.pace,
    )
    address, port = await clock.start()
    try:
        _ready(options, {"host": address, "port": port})
        await clock.run()
    finally:
        await clock.stop()


async def _wall(host: DeviceHost, options: RunOptions) -> None:
    started = time.monotonic()
    clock = WallClock(options.start_s, started, options.rate)
    _ready(
        options,
        {"start_s": options.start_s, "start_monotonic_s": started, "rate": options.rate},
    )
    while host.plant.now_s < options.ends_at_s:
        now_s = await clock.sleep_until(math.floor(host.plant.now_s) + 1.0)
        await host.advance(min(math.floor(now_s), options.ends_at_s))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LEAVE_WITHIN_S):
            while host.connections:  # clients know the end from ready.json and say nothing
                await asyncio.sleep(0.05)


def _ready(options: RunOptions, clock: dict[str, str | int | float]) -> None:
    ready = {"pid": os.getpid(), "clock": clock, "ends_at_s": options.ends_at_s}
    write_json(options.out / "ready.json", ready)
