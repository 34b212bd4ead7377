"""A hall of one rack, a gateway without a field, and the parts around them in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher

from adapters.gateway.limit_book import LimitBook
from controller.alarms.watch import AlarmBook
from controller.authority.asking import Asking
from controller.authority.desk import Desk
from controller.authority.sessions import SessionBook
from controller.authority.tokens import TokenBook
from controller.authority.users import UserBook
from controller.gateway_link import GatewayRefusedError, GatewayUnavailableError
from controller.live import Live
from controller.service.context import Context, Model
from controller.storage.records import LocalRecords
from controller.storage.telemetry import LocalTelemetry
from controller.storage.ticks import FolderBodies, TickArchive
from facility.clock import FixedClock
from facility.commands import (
    Bound,
    Command,
    Decision,
    Mode,
    Move,
    Outcome,
    Override,
    Proposal,
    Receipt,
    Verdict,
    WriteResult,
)
from facility.devices import Actuator, Cooling, Device, HandBackClass, Protocol, Release
from facility.equipment import CDU, Chiller, CoolingLoop, Hall, Rack, RackKind
from facility.outside import Tariff
from facility.points import Access, DataType, Point, Role, Table
from facility.site import GatewayLimits, People, Site
from facility.telemetry import Authority, DeviceStatus, Quality, Reading, Snapshot
from models.registry import ModelCard
from tests.planning_plant import AnalyticPlant
from tests.safety_kit import envelope

START_S = 1_712_448_000.0  # 2024-04-07T00:00:00Z
CDU_SETPOINT = "cdu1.tcs_supply_temperature_setpoint"
CHILLERS = (
    "chiller1.chw_supply_temperature_setpoint",
    "chiller2.chw_supply_temperature_setpoint",
)
CASE = "rack1.case_temperature"
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""Passwords of tests are not worth 64 MiB and 50 ms each."""


def _point(tag: str, device: str, role: Role = Role.SENSOR) -> Point:
    equipment, quantity = tag.split(".")
    access = Access.READ_WRITE if role is Role.SETPOINT else Access.READ
    return Point(
        tag, device, equipment, quantity, role, Table.HOLDING, "0", DataType.INT16, "degC", access
    )


def _actuator(tag: str, device: str, group: str, lower: float, upper: float) -> Actuator:
    equipment, quantity = tag.split(".")
    return Actuator(
        id=tag,
        equipment=equipment,
        quantity=quantity,
        device=device,
        group=group,
        unit="degC",
        minimum=lower,
        maximum=upper,
        cooling=Cooling.LOWER,
        rate_towards_per_min=1.0,
        rate_away_per_min=0.2,
        dead_band=0.1,
        dwell_s=300.0,
        writes_per_hour=6,
        jump_towards=5.0,
        dew_point_margin_k=2.0,
        read_back=tag,
        tolerance=0.05,
        fallback=(lower + upper) / 2,
    )


def small_site() -> Site:
    """One hall, one liquid-cooled rack on one CDU, two chillers in one group."""
    tags = {CDU_SETPOINT: "cdu1", CHILLERS[0]: "plant", CHILLERS[1]: "plant"}
    points = [_point(tag, device, Role.SETPOINT) for tag, device in tags.items()]
    points += [_point(CASE, "cdu1"), _point("cdu1.tcs_supply_temperature", "cdu1")]
    actuators = [
        _actuator(CDU_SETPOINT, "cdu1", "cdu1.supply", 20.0, 45.0),
        *(_actuator(tag, "plant", "chillers", 6.0, 20.0) for tag in CHILLERS),
    ]
    return Site(
        id="small",
        name="A small hall",
        latitude=0.0,
        longitude=0.0,
        elevation_m=0.0,
        halls={"h1": Hall("h1", "Hall 1", "A2")},
        racks={
            "rack1": Rack(
                "rack1", "h1", RackKind.DIRECT_TO_CHIP, 100.0, ("cdu1",), 75.0, 65.0, 1, 1
            )
        },
        loops={"cool": CoolingLoop("cool", 25.0, 5.0, 500.0, 20.0)},
        cdus={"cdu1": CDU("cdu1", "h1", "cool", 300.0, 10.0, 3.0, 45.0)},
        crahs={},
        chillers={c: Chiller(c, "cool", 300.0, 6.0) for c in ("chiller1", "chiller2")},
        towers={},
        devices={
            d: Device(d, Protocol.MODBUS, "127.0.0.1", 0, HandBackClass.LIQUID, Release.RAMP)
            for d in ("cdu1", "plant")
        },
        points={p.tag: p for p in points},
        actuators={a.id: a for a in actuators},
        tariff=Tariff("EUR", 0.1, 300.0, 0.0, 0.0),
        gateway=GatewayLimits(),
        source={"site.toml": "0" * 64},
    )


def snapshot(
    time_s: float,
    modes: Mapping[str, Mode],
    values: Mapping[str, float] | None = None,
    held: bool = False,
) -> Snapshot:
    """Everything good; ``values`` by tag."""
    readings = {
        CDU_SETPOINT: 30.0,
        CHILLERS[0]: 10.0,
        CHILLERS[1]: 10.0,
        CASE: 50.0,
        "cdu1.tcs_supply_temperature": 30.1,
        **(values or {}),
    }
    authority = Authority.REMOTE if held else Authority.LOCAL
    return Snapshot(
        time_s,
        {tag: Reading(value, Quality.GOOD, time_s) for tag, value in readings.items()},
        {d: DeviceStatus(d, True, authority, held, time_s, 1.0) for d in ("cdu1", "plant")},
        dict(modes),
    )


def proposal(number: int = 1, now_s: float = START_S, proposed: float = 32.0) -> Proposal:
    """The CDU warmer by 2 K, while the case stays below 60 °C."""
    return Proposal(
        id=f"p{number}",
        plan_hash=f"hash{number}",
        created_at_s=now_s,
        expires_at_s=now_s + 1200.0,
        moves=(Move(CDU_SETPOINT, 30.0, proposed),),
        saving_kw=12.0,
        saving_per_day=28.8,
        bands=(),
        bands_now=(),
        binding=(),
        region=(Bound(CASE, 20.0, 60.0),),
        model_version="m1",
        solver="piqp",
        verified=True,
    )


CARD = ModelCard(
    site="small",
    data_hash="d" * 64,
    code_hash="c" * 64,
    seed=1,
    first_s=START_S - 7200.0,
    last_s=START_S - 3600.0,
    trained_s=3.0,
    metrics={"liquid_30min_rmse_k": 1.3, "chillers_rmse_kw": 12.0, "it_leakage_per_k": 0.002},
)


class FakeLink:
    """A gateway that writes what it is told, into a dictionary."""

    def __init__(self, site: Site, mode: Mode = Mode.SHADOW) -> None:
        self.modes = dict.fromkeys(site.actuators, mode)
        self.values: dict[str, float] = {}
        self.now_s = START_S
        self.calls: list[tuple[str, Any]] = []
        self.authorities: dict[str, Decision | Override] = {}
        self.away = False
        self.refuses = ""
        self.on_connect: Callable[[], Awaitable[None]] | None = None
        self.limit_book = LimitBook(envelope().limits)

    @property
    def connected(self) -> bool:
        return not self.away

    def _called(self, op: str, what: Any = None) -> None:
        if self.away:
            raise GatewayUnavailableError("no gateway answers")
        if self.refuses:
            raise GatewayRefusedError(self.refuses)
        self.calls.append((op, what))

    def of(self, op: str) -> list[Any]:
        return [what for name, what in self.calls if name == op]

    async def connect(self) -> str:
        self._called("hello")
        return ""

    async def beat(self, plan_age_s: float | None) -> None:
        self._called("beat", plan_age_s)

    async def snapshot(self) -> Snapshot:
        self._called("snapshot")
        held = any(mode.writes for mode in self.modes.values())
        return snapshot(self.now_s, self.modes, self.values, held)

    async def decide(self, decision: Decision) -> None:
        self._called("decide", decision)
        self.authorities[decision.id] = decision

    async def override(self, override: Override) -> None:
        self._called("override", override)
        self.authorities[override.id] = override

    async def end_override(self, override_id: str, who: str, why: str) -> None:
        self._called("end_override", override_id)
        self.authorities.pop(override_id, None)

    async def command(self, commands: Sequence[Command]) -> tuple[Receipt, ...]:
        self._called("command", tuple(commands))
        return tuple(self._write(command) for command in commands)

    def _write(self, command: Command) -> Receipt:
        assert command.authority in self.authorities
        self.values[command.actuator] = command.value
        verdict = Verdict(Outcome.ALLOW, command.value, "", "")
        return Receipt(
            command.id,
            command.actuator,
            verdict,
            WriteResult.WRITTEN,
            command.value,
            command.value,
            self.now_s,
        )

    async def set_mode(
        self, actuators: Sequence[str] | None, mode: Mode, who: str, why: str
    ) -> Mapping[str, Mode]:
        self._called("set_mode", mode)
        for actuator in actuators or self.modes:
            self.modes[actuator] = mode
        return dict(self.modes)

    async def release(
        self, actuators: Sequence[str] | None, who: str, why: str
    ) -> Mapping[str, Any]:
        self._called("release")
        for actuator in actuators or self.modes:
            self.modes[actuator] = Mode.SHADOW
        return {"devices": ["cdu1", "plant"]}

    async def arm(self, who: str, why: str) -> None:
        self._called("arm")

    async def approve_limits(self, digest: str, who: str, why: str) -> Mapping[str, Any]:
        self._called("approve_limits")
        try:
            self.limit_book.approve(who, why, 0.0)
        except ValueError as error:
            raise GatewayRefusedError(str(error)) from None
        return self.limit_book.told()

    async def status(self) -> Mapping[str, Any]:
        self._called("status")
        return {"latches": [], "limits": self.limit_book.told()}

    async def close(self) -> None:
        self.away = True


def context(
    directory: Path, link: FakeLink, wall: Callable[[], float], people: People | None = None
) -> Context:
    """The service's parts over a fake gateway; the clock stands where the link's does."""
    site = replace(small_site(), people=people or People())
    records = LocalRecords(directory / "records.db")
    live = Live(site.id, START_S, START_S)
    live.snapshot = snapshot(START_S, link.modes)
    return Context(
        site=site,
        clock=FixedClock(START_S),
        live=live,
        link=link,
        telemetry=LocalTelemetry(directory / "telemetry"),
        records=records,
        ticks=TickArchive(FolderBodies(directory / "ticks"), records),
        desk=(desk := Desk(site, records, link)),
        asking=Asking(site, records, desk),
        alarms=AlarmBook(site, records),
        tokens=TokenBook(records, wall),
        users=UserBook(records, wall, QUICK),
        sessions=SessionBook(records, wall),
        model=Model("m1", asdict(CARD), AnalyticPlant(site)),
        reports=directory / "reports",
    )
