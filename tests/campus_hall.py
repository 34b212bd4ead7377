"""The campus under a gateway in the same process: for tests of the two together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from adapters.driver import LinkStatus, WriteFailed
from adapters.gateway.lockstep import LockStepGateway
from facility.clock import from_iso
from facility.commands import Command, Decision, Mode, Move, Origin, Receipt
from facility.loading import parse_site
from facility.site import Site
from sim.lockstep import LockstepDriver
from sim.parameters import PlantParameters
from sim.plant.weather import ConstantWeather
from sim.plant.workload import ConstantLoad
from sim.recorder import Recorder
from sim.run import warmed_up
from sim.simulation import Simulation
from sim.sites.reference import DESIGNS
from sim.sites.writer import texts

START_S = from_iso("2024-05-10")


def warm_campus(
    local_control: str, outdoor_c: float, wet_bulb_c: float, name: str = "campus"
) -> tuple[Site, Simulation]:
    """The campus at 60 % load after two hours of one weather under its own control."""
    made = texts(DESIGNS[name](), 15_000)
    site = parse_site(made["site.toml"], made["points.csv"])
    plant = warmed_up(
        site,
        PlantParameters.for_site(site, 1),
        load=ConstantLoad(site, 0.6),
        weather=ConstantWeather(outdoor_c, wet_bulb_c),
        local_control=local_control,
        start_s=START_S,
        seed=1,
        warm_up_h=2.0,
    )
    return site, plant


@dataclass
class Hall:
    """The campus, held by a gateway in the same process."""

    site: Site
    plant: Simulation
    gateway: LockStepGateway
    recorder: Recorder
    now_s: float = START_S
    number: int = 0

    @classmethod
    def under(cls, site: Site, plant: Simulation, record: Path | None = None) -> Self:
        """A hall whose gateway has seen every device, in automatic; nothing is held yet."""
        recorder = Recorder(record)
        drivers = {
            device: LockstepDriver(
                site, device, plant, recorder, status=LinkStatus, failure=WriteFailed
            )
            for device in site.devices
        }
        found = cls(site, plant, None, recorder)  # type: ignore[arg-type]  # it reads our clock
        found.gateway = LockStepGateway(site, drivers, lambda: found.now_s, None)
        found.run(12)
        found.gateway.set_mode(Mode.AUTOMATIC)
        return found

    def run(self, seconds: int, *, client_lives: bool = True) -> None:
        for _ in range(seconds):
            self.now_s += 1.0
            self.plant.advance(self.now_s)
            if client_lives:
                self.gateway.beat(0.0)
            self.gateway.second()

    def hold(self, change: float = 0.0, device: str = "") -> dict[str, Receipt]:
        """Command actuators (of one device) to where they stand, or towards more cooling."""
        self.number += 1
        moves = []
        for each in self.site.actuators.values():
            if device not in ("", each.device):
                continue
            held = self.plant.read(each.read_back).value or 0.0
            moves.append(Move(each.id, held, held + change * each.cooling.sign))
        origin, end_s = Origin.PERSON, self.now_s + 600.0
        made = Decision(
            f"d{self.number}", "p", "h", origin, "Ada", "to see", tuple(moves), self.now_s, end_s
        )
        self.gateway.register(made)
        asked = [
            Command(f"c{self.number}.{m.actuator}", m.actuator, m.proposed, origin, made.id, "h",
                    self.now_s, self.now_s + 60.0)
            for m in moves
        ]  # fmt: skip
        return {receipt.actuator: receipt for receipt in self.gateway.command(asked)}

    def remote(self) -> set[str]:
        """The devices that say they are in remote control."""
        names = {each.device for each in self.site.actuators.values()}
        return {name for name in names if self.plant.read(f"{name}.remote_active").value}
