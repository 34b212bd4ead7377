"""Devices that jump when they are released: how near a value stays to the device's own.

Local control goes on computing a value of its own while we hold the device, and a jump goes there.
Where it lies is what was read back when local control held the device last: a reset moves it with
the weather, so that the value of commissioning may be many kelvins off. Nobody can read it while
we hold the device; what was read half a day ago counts together with the commissioned value, and
that alone where nothing was read.
"""

from __future__ import annotations

from collections.abc import Mapping

from facility.devices import Actuator, Release
from facility.site import Site
from facility.telemetry import Quality, Reading
from safety.arithmetic import Interval, grains, is_number
from safety.guards import AWAY_WINDOW_S, CLOCK_SLACK_S, HandBack

OWN_KEPT_S = 43_200.0
"""So long the value that was read back counts alone: a rule re-arms twice a day."""


def hand_back_of(actuator: Actuator) -> HandBack:
    """How far a value may lie from the device's own: up to a harmless jump, either way."""
    towards, away = actuator.jump_towards, actuator.rate_away_per_min * AWAY_WINDOW_S / 60.0
    if actuator.cooling.sign > 0:
        return HandBack(-towards, away)
    return HandBack(-away, towards)


def own_readings(site: Site, device: str, readings: Mapping[str, Reading]) -> Mapping[str, Reading]:
    """By actuator of a device that jumps: what its own control has in force now.

    Call while local control holds the device; a read-back that is not good is left out. Nothing
    of a device that ramps, since what it shows may be on its way.
    """
    if site.devices[device].release is not Release.JUMP:
        return {}
    shown = {a.id: readings.get(a.read_back) for a in site.device_actuators(device)}
    return {name: each for name, each in shown.items() if each and each.quality is Quality.GOOD}


def own_values(shown: Reading | None, commissioned: float, now_s: float) -> tuple[float, ...]:
    """Where the device may jump to, canonical unit.

    Parameters
    ----------
    shown
        Its setpoint as last read back while local control held it; None where it never was.
    commissioned
        As the site gives it (``fallback``).
    """
    if shown is None:
        return (commissioned,)
    value, age_s = shown.good, shown.age_s(now_s)
    if value is None or not is_number(value) or age_s < -CLOCK_SLACK_S:
        return (commissioned,)
    return (value,) if age_s <= OWN_KEPT_S else (value, commissioned)


def ends(allowed: HandBack, own: tuple[float, ...]) -> tuple[float, float]:
    """The least and the most from which a jump to any of ``own`` does no harm.

    The least is above the most where no value is near enough to all of them.
    """
    return max(own) + allowed.lower, min(own) + allowed.upper


def near(allowed: HandBack, own: tuple[float, ...], unit: str) -> Interval:
    """The values between `ends`, for a verdict."""
    lower, upper = ends(allowed, own)
    return Interval(
        "hand_back",
        grains(lower),
        grains(upper),
        f"when it is released it jumps to {' or '.join(f'{each:g}' for each in own)} {unit}: "
        f"at least {lower:g} and at most {upper:g} {unit}",
        {f"own_{number}": each for number, each in enumerate(own, 1)},
    )
