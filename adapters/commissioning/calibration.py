"""A sensor held against an instrument: as found, and what would set it right."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from adapters.commissioning.live import Gateway
from facility.points import Point
from facility.quantities import QUANTITIES
from facility.telemetry import Reading
from facility.units import UNITS
from facility.wire import from_wire


class CalibrationError(Exception):
    """Nothing can be said of the sensor; the message says why."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """One sensor against one instrument; values in the canonical unit of the sensor."""

    tag: str
    unit: str
    reference: float
    samples: tuple[float, ...]
    mean: float
    spread: float
    """Largest less smallest sample."""
    error: float
    """Mean less reference."""
    tolerance: float
    ok: bool
    offset_now: float
    """Of the points list, in the unit on the wire."""
    offset_for_zero_error: float
    instrument: str
    due: str
    """When the instrument's own certificate ends, as its label says."""
    who: str
    witness: str


def samples_of(
    gateway: Gateway,
    point: Point,
    count: int,
    wait: Callable[[float], None],
    tell: Callable[[str, float], None],
) -> list[float]:
    """``count`` readings of a sensor, a second apart.

    Raises
    ------
    CalibrationError
        One of them is not good.
    """
    found = []
    for number in range(count):
        tell(f"reading {point.tag}, {number + 1} of {count}", number / count)
        if number:
            wait(1.0)
        answer = gateway.call("probe_points", device=point.device, tags=[point.tag])
        told = answer["readings"].get(point.tag)
        reading = None if told is None else from_wire(Reading, told)
        if reading is None or reading.good is None:
            why = "no answer" if reading is None else f"{reading.quality.value}: {reading.note}"
            raise CalibrationError(f"{point.tag}: {why}; mend that first (`isotherm site check`)")
        found.append(reading.good)
    return found


def calibrate(
    point: Point,
    samples: Sequence[float],
    *,
    reference: float,
    tolerance: float,
    instrument: str,
    due: str = "",
    who: str = "",
    witness: str = "",
) -> Calibration:
    """Hold samples against a reference, all in the canonical unit."""
    if not (math.isfinite(reference) and tolerance > 0.0 and samples):
        raise CalibrationError("a calibration needs a number, a tolerance above 0, and samples")
    mean = statistics.fmean(samples)
    error = mean - reference
    # canonical = (raw * scale + offset) * factor + ...: what is taken off stands behind the factor.
    offset = point.offset - error / UNITS[point.unit].factor
    return Calibration(
        tag=point.tag,
        unit=QUANTITIES[point.quantity].kind.unit,
        reference=reference,
        samples=tuple(samples),
        mean=mean,
        spread=max(samples) - min(samples),
        error=error,
        tolerance=tolerance,
        ok=abs(error) <= tolerance,
        offset_now=point.offset,
        offset_for_zero_error=offset,
        instrument=instrument,
        due=due,
        who=who,
        witness=witness,
    )
