"""The one place where the parts of ``isotherm serve`` are wired together.

Everything that can be wrong is found before anything is started: site, model, state directory,
port, clock. Then the clock is joined, the gateway greeted, and loop and service run side by side
in one event loop until the simulated run ends or somebody stops them.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import math
import os
import signal
import socket
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from controller.alarms.watch import AlarmBook
from controller.authority.asking import Asking
from controller.authority.desk import Desk
from controller.authority.failures import AuthorityError
from controller.authority.roles import Actor, Scope
from controller.authority.sessions import SessionBook
from controller.authority.tokens import TokenBook
from controller.authority.upkeep import let_go
from controller.authority.users import UserBook
from controller.console.app import install as install_console
from controller.console.link import LoginLink, is_loopback
from controller.console.render import Facts
from controller.estimation.history import History
from controller.estimation.learned import LearnedEstimator, LearnedForecaster
from controller.estimation.peak import Peak, month_of
from controller.feeds import Feeds
from controller.gateway_link import GatewayUnavailableError, SocketGatewayLink
from controller.lifecycle.watching import DriftWatch, claims_of
from controller.live import Live
from controller.loop import ControlLoop, LoopParts, write_json
from controller.notify.courier import Courier
from controller.planning.build import plan_maker
from controller.planning.predictor import LearnedPredictor
from controller.planning.settings import PlanningSettings
from controller.planning.worker import WorkerPlanner
from controller.records import TickRecord
from controller.replay.inputs import keep_inputs
from controller.service.app import create_app
from controller.service.context import Context, Model
from controller.service.oidc import Provider
from controller.service.serving import CertificateError, PatientServer, configured
from controller.service.settings import FILE as SERVICE_FILE
from controller.service.settings import ServiceSettings, load_settings
from controller.starting import (
    GATEWAY_FILE,
    StartError,
    join_clock,
    listening,
    state_of,
    told_clock,
    who,
)
from controller.storage.opening import Place, open_stores
from controller.storage.ports import (
    KEEP_ALL,
    Kind,
    Record,
    RecordStore,
    Retention,
    StorageError,
    TelemetryStore,
)
from controller.tick import Parts, Through, TickState, tick
from facility.clock import SteppedClock
from facility.commands import Mode
from facility.loading import SiteError, load_site
from facility.site import Site
from facility.telemetry import Snapshot
from models.registry import Bundle, RegistryError

if TYPE_CHECKING:
    pass

log = logging.getLogger(__name__)

GATEWAY_WITHIN_S = 20.0
"""Wall-clock seconds that a gateway which starts beside us has to answer."""
STEPPED_LIMIT_S = 120.0
"""For a plan where time stands still: a busy machine must not change what a run does."""


@dataclass(frozen=True)
class Settings:
    """How ``isotherm serve`` was asked to run."""

    site: Path
    state: Path
    gateway: Path
    model: Path
    clock_file: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8420
    login_link: bool = False
    """Keep a link in the state directory that logs in once: for a demonstration."""
    mode: Mode | None = None
    """To be asked for from the gateway at the start; None leaves the modes as they are."""
    service: Path | None = None
    """``service.toml``; by default the site's, where there is one."""
    database: str | None = None
    """Of a fleet, for records and telemetry; None keeps them in ``state``."""
    retention: Retention = KEEP_ALL
    """How long telemetry is kept; by default for ever."""


class LearnedTick:
    """A tick with its state inside, over a trained model."""

    def __init__(self, parts: Parts, state: TickState) -> None:
        self._parts, self._state = parts, state

    def observe(self, snapshot: Snapshot) -> None:
        """See a snapshot between ticks."""
        self._state = self._state.seen(snapshot)

    async def step(self, snapshot: Snapshot) -> TickRecord:
        """One control step."""
        self._state, record = await tick(self._state, snapshot, self._parts)
        return record

    async def close(self) -> None:
        """End the planner's process."""
        await self._parts.planner.close()


def serve(settings: Settings) -> int:
    """Run the controller until it ends; answer the exit status.

    Raises
    ------
    StartError
        Nothing was started.
    """
    try:
        site = load_site(settings.site)
        bundle = Bundle.load(settings.model, site)
        own = settings.site / SERVICE_FILE
        chosen = settings.service or (own if own.is_file() else None)
        service = ServiceSettings() if chosen is None else load_settings(chosen)
        configured(service.tls)  # a certificate that cannot be used is found here
    except (SiteError, RegistryError, CertificateError) as error:
        raise StartError(str(error)) from error
    torch.set_num_threads(1)  # small tensors: more threads only wait for one another
    if settings.login_link and not is_loopback(settings.host):
        raise StartError(
            f"--login-link opens the console to who has the link: it goes with a loopback address "
            f"only, not with --host {settings.host}"
        )
    told = told_clock(settings.clock_file)
    with listening(settings.host, settings.port) as listener, state_of(settings.state):
        return asyncio.run(_serve(settings, service, site, bundle, listener, told))


async def _serve(
    settings: Settings,
    service: ServiceSettings,
    site: Site,
    bundle: Bundle,
    listener: socket.socket,
    told: dict[str, Any] | None,
) -> int:
    stores = None
    try:
        dead_bands = {point.tag: point.dead_band for point in site.points.values()}
        stores = open_stores(Place(settings.state, settings.database), dead_bands)
        records, telemetry, ticks = stores.records, stores.telemetry, stores.ticks
        keep_inputs(settings.state, (settings.site, site), (settings.model, bundle))
        planning = PlanningSettings()
        if told is not None and "port" in told:
            planning = replace(planning, wall_clock_limit_s=STEPPED_LIMIT_S)
        planner = WorkerPlanner(
            functools.partial(plan_maker, settings.site, settings.model, planning), planning
        )
        # Before the clock is joined: nobody waits for us yet.
        await planner.prepare()
        clock = await join_clock(told)
        feeds = Feeds(site, settings.site, settings.state / "feeds", clock.now_s)
        link = SocketGatewayLink(settings.gateway, site.content_hash)
        desk = Desk(site, records, link)
        asking = Asking(site, records, desk)
        live = Live(site.id, clock.now_s(), clock.now_s())
        alarms = AlarmBook(site, records)
        tokens, users = TokenBook(records, time.time), UserBook(records, time.time)
        parts = Parts(
            site=site,
            model_version=bundle.version,
            estimator=LearnedEstimator(site, bundle),
            forecaster=feeds.forecaster(LearnedForecaster(site, bundle)),
            prices=feeds.prices,
            planner=planner,
            authority=desk,
            gateway=Through(link),
            settings=planning,
            clock=clock,
        )
        step = LearnedTick(parts, resumed(site, records, telemetry, clock.now_s()))
        loop = ControlLoop(
            LoopParts(
                site=site,
                clock=clock,
                link=link,
                desk=desk,
                alarms=alarms,
                telemetry=telemetry,
                ticks=ticks,
                tick=step,
                live=live,
                summary_file=settings.state / "summary.json",
                retention=settings.retention,
                upkeep=lambda: let_go(records, time.time()),
                drift=_drift_watch(settings.model, site, bundle, telemetry),
                ends_at_s=(told or {}).get("ends_at_s", math.inf),
            )
        )
        app = create_app(
            Context(
                site=site,
                clock=clock,
                live=live,
                link=link,
                telemetry=telemetry,
                records=records,
                ticks=ticks,
                desk=desk,
                asking=asking,
                alarms=alarms,
                tokens=tokens,
                users=users,
                sessions=SessionBook(records, time.time),
                model=Model(
                    bundle.version, asdict(bundle.card), LearnedPredictor(site, bundle), bundle
                ),
                reports=settings.state / "reports",
                oidc=None if service.oidc is None else Provider(service.oidc),
                feeds=feeds,
            ),
            service.rates,
        )
        courier = Courier(
            site.name or site.id,
            records,
            alarms.open,
            desk.inbox.pending,
            clock.now_s,
            rules=service.rules,
            mail=service.mail,
            webhook=service.webhook,
        )
        if tokens.first_start(settings.state / "admin.token"):
            log.info("an administrator's token lies in %s", settings.state / "admin.token")
        url = _address(settings, service, listener)["url"]
        _first_user(users, settings, url)
        command = f"isotherm release --gateway {settings.gateway.resolve()}"
        install_console(app, Facts(command, _login_link(users, settings, url)))
        fetching = asyncio.create_task(feeds.run(), name="feeds")
        try:
            told_socket = f"{settings.gateway.resolve()}\n"
            (settings.state / GATEWAY_FILE).write_text(told_socket, encoding="utf-8")
            await _greet(link, asking, settings.mode, clock.now_s())
            write_json(settings.state / "serve.json", _address(settings, service, listener))
            server = PatientServer(configured(service.tls, app))
            await _until_the_end(loop, live, server, courier, listener)
        finally:
            fetching.cancel()
            (settings.state / "serve.json").unlink(missing_ok=True)
            await step.close()
            await link.close()
            if isinstance(clock, SteppedClock):
                await clock.leave()
    except StorageError as error:
        raise StartError(str(error)) from error
    finally:
        if stores is not None:
            stores.close()
    return 0


def _drift_watch(
    model: Path, site: Site, bundle: Bundle, telemetry: TelemetryStore
) -> DriftWatch | None:
    """Over a model of a registry, which claims what it was judged by."""
    claims_k = claims_of(model, bundle.version)
    return DriftWatch(site, bundle, claims_k, telemetry) if claims_k else None


def _login_link(users: UserBook, settings: Settings, url: str) -> LoginLink | None:
    return LoginLink(users, settings.state / "login-link", url) if settings.login_link else None


def _first_user(users: UserBook, settings: Settings, url: str) -> None:
    """Where nobody can log in yet: an administrator with a one-time password, told once."""
    file = settings.state / "first-login"
    if (password := users.first_start(file)) is None:
        return
    print(  # noqa: T201 - a password belongs in no log
        f"First start: log in at {url}/ as admin with the one-time "
        f"password {password} within a day (kept in {file}); it asks for one of your own.",
        file=sys.stderr,
        flush=True,
    )


def resumed(site: Site, records: RecordStore, telemetry: TelemetryStore, now_s: float) -> TickState:
    """A tick's state after a restart: counting goes on, and the last hours are remembered.

    Commands carry the tick's number in their id, and the gateway answers a known id with the
    receipt that it gave: a number must not come twice.
    """
    state = TickState.start(site)
    last = records.find(Kind.TICK, limit=1)
    number = int(last[0].body["number"]) if last else 0
    peak_kw = last[0].body.get("peak_kw") if last else None
    if peak_kw is not None and month_of(last[0].time_s) == month_of(now_s):
        state = replace(state, peak=Peak(month_of(now_s), float(peak_kw)))
    empty = state.history
    frame = telemetry.frame(empty.tags, now_s - empty.keep_s, now_s).dropna(how="all")
    rows = tuple(frame[list(empty.tags)].to_numpy(dtype=float))
    times_s = tuple(moment.timestamp() for moment in frame.index)
    history = History(empty.tags, times_s, rows, empty.keep_s)
    return replace(state, number=number, history=history)


async def _greet(link: SocketGatewayLink, asking: Asking, mode: Mode | None, now_s: float) -> None:
    """Wait for the gateway, and ask it for the mode that the controller was started with."""
    deadline = time.monotonic() + GATEWAY_WITHIN_S
    while True:
        try:
            await link.connect()
            break
        except GatewayUnavailableError as error:
            if time.monotonic() > deadline:
                log.error("going on without a gateway, and looking for it: %s", error)
                return
            await asyncio.sleep(0.1)
    if mode is not None:
        actor = Actor(who(), Scope.ENGINEER, "command line")
        try:
            why = "asked for with --mode at the start"
            answer = await asking.mode(None, mode, actor, why, now_s)
            if isinstance(answer, Record):
                log.warning(
                    "mode %s needs two people: request %s waits for the other", mode, answer.id
                )
        except AuthorityError as error:
            raise StartError(f"mode {mode.value} cannot be set: {error}") from error


async def _until_the_end(
    loop: ControlLoop, live: Live, server: PatientServer, courier: Courier, listener: socket.socket
) -> None:
    control = asyncio.create_task(loop.run(), name="control")
    web = asyncio.create_task(server.serve([listener]), name="web")
    post = asyncio.create_task(courier.run(), name="notices")
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    stopped = asyncio.create_task(stop.wait(), name="stop")
    await asyncio.wait({control, web, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    post.cancel()
    live.hub.close()
    server.should_exit = True
    control.cancel()
    outcomes = await asyncio.gather(control, web, post, stopped, return_exceptions=True)
    for outcome in outcomes[:3]:
        if isinstance(outcome, BaseException) and not isinstance(outcome, asyncio.CancelledError):
            raise outcome


def _address(
    settings: Settings, service: ServiceSettings, listener: socket.socket
) -> dict[str, Any]:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return {
        "url": f"{'http' if service.tls is None else 'https'}://{shown}:{port}",
        "pid": os.getpid(),
        "gateway": str(settings.gateway.resolve()),
        "site": str(settings.site.resolve()),
    }
