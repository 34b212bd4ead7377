"""One moment of a run as the live view shows it: plain values, taken from a snapshot.

Everything here is what the field measured (a `Snapshot` of the gateway), never the
simulator's truth, but for the baseline that `Saving` names. Absence is None.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from facility.commands import Mode, Proposal
from facility.site import Site
from facility.telemetry import Authority, Snapshot

COMPONENTS = ("chillers", "towers", "pumps", "fans", "cdus")
"""What cools, in the order of the tables: tower fans are `towers`, CRAH fans are `fans`."""

UNIT_SIGNS = {"degC": "°C"}
"""Units as people write them, where that differs from the points list."""


@dataclass(frozen=True, slots=True)
class RackView:
    """The limited temperature of a rack against its limit, °C."""

    rack: str
    hall: str
    unit: str
    row: int
    position: int
    temperature_c: float | None
    recommended_c: float
    limit_c: float

    @property
    def room_k(self) -> float | None:
        """Room left below the limit; negative above it."""
        return None if self.temperature_c is None else self.limit_c - self.temperature_c


@dataclass(frozen=True, slots=True)
class GroupView:
    """The racks of a CDU, or the air-cooled racks of a hall, by their hottest."""

    name: str
    hall: str
    racks: int
    hottest: RackView | None
    supply_c: float | None
    """What the unit supplies (CDU), or the warmest of the hall's CRAHs."""
    setpoint_c: float | None
    """In force."""


@dataclass(frozen=True, slots=True)
class MoveView:
    """One actuator group's setpoint, now and as proposed."""

    group: str
    unit: str
    points: int
    """Actuators that it moves."""
    now: float
    proposed: float


@dataclass(frozen=True, slots=True)
class ProposalView:
    """What the optimiser would do now."""

    id: str
    state: str
    """Of the proposal: pending, approved, carried out, expired, ..."""
    moves: tuple[MoveView, ...]
    saving_kw: float
    saving_per_day: float
    currency: str
    expires_at_s: float
    binding: tuple[str, ...]
    solver: str
    verified: bool


@dataclass(frozen=True, slots=True)
class Saving:
    """Electricity for cooling so far, here and in the parallel run of the baseline, kWh."""

    energy_kwh: float
    baseline_kwh: float
    baseline: str
    at_s: float
    """Plant time that both have reached."""

    @property
    def share(self) -> float | None:
        """Saved share of the baseline's energy; None while there is none."""
        return None if self.baseline_kwh <= 0.0 else 1.0 - self.energy_kwh / self.baseline_kwh


@dataclass(frozen=True, slots=True)
class DeviceView:
    """Who holds a device, as it says itself."""

    device: str
    authority: Authority
    armed: bool
    connected: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class EventView:
    """Something that happened: ``alarm``, ``release``, ``handed back``, ``mode`` or ``note``."""

    time_s: float
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class RunView:
    """What the orchestration knows of the run, besides what the field says."""

    started_s: float
    ends_s: float | None = None
    proposal: ProposalView | None = None
    saving: Saving | None = None
    events: tuple[EventView, ...] = ()
    """Newest last."""
    console_url: str = ""
    """Address of the console, which logs in once."""
    docs_url: str = ""
    """Address of the REST documentation."""
    status: str = ""
    """What it is doing, or waits for, in a few words."""


@dataclass(frozen=True)
class LiveFrame:
    """All that the live view shows at one moment of plant time."""

    site: str
    time_s: float
    modes: Mapping[str, Mode]
    """By actuator."""
    racks: tuple[RackView, ...]
    groups: tuple[GroupView, ...]
    power_kw: Mapping[str, float | None]
    """By component; None where a meter is silent."""
    it_kw: float | None
    wet_bulb_c: float | None
    dew_point_c: float | None
    devices: tuple[DeviceView, ...]
    run: RunView

    @property
    def cooling_kw(self) -> float | None:
        """Electric power of everything that cools; None while a meter is silent."""
        values = [value for value in self.power_kw.values() if value is not None]
        return sum(values) if values and len(values) == len(self.power_kw) else None

    @property
    def pue(self) -> float | None:
        """(IT + cooling) / IT at this moment."""
        if self.it_kw is None or self.it_kw <= 0.0 or self.cooling_kw is None:
            return None
        return 1.0 + self.cooling_kw / self.it_kw


def frame_of(site: Site, snapshot: Snapshot, run: RunView) -> LiveFrame:
    """The frame of a snapshot, with what the orchestration knows besides."""
    racks = tuple(_racks(site, snapshot))
    dew = [snapshot.good(tag) for tag in site.tags("dew_point_temperature")]
    return LiveFrame(
        site=site.name,
        time_s=snapshot.time_s,
        modes=snapshot.modes,
        racks=racks,
        groups=tuple(_groups(site, snapshot, racks)),
        power_kw=component_power_kw(site, snapshot),
        it_kw=_sum(snapshot, site.tags("it_power")),
        wet_bulb_c=_good(site, snapshot, "outdoor", "wet_bulb_temperature"),
        dew_point_c=max((value for value in dew if value is not None), default=None),
        devices=tuple(
            DeviceView(d.device, d.authority, d.armed, d.connected, d.note)
            for d in snapshot.devices.values()
        ),
        run=run,
    )


def proposal_view(site: Site, proposal: Proposal, state: str = "pending") -> ProposalView:
    """A proposal as the view shows it: one line an actuator group that moves."""
    members: dict[str, list[tuple[float, float]]] = {}
    units: dict[str, str] = {}
    for move in proposal.moves:
        actuator = site.actuators[move.actuator]
        members.setdefault(actuator.group, []).append((move.now, move.proposed))
        units[actuator.group] = UNIT_SIGNS.get(actuator.unit, actuator.unit)
    moves = tuple(
        MoveView(group, units[group], len(pairs), *max(pairs, key=lambda p: abs(p[1] - p[0])))
        for group, pairs in members.items()
    )
    return ProposalView(
        id=proposal.id,
        state=state,
        moves=tuple(sorted(moves, key=lambda m: -abs(m.proposed - m.now))),
        saving_kw=proposal.saving_kw,
        saving_per_day=proposal.saving_per_day,
        currency=site.tariff.currency,
        expires_at_s=proposal.expires_at_s,
        binding=tuple(binding.constraint for binding in proposal.binding),
        solver=proposal.solver,
        verified=proposal.verified,
    )


def component_power_kw(site: Site, snapshot: Snapshot) -> dict[str, float | None]:
    """Electric power of cooling by component, from the meters, of those the site has."""
    tags: dict[str, list[str | None]] = {
        "chillers": [site.tag(name, "power") for name in site.chillers],
        "towers": [site.tag(name, "fan_power") for name in site.towers],
        "pumps": [
            site.tag(name, "pump_power")
            for name in (*site.loops, "tower_water", *site.storage_tanks)
        ],
        "fans": [site.tag(name, "fan_power") for name in site.crahs],
        "cdus": [site.tag(name, "pump_power") for name in site.cdus],
    }
    metered = {name: [tag for tag in found if tag] for name, found in tags.items()}
    return {name: _sum(snapshot, metered[name]) for name in COMPONENTS if metered[name]}


def _racks(site: Site, snapshot: Snapshot) -> Iterable[RackView]:
    for rack in site.racks.values():
        yield RackView(
            rack=rack.id,
            hall=rack.hall,
            unit=rack.units[0] if rack.units else "",
            row=rack.row,
            position=rack.position,
            temperature_c=_good(site, snapshot, rack.id, rack.limited_temperature),
            recommended_c=rack.recommended_c,
            limit_c=rack.limit_c,
        )


def _groups(site: Site, snapshot: Snapshot, racks: tuple[RackView, ...]) -> Iterable[GroupView]:
    members: dict[tuple[str, str], list[RackView]] = {}
    for rack in racks:
        name = rack.unit if rack.unit in site.cdus else "air"
        members.setdefault((rack.hall, name), []).append(rack)
    for (hall, name), found in members.items():
        known = [(rack.room_k, rack) for rack in found if rack.room_k is not None]
        supply, setpoint = _supply(site, snapshot, hall, name)
        yield GroupView(
            name=name,
            hall=hall,
            racks=len(found),
            hottest=min(known, key=lambda pair: pair[0])[1] if known else None,
            supply_c=supply,
            setpoint_c=setpoint,
        )


def _supply(
    site: Site, snapshot: Snapshot, hall: str, name: str
) -> tuple[float | None, float | None]:
    if name in site.cdus:
        return (
            _good(site, snapshot, name, "tcs_supply_temperature"),
            _good(site, snapshot, name, "tcs_supply_temperature_setpoint_in_force"),
        )
    crahs = [crah.id for crah in site.crahs.values() if crah.hall == hall]
    return (
        _warmest(site, snapshot, crahs, "supply_air_temperature"),
        _warmest(site, snapshot, crahs, "supply_air_temperature_setpoint_in_force"),
    )


def _warmest(site: Site, snapshot: Snapshot, units: list[str], quantity: str) -> float | None:
    return snapshot.worst_good(tag for unit in units if (tag := site.tag(unit, quantity)))


def _good(site: Site, snapshot: Snapshot, equipment: str, quantity: str) -> float | None:
    tag = site.tag(equipment, quantity)
    return None if tag is None else snapshot.good(tag)


def _sum(snapshot: Snapshot, tags: Iterable[str]) -> float | None:
    """The sum of the tags, or None if one of them has no good value: a part is not the whole."""
    total = 0.0
    for tag in tags:
        value = snapshot.good(tag)
        if value is None:
            return None
        total += value
    return total
