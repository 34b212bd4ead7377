"""Who holds each device: remote enable, heartbeat, watchdog, and the setpoint in force.

A device keeps the remote setpoints that are written to it at any time and uses them only
while it is in remote control: ``remote_enable`` is 1 and the heartbeat changed less than
``watchdog_s`` of plant time ago. An enable without a heartbeat waits for one for
``watchdog_s`` and is cleared then. When the heartbeat lapses, or the enable is taken back,
the setpoint in force returns to local control's: at once where the device jumps, at the
actuator's own rates where it ramps. There is no limit on the way into remote control: that
is the business of whoever preloads the register.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facility.devices import Release
from facility.points import Access, Role
from facility.quantities import STAGE_REQUEST
from facility.site import Site

WIRE_SLACK = 1e-6
"""Share of a value that its encoding may cost: a float32 holds seven digits."""


@dataclass(slots=True)
class _Device:
    """One device's registers of authority; times are plant time in seconds."""

    watchdog_s: float
    enabled: bool = False
    enabled_at_s: float = -math.inf
    heartbeat: float = 0.0
    changed_at_s: float = -math.inf
    at_panel: bool = False
    """Whether somebody has switched it to local: it takes no enable then."""

    def settle(self, now_s: float) -> None:
        """Clear the enable where neither it nor the heartbeat was renewed in time."""
        if self.at_panel:
            self.enabled = False
        if self.enabled and now_s - max(self.changed_at_s, self.enabled_at_s) >= self.watchdog_s:
            self.enabled = False

    def is_remote(self, now_s: float) -> bool:
        """Whether the remote setpoints rule."""
        self.settle(now_s)
        return self.enabled and now_s - self.changed_at_s < self.watchdog_s


class DeviceAuthority:
    """The registers through which the devices of a site are taken over and given back.

    All state is in numbers and small arrays: an instance can be copied and pickled, and
    the same calls give the same answers.

    Parameters
    ----------
    site
        Its devices, actuators and points of the roles setpoint, enable, heartbeat and
        authority. A remote setpoint that was never written holds the actuator's
        ``fallback``.
    """

    def __init__(self, site: Site) -> None:
        actuators = tuple(site.actuators.values())
        names = list(site.devices)
        self._devices = {d.id: _Device(d.watchdog_s) for d in site.devices.values()}
        self._registers = tuple(self._devices.values())
        self._points = {
            p.tag: p
            for p in site.points.values()
            if p.role in (Role.ENABLE, Role.HEARTBEAT, Role.AUTHORITY) or p.tag in site.actuators
        }
        self._setpoint = {a.id: i for i, a in enumerate(actuators)}
        self._read_back = {
            a.read_back: i for i, a in enumerate(actuators) if a.read_back not in ("", a.id)
        }
        self._device_of = np.array([names.index(a.device) for a in actuators], dtype=np.int64)
        self._ramps = np.array(
            # A stage is given back as it stands: there is no fraction of a machine to ramp by.
            [
                site.devices[a.device].release is Release.RAMP and a.quantity != STAGE_REQUEST
                for a in actuators
            ],
            dtype=np.bool_,
        )
        # Rates by direction of the value (up, down) rather than of cooling.
        self._up_per_s = np.array(
            [a.rate_towards_per_min if a.cooling.sign > 0 else a.rate_away_per_min
             for a in actuators],
            dtype=np.float64,
        ) / 60.0  # fmt: skip
        self._down_per_s = np.array(
            [a.rate_away_per_min if a.cooling.sign > 0 else a.rate_towards_per_min
             for a in actuators],
            dtype=np.float64,
        ) / 60.0  # fmt: skip
        self._remote = np.array([a.fallback for a in actuators], dtype=np.float64)
        self._in_force: NDArray[np.float64] | None = None
        self._returning = np.zeros(len(actuators), dtype=np.bool_)
        self._was_remote = np.zeros(len(actuators), dtype=np.bool_)
        self._away = False  # whether any actuator is remote or on its way back

    def owns(self, tag: str) -> bool:
        """Whether ``tag`` is answered here: setpoints, read-backs, enable, heartbeat, active."""
        return tag in self._points or tag in self._read_back

    def write(self, tag: str, value: float, now_s: float) -> bool:
        """Write a register of authority or a remote setpoint (canonical units).

        False where the device rejects it: it is none of its writable points, the value is
        not finite or outside the point's minimum and maximum, or an enable is neither 0
        nor 1. A rejected write changes nothing.
        """
        point = self._points.get(tag)
        if point is None or point.access is Access.READ or not math.isfinite(value):
            return False
        slack = WIRE_SLACK * max(1.0, abs(value))
        if point.minimum is not None and value < point.minimum - slack:
            return False
        if point.maximum is not None and value > point.maximum + slack:
            return False
        if tag in self._setpoint:
            self._remote[self._setpoint[tag]] = value
            return True
        device = self._devices[point.device]
        device.settle(now_s)
        if point.role is Role.HEARTBEAT:
            if value != device.heartbeat:
                device.heartbeat, device.changed_at_s = value, now_s
            return True
        if point.role is Role.ENABLE and value in (0.0, 1.0):
            if value == 1.0 and not device.enabled:
                device.enabled_at_s = now_s
            device.enabled = value == 1.0
            return True
        return False

    def read(self, tag: str, now_s: float) -> float | None:
        """The value of a point of its own (canonical units), None where it has none.

        A read-back shows the setpoint in force: the remote one from the moment at which it
        rules, otherwise the one of the last step of `in_force`.
        """
        if (row := self._read_back.get(tag)) is not None:
            if self._registers[self._device_of[row]].is_remote(now_s):
                return float(self._remote[row])
            return None if self._in_force is None else float(self._in_force[row])
        point = self._points.get(tag)
        if point is None or point.access is Access.WRITE:
            return None
        if tag in self._setpoint:
            return float(self._remote[self._setpoint[tag]])
        device = self._devices[point.device]
        device.settle(now_s)
        if point.role is Role.HEARTBEAT:
            return device.heartbeat
        if point.role is Role.ENABLE:
            return float(device.enabled)
        return float(device.is_remote(now_s))

    def switch_to_local(self, devices: Collection[str]) -> None:
        """Put these devices, and no others, into local control at their own panels."""
        for name, device in self._devices.items():
            device.at_panel = name in devices

    def not_local(self) -> NDArray[np.bool_]:
        """By actuator: whether its setpoint in force was a remote's, or on its way back.

        In the order of ``site.actuators``, as of the last call of `in_force`.
        """
        return self._was_remote | self._returning

    def is_all_local(self) -> bool:
        """Whether nothing but local control holds or can take a device without a new write."""
        return not self._away and not any(device.enabled for device in self._registers)

    def remote(self, now_s: float) -> Mapping[str, bool]:
        """By device id: whether the remote holds it now."""
        return {name: device.is_remote(now_s) for name, device in self._devices.items()}

    def in_force(
        self, local: NDArray[np.float64], now_s: float, dt_s: float
    ) -> NDArray[np.float64]:
        """The setpoints that the plant follows during the step that starts now.

        Parameters
        ----------
        local
            What local control asks for, in the order of ``site.actuators``, canonical units.
        now_s, dt_s
            Plant time, and the time since the last call, by which a ramp goes on.

        Returns
        -------
        A new array of the same order: the remote value while the device is in remote
        control, the local one when it is not, and on a ramp what lies between.
        """
        held = [device.is_remote(now_s) for device in self._registers]
        if not self._away and True not in held:
            self._in_force = local.astype(np.float64, copy=True)
            return self._in_force.copy()
        before = local if self._in_force is None else self._in_force
        remote = np.array(held, dtype=np.bool_)[self._device_of]
        self._returning = (self._returning | self._was_remote) & ~remote & self._ramps
        on_the_way = np.clip(
            local, before - self._down_per_s * dt_s, before + self._up_per_s * dt_s
        )
        value = np.where(remote, self._remote, np.where(self._returning, on_the_way, local))
        self._returning &= value != local
        self._was_remote = remote
        self._away = bool(remote.any() or self._returning.any())
        self._in_force = value
        return value.copy()
