"""Controllers on the network and the setpoints behind them, with their limits.

Times in s; values of a setpoint in the canonical unit of its quantity.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from facility.points import Table


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
