"""The envelope's worst case, asked before anything is written: its own function on what we see.

A set of setpoints that the envelope admits may still not be admitted at once: colder water is
judged by the fans as they are, until they have come up. What would be refused for that alone
waits until the rest of its decision is in force. And a smaller step is made as small as the worst
case allows, no smaller.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from facility.commands import Command, Move
from facility.devices import Actuator, Cooling
from facility.quantities import STAGE_REQUEST
from facility.site import Site
from facility.telemetry import Snapshot
from safety.arithmetic import grains, units
from safety.backup import Backup
from safety.backup_held import WorstCase
from safety.backup_site import backup_of
from safety.limits import limits_of

HALVINGS = 6
"""A smaller step is found to a sixty-fourth of the whole."""
SPARE = 0.02
"""Of the whole step, beyond what was found: a register's grain."""


class WorstCaseSeen:
    """The worst case of a site over read-backs."""

    def __init__(self, site: Site) -> None:
        self._site = site

    @cached_property
    def _backup(self) -> Backup:
        return backup_of(self._site)

    @cached_property
    def _towards_min(self) -> float:
        """A move towards cooling may use up the rate of so long at once."""
        return limits_of(self._site).towards_window_s / 60.0

    def smaller(self, moves: Sequence[Move], share: float, snapshot: Snapshot) -> tuple[Move, ...]:
        """``moves`` made by a share of each; those towards cooling by more where it is asked for.

        A plan lets some setpoints go away from cooling since others go towards it. Halved, the
        latter may be too little for the worst case: they go as far as it asks, and at most whole.
        """

        def made(part: float) -> tuple[Move, ...]:
            return tuple(_part(m, part if self._cools(m) else share) for m in whole)

        # There is no half of a machine: a stage is approved whole or not at all.
        whole = [m for m in moves if share == 1.0 or self._of(m).quantity != STAGE_REQUEST]

        if share == 1.0 or self._bears(made(share), snapshot):
            return made(share)
        low, high = share, 1.0
        for _ in range(HALVINGS):
            middle = (low + high) / 2.0
            low, high = (low, middle) if self._bears(made(middle), snapshot) else (middle, high)
        return made(min(1.0, high + SPARE))

    def ready(self, commands: Sequence[Command], snapshot: Snapshot) -> tuple[Command, ...]:
        """Those of some commands that would be taken now, or that no other could help.

        A supply waits for a flow of its circuit, a flow for a supply; where nothing of their
        circuits goes, they go together: waiting would change nothing. What the envelope would take
        to its bound, a write's worth from here or more, goes too.
        """
        worst = self._worst({}, snapshot)
        cooled, moved = self._circuits(commands)
        goes = []
        for command in commands:
            is_taken = self._is_taken(command, worst, snapshot)
            if is_taken:
                worst.accepted(command.actuator, command.value)
            supplied, driven = self._circuits((command,))
            # Or nothing beside it comes that it could wait for.
            goes.append(is_taken or not (supplied & moved or driven & cooled))
        going = [command for command, goes_now in zip(commands, goes, strict=True) if goes_now]
        met: set[int] = set().union(*self._circuits(going))
        return tuple(
            command
            for command, goes_now in zip(commands, goes, strict=True)
            if goes_now or met.isdisjoint(set().union(*self._circuits((command,))))
        )

    def _circuits(self, commands: Iterable[Command]) -> tuple[set[int], set[int]]:
        """The circuits whose supply some commands set, and those whose flow."""
        supplied, driven = set(), set()
        for command in commands:
            supplied |= {i for i, _ in self._backup.paths.get(command.actuator, ())}
            driven |= {i for i, _ in self._backup.flows.get(command.actuator, ())}
        return supplied, driven

    def _is_taken(self, command: Command, worst: WorstCase, snapshot: Snapshot) -> bool:
        actuator = self._site.actuators[command.actuator]
        start = snapshot.good(actuator.read_back)
        if actuator.id not in self._backup.levers or start is None:
            return True
        asked, low, high = worst.interval(actuator.id), *sorted((start, command.value))
        if not actuator.is_more_cooling(command.value, start):
            bound = asked.lower if actuator.cooling is Cooling.HIGHER else asked.upper
            if bound is None or not actuator.is_more_cooling(units(bound), command.value):
                return True
            left = abs(units(bound) - start)
            return actuator.is_more_cooling(start, units(bound)) and left >= actuator.dead_band
        reach = self._towards_min * actuator.rate_towards_per_min
        if actuator.cooling is Cooling.HIGHER:
            return asked.lower is None or high >= min(units(asked.lower), start + reach)
        return asked.upper is None or low <= max(units(asked.upper), start - reach)

    def _cools(self, move: Move) -> bool:
        known = move.actuator in self._backup.levers
        return known and self._of(move).is_more_cooling(move.proposed, move.now)

    def _of(self, move: Move) -> Actuator:
        return self._site.actuators[move.actuator]

    def _bears(self, moves: Iterable[Move], snapshot: Snapshot) -> bool:
        """Whether setpoints may be in force together as ``moves`` leave them."""
        ends = {move.actuator: move.proposed for move in moves}
        worst = self._worst(ends, snapshot)
        return all(worst.interval(name).holds(grains(end)) for name, end in ends.items())

    def _worst(self, ends: Mapping[str, float], snapshot: Snapshot) -> WorstCase:
        def candidates(actuator: str) -> tuple[float, ...]:
            value = ends.get(actuator, snapshot.good(self._site.actuators[actuator].read_back))
            return () if value is None else (value,)

        wet_bulb = self._site.tag("outdoor", "wet_bulb_temperature")
        return WorstCase(
            self._backup, candidates, None if wet_bulb is None else snapshot.good(wet_bulb)
        )


def _part(move: Move, share: float) -> Move:
    return Move(move.actuator, move.now, round(move.now + share * (move.proposed - move.now), 4))
