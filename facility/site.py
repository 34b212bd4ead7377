"""What a site is: halls, racks, cooling units, plant, devices, actuators and limits.

All frozen; built by `facility.loading` from ``site.toml`` and ``points.csv``.
Temperatures in °C, differences in K, power in kW, flow in L/s, times in s.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

from facility.go_no_go import GoCriteria
from facility.points import Point, Table
from facility.quantities import LIMITED_TEMPERATURE
from facility.worst_case import WorstCase


class RackKind(Enum):
    """How a rack is cooled."""

    AIR = "air"
    DIRECT_TO_CHIP = "direct_to_chip"
    REAR_DOOR = "rear_door"
    """Air-cooled servers behind a water-cooled door, which hangs on a CDU."""
    IMMERSION = "immersion"
    """A tank of dielectric fluid, whose exchanger hangs on a CDU."""


class HandBackClass(Enum):
    """How soon a device must be back in its own control when we are gone."""

    LIQUID = "liquid"
    AIR = "air"

    @property
    def hand_back_s(self) -> float:
        """Detection plus the device's own time-out, at most."""
        return 5.0 if self is HandBackClass.LIQUID else 30.0


class Release(Enum):
    """How a device goes from a remote setpoint back to its own."""

    RAMP = "ramp"
    JUMP = "jump"


class Protocol(Enum):
    """What a device speaks."""

    MODBUS = "modbus"
    OPCUA = "opcua"
    BACNET = "bacnet"
    REDFISH = "redfish"

    @property
    def tables(self) -> frozenset[Table]:
        """Where its points lie."""
        named = {
            Protocol.OPCUA: Table.NODE,
            Protocol.BACNET: Table.OBJECT,
            Protocol.REDFISH: Table.RESOURCE,
        }
        if self in named:
            return frozenset({named[self]})
        return frozenset(table for table in Table if table.is_modbus)


class Login(Enum):
    """How we say who we are to a device that asks."""

    ANONYMOUS = "anonymous"
    PASSWORD = "password"  # noqa: S105 - the name of a way to log in
    """A user name; the password lies in the gateway's folder of certificates."""
    CERTIFICATE = "certificate"
    """The user's certificate, from the same folder."""


class Report(Enum):
    """How values come."""

    SCAN = "scan"
    """Each is read at every scan."""
    EXCEPTION = "exception"
    """The device tells of changes (BACnet COV); a scan asks only whether it still does."""


class Cooling(Enum):
    """Which way of a setpoint is more cooling."""

    LOWER = "lower"
    HIGHER = "higher"

    @property
    def sign(self) -> int:
        """-1 where lower is more cooling, 1 where higher is."""
        return -1 if self is Cooling.LOWER else 1


@dataclass(frozen=True, slots=True)
class Hall:
    """A room of racks: a control problem of its own below the shared plant."""

    id: str
    name: str
    inlet_class: str
    """ASHRAE TC 9.9 air class of the equipment: A1 to A4 or H1."""


@dataclass(frozen=True, slots=True)
class Rack:
    """A rack and the limit that it must be kept within."""

    id: str
    hall: str
    kind: RackKind
    rated_kw: float
    units: tuple[str, ...]
    """The CDU of a liquid-cooled rack, of a rear door or of a tank; the CRAHs that blow at an
    air-cooled rack, nearest first."""
    limit_c: float
    """Named limit: allowable inlet air, highest case temperature, or of a tank the fluid's."""
    recommended_c: float
    """Where operators like it to stay: recommended inlet, or the case's design temperature."""
    row: int
    position: int
    design_flow_ls: float | None = None
    """Coolant at design (liquid-cooled racks)."""
    to_air_share: float = 1.0
    """Share of the rack's heat that goes to the hall's air."""

    @property
    def limited_temperature(self) -> str:
        """The quantity that the limit is about."""
        return LIMITED_TEMPERATURE[self.kind.value]


@dataclass(frozen=True, slots=True)
class CoolingLoop:
    """A facility water loop: supply from the plant, through the units, and back."""

    id: str
    supply_max_c: float
    """FWS class or the site's own maximum."""
    supply_min_c: float
    rated_kw: float
    design_flow_ls: float
    trim: str = ""
    """The colder loop that trims this one through a heat exchanger, if any."""
    fws_class: str = ""
    """ASHRAE class of its supply, W17 to W45 or W+, where one is agreed."""
    min_dp_kpa: float = 34.5
    """Least differential pressure while its pumps run (Guideline 36: 5 psi)."""
    min_flow_ls: float | None = None
    """Least flow of its pumps while they run."""
    freeze_c: float = 4.4
    """Below this its water may freeze in an exchanger (40 °F)."""


@dataclass(frozen=True, slots=True)
class CDU:
    """A coolant distribution unit: heat exchanger between FWS and TCS with a pump."""

    id: str
    hall: str
    loop: str
    rated_kw: float
    design_tcs_flow_ls: float
    min_tcs_flow_ls: float
    tcs_supply_max_c: float


@dataclass(frozen=True, slots=True)
class CRAH:
    """A computer-room air handler: chilled-water coil with fans."""

    id: str
    hall: str
    loop: str
    rated_kw: float
    design_air_m3s: float


@dataclass(frozen=True, slots=True)
class Chiller:
    """A water-cooled chiller on a loop."""

    id: str
    loop: str
    rated_kw: float
    rated_cop: float
    min_flow_ls: float | None = None
    """Least water through its evaporator while it runs: nameplate."""
    min_lift_k: float | None = None
    """Least lift, leaving condenser water over leaving chilled water: nameplate."""
    min_condenser_c: float | None = None
    """Coldest entering condenser water while it runs: nameplate."""
    start_to_start_s: float = 900.0
    starts_in_12_h: int = 8
    """Starts and the time between them (Carrier 23XL)."""
    min_on_s: float = 300.0
    min_off_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Tower:
    """A cooling tower cell."""

    id: str
    rated_kw: float
    rated_fan_kw: float


@dataclass(frozen=True, slots=True)
class Device:
    """A controller on the network, with its own watchdog."""

    id: str
    protocol: Protocol
    host: str
    port: int
    hand_back: HandBackClass
    release: Release
    unit_id: int = 1
    """Modbus: the unit identifier; BACnet: the instance of the device object."""
    scan_s: float = 5.0
    heartbeat_s: float = 1.0
    watchdog_s: float = 4.0
    """The device's own time-out: so long without a heartbeat, and it is in local control."""
    timeout_s: float = 1.0
    """A request that is not answered by then has failed."""
    max_gap: int = 0
    """Registers nobody asked for that a block read may span."""
    max_block: int = 125
    security: str = ""
    """OPC UA: the security policy; «None» must be written out and shows in every log. Modbus:
    «TLS», or empty for plain TCP. Redfish: empty for HTTPS, or «None: REASON»."""
    login: Login = Login.ANONYMOUS
    user: str = ""
    request_gap_s: float = 0.0
    """Rest between a reply and the next request, for devices that need it."""
    report: Report = Report.SCAN


@dataclass(frozen=True, slots=True)
class Actuator:
    """A setpoint that Isotherm may set, with the hard limits of the envelope.

    Values in the canonical unit of its quantity; rates in that unit a minute.
    """

    id: str
    """The tag of its setpoint."""
    equipment: str
    quantity: str
    device: str
    group: str
    """Actuators of one group carry one value (the chillers of a loop)."""
    unit: str
    minimum: float
    maximum: float
    cooling: Cooling
    rate_towards_per_min: float
    """Fastest change towards more cooling."""
    rate_away_per_min: float
    """Fastest change away from cooling."""
    dead_band: float
    """Optimiser moves smaller than this are not worth a write."""
    dwell_s: float
    """Shortest time between two optimiser writes."""
    writes_per_hour: int
    """Budget of optimiser writes."""
    jump_towards: float
    """Largest jump towards cooling that a release may make, where the device jumps."""
    dew_point_margin_k: float | None
    """Stay so far above the worst dew point (None: insulated, not guarded)."""
    read_back: str
    """Tag that shows the setpoint in force on the device."""
    tolerance: float
    fallback: float
    """What the plant's own fixed control uses here; a ramp to more cooling ends at the range."""
    reversals_per_hour: int = 2
    """Turns of the optimiser from more cooling to less, before it counts as hunting."""

    def is_more_cooling(self, value: float, than: float) -> bool:
        """Whether ``value`` cools more than ``than``."""
        return (value - than) * self.cooling.sign > 0.0


@dataclass(frozen=True, slots=True)
class Tariff:
    """What energy costs here."""

    currency: str
    energy_per_kwh: float
    """Flat price; a price feed outranks it."""
    carbon_g_per_kwh: float
    carbon_price_per_t: float
    demand_per_kw_month: float


class FeedQuantity(Enum):
    """What the world outside can tell; the value is in the unit named."""

    ENERGY_PRICE = "energy_price"
    """The site's currency for each kWh."""
    CARBON_INTENSITY = "carbon_intensity"
    """Grams of CO2 equivalent for each kWh."""
    DRY_BULB = "dry_bulb"
    """Outdoor, °C."""
    WET_BULB = "wet_bulb"
    """Outdoor, °C."""
    IT_LOAD = "it_load"
    """Of a hall, kW, as its job scheduler expects it."""


@dataclass(frozen=True, slots=True)
class FeedSource:
    """Where a forecast comes from (docs/feeds.md)."""

    quantity: FeedQuantity
    source: str
    """A URL, or the path of a file, relative to the site's folder."""
    time_field: str
    value_field: str
    hall: str = ""
    """Of an IT load: whose."""
    issued_field: str = ""
    """When each value became known; without one a file is known ``known_ahead_s`` ahead."""
    factor: float = 1.0
    known_ahead_s: float = 129_600.0
    refresh_s: float = 900.0
    stale_s: float = 21_600.0
    """So long an answer is worth using after it was fetched; then the last value is held."""
    hold_s: float = 86_400.0
    """So long the last value is worth holding; then nothing is known."""
    minimum: float = -1e9
    maximum: float = 1e9
    token_variable: str = ""
    """Environment variable with a token that the URL wants."""


@dataclass(frozen=True, slots=True)
class GatewayLimits:
    """When the gateway gives the plant back by itself, and how it counts."""

    beat_s: float = 1.0
    """How often the controller beats."""
    beat_timeout_s: float = 3.0
    """Longest silence of the controller."""
    plan_max_age_s: float = 1800.0
    """Oldest plan that may stay in force."""
    stale_scans: int = 3
    """Scans missed before a reading is stale."""
    command_max_age_s: float = 60.0
    rearm_after_s: float = 900.0
    rearms_per_day: int = 2


@dataclass(frozen=True, slots=True)
class People:
    """What takes more than one person here. Widening a limit takes two at every site."""

    two_people: tuple[str, ...] = ()
    """Of ``advisory``, ``automatic`` and ``standing_approvals``."""
    own_approval: bool = True
    """Whether who asks for it counts as one of the two."""
    undo_window_s: float = 3600.0
    """How long after a decision its moves can be taken back."""


@dataclass(frozen=True)
class Site:
    """A whole site."""

    id: str
    name: str
    latitude: float
    longitude: float
    elevation_m: float
    halls: Mapping[str, Hall]
    racks: Mapping[str, Rack]
    loops: Mapping[str, CoolingLoop]
    cdus: Mapping[str, CDU]
    crahs: Mapping[str, CRAH]
    chillers: Mapping[str, Chiller]
    towers: Mapping[str, Tower]
    devices: Mapping[str, Device]
    points: Mapping[str, Point]
    actuators: Mapping[str, Actuator]
    tariff: Tariff
    gateway: GatewayLimits
    people: People = field(default_factory=People)
    go_no_go: GoCriteria = field(default_factory=GoCriteria)
    feeds: tuple[FeedSource, ...] = ()
    worst_case: WorstCase = field(default_factory=WorstCase)
    source: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each file that the site was read from, ports and rules for people left out."""

    @cached_property
    def _by_meaning(self) -> dict[tuple[str, str], str]:
        return {(p.equipment, p.quantity): p.tag for p in self.points.values() if not p.doubles}

    def tag(self, equipment: str, quantity: str) -> str | None:
        """The tag of a quantity of a piece of equipment, or None where it is not measured."""
        return self._by_meaning.get((equipment, quantity))

    def tags(self, quantity: str) -> tuple[str, ...]:
        """All tags of a quantity, in the order of the points list."""
        return self._by_quantity.get(quantity, ())

    @cached_property
    def _by_quantity(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for point in self.points.values():
            found.setdefault(point.quantity, []).append(point.tag)
        return {quantity: tuple(tags) for quantity, tags in found.items()}

    @cached_property
    def doubles(self) -> Mapping[str, tuple[str, ...]]:
        """By sensor: the spare sensors that stand beside it, in the order of the points list."""
        found: dict[str, list[str]] = {}
        for point in self.points.values():
            if point.doubles:
                found.setdefault(point.doubles, []).append(point.tag)
        return {tag: tuple(spares) for tag, spares in found.items()}

    @cached_property
    def alarms(self) -> tuple[Point, ...]:
        """The alarm points: those with a safe direction."""
        return tuple(p for p in self.points.values() if p.safe_direction is not None)

    def device_points(self, device: str) -> tuple[Point, ...]:
        """The points of a device, in the order of the points list."""
        return tuple(p for p in self.points.values() if p.device == device)

    def device_actuators(self, device: str) -> tuple[Actuator, ...]:
        """The actuators behind a device."""
        return tuple(a for a in self.actuators.values() if a.device == device)

    @cached_property
    def groups(self) -> Mapping[str, tuple[Actuator, ...]]:
        """Actuators by group, in the order of the points list."""
        found: dict[str, list[Actuator]] = {}
        for actuator in self.actuators.values():
            found.setdefault(actuator.group, []).append(actuator)
        return {name: tuple(members) for name, members in found.items()}

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over the files that the site was read from."""
        text = "\n".join(f"{name} {digest}" for name, digest in sorted(self.source.items()))
        return hashlib.sha256(text.encode()).hexdigest()
