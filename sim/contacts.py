"""Contacts of the building and its machines: what a person, a fire or a fault closes or opens.

They belong to no part of the plant's physics; a scenario sets them. At rest the hard-wired
enable is closed, every machine can be had, and no alarm is active.
"""

from __future__ import annotations

from collections.abc import Collection

from facility.quantities import ALARMS
from facility.site import Site

AT_REST = {
    "fire_alarm": 0.0,
    "emergency_power_off": 0.0,
    "generator_running": 0.0,
    "hardwired_enable": 1.0,
    "available": 1.0,
    "locked_out": 0.0,
    **dict.fromkeys(ALARMS, 0.0),
}
"""By quantity: how a contact stands while nothing is wrong."""


class Contacts:
    """The contacts of a site that its plant does not move itself.

    Parameters
    ----------
    measured
        Tags that the plant shows of its own.
    """

    def __init__(self, site: Site, measured: Collection[str]) -> None:
        self._values: dict[str, float] = {
            point.tag: AT_REST[point.quantity]
            for point in site.points.values()
            if point.quantity in AT_REST and point.tag not in measured
        }

    def __contains__(self, tag: str) -> bool:
        return tag in self._values

    def __getitem__(self, tag: str) -> float:
        return self._values[tag]

    def all(self) -> dict[str, float]:
        """How every contact stands, by tag."""
        return dict(self._values)

    def put(self, tag: str, value: float) -> None:
        """Close (1) or open (0) a contact.

        Raises
        ------
        KeyError
            There is no such contact.
        """
        if tag not in self._values:
            known = ", ".join(self._values)
            raise KeyError(f"there is no contact {tag!r}; there are {known}")
        self._values[tag] = value
