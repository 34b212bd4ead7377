"""Halls, racks and the machines that cool them, as a site describes them.

Temperatures in °C, differences in K, power in kW, flow in L/s, times in s.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from facility.quantities import LIMITED_TEMPERATURE


class RackKind(Enum):
    """How a rack is cooled."""

    AIR = "air"
    DIRECT_TO_CHIP = "direct_to_chip"
    REAR_DOOR = "rear_door"
    """Air-cooled servers behind a water-cooled door, which hangs on a CDU."""
    IMMERSION = "immersion"
    """A tank of dielectric fluid, whose exchanger hangs on a CDU."""


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
class StorageTank:
    """A stratified tank of chilled water between a loop's supply and its return."""

    id: str
    loop: str
    volume_m3: float
    """Water between its diffusers."""
    rated_flow_ls: float
    """Through it at full charge or full discharge."""
    reserve_pct: float
    """Charge level that is kept for ride-through: no discharge for economy goes below it."""
    loss_pct_per_day: float = 2.0
    """Of a full tank's cold, that it loses standing: insulated steel or concrete lose 1 to 5
    (ASHRAE Handbook HVAC Applications 2019, chapter 51)."""


@dataclass(frozen=True, slots=True)
class Tower:
    """A cooling tower cell."""

    id: str
    rated_kw: float
    rated_fan_kw: float
