"""Whether what a point says can be what it should be, and if not, which mistake explains it.

Pure: readings, bytes and what the same quantity says elsewhere go in; a verdict comes out.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from adapters import codec
from facility.points import DataType, Order, Point, Role, Table
from facility.quantities import QUANTITIES
from facility.telemetry import Quality, Reading
from facility.units import UNITS, Kind


class Finding(Enum):
    """What the check says of a point."""

    PLAUSIBLE = "plausible"
    OUT_OF_RANGE = "out of range"
    STUCK = "stuck"
    WORD_ORDER = "wrong word order suspected"
    SCALE = "wrong scale suspected"
    NO_VALUE = "the device says no value"
    REFUSED = "refused"
    NOT_ANSWERING = "not answering"


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one point."""

    finding: Finding
    detail: str = ""
    would_be: float | None = None
    """What it would say, in the canonical unit, if the suspicion is right."""


PLAUSIBLE = Judgement(Finding.PLAUSIBLE)

USUAL: Mapping[Kind, tuple[float, float]] = {
    Kind.TEMPERATURE: (-30.0, 110.0),
    Kind.TEMPERATURE_DIFFERENCE: (-60.0, 60.0),
    Kind.POWER: (-0.5, 50_000.0),
    Kind.ENERGY: (0.0, 1e9),
    Kind.PRESSURE: (-100.0, 2_000.0),
    Kind.FLOW: (-0.5, 2_000.0),
    Kind.PERCENT: (-1.0, 101.0),
}
"""By kind, in canonical units: outside, it is no value of a cooling plant that stands or runs."""

NEARER: Mapping[str, tuple[float, float]] = {
    "inlet_temperature": (5.0, 45.0),
    "outlet_temperature": (10.0, 75.0),
    "case_temperature": (10.0, 105.0),
    "bath_temperature": (10.0, 80.0),
    "tcs_supply_temperature": (8.0, 60.0),
    "tcs_return_temperature": (8.0, 75.0),
    "supply_air_temperature": (8.0, 40.0),
    "return_air_temperature": (10.0, 60.0),
    "chw_supply_temperature": (2.0, 35.0),
    "chw_return_temperature": (2.0, 45.0),
    "fws_supply_temperature": (2.0, 50.0),
    "fws_return_temperature": (2.0, 60.0),
    "cw_supply_temperature": (2.0, 45.0),
    "cw_return_temperature": (2.0, 55.0),
    "dry_bulb_temperature": (-45.0, 55.0),
    "wet_bulb_temperature": (-45.0, 36.0),
    "dew_point_temperature": (-30.0, 30.0),
}
"""By quantity, °C: what a sensor in such a place shows, with room; °F and ×10 lie outside."""

FACTORS = (0.1, 10.0, 0.01, 100.0, 0.001, 1000.0)
TINY = 1e-6
"""A raw float that is not 0 and smaller than this was no float of a sensor."""
WIDE = (DataType.INT32, DataType.UINT32, DataType.FLOAT32, DataType.FLOAT64)


def usual(point: Point) -> tuple[float, float] | None:
    """What the point may say, in its canonical unit; None for counts and states."""
    quantity = QUANTITIES[point.quantity]
    if quantity.kind is Kind.STATE:
        return (0.0, 1.0)
    name = point.quantity.removesuffix("_in_force").removesuffix("_setpoint")
    if quantity.kind not in USUAL:
        return None
    low, high = NEARER.get(name, USUAL[quantity.kind])
    low = max(low, point.minimum) if point.minimum is not None else low
    high = min(high, point.maximum) if point.maximum is not None else high
    return (low, high) if low < high else (point.minimum or low, point.maximum or high)


def judge(
    point: Point, reading: Reading | None, raw: bytes | None, like: Sequence[float] = ()
) -> Judgement:
    """The verdict on one reading.

    Parameters
    ----------
    raw
        The point's bytes as they travelled, where its protocol has registers.
    like
        Good values of the same quantity elsewhere on the site, in the canonical unit.
    """
    if reading is None:
        return Judgement(Finding.NOT_ANSWERING, "no answer for this point")
    if reading.quality is Quality.ABSENT:
        return Judgement(Finding.NO_VALUE, reading.note)
    value = reading.good
    if raw is not None and value is None:
        value = _decoded(point, raw)
    if value is None:
        return Judgement(Finding.REFUSED, reading.note)
    bounds = usual(point)
    if bounds is None or (_is_within(value, bounds) and not _is_odd(point, value)):
        return PLAUSIBLE
    if swapped := _other_order(point, raw, bounds, like):
        return swapped
    if scaled := _other_scale(point, value, bounds, like):
        return scaled
    low, high = bounds
    return Judgement(Finding.OUT_OF_RANGE, f"{value:.4g} is not within {low:g} to {high:g}")


def stuck(point: Point, samples: Sequence[float], others_moved: bool) -> Judgement | None:
    """Whether a sensor stood still to the last bit while others of its device moved.

    Three samples are the least that say anything.
    """
    kind = QUANTITIES[point.quantity].kind
    steady = kind in (Kind.STATE, Kind.COUNT) or point.role is not Role.SENSOR
    in_force = point.quantity.endswith("_in_force")
    if steady or in_force or len(samples) < 3 or not others_moved or len(set(samples)) > 1:
        return None
    if samples[0] == 0.0:
        return None  # a pump that stands has no flow
    return Judgement(
        Finding.STUCK, f"{len(samples)} samples of exactly {samples[0]:g} while others moved"
    )


def _is_within(value: float, bounds: tuple[float, float]) -> bool:
    return math.isfinite(value) and bounds[0] <= value <= bounds[1]


def _is_odd(point: Point, value: float) -> bool:
    """Whether a float is so near 0, yet not 0, that its words were taken in the wrong order."""
    raw = point.to_raw(value)
    floating = point.data_type in (DataType.FLOAT32, DataType.FLOAT64)
    return floating and raw != 0.0 and abs(raw) < TINY


def _decoded(point: Point, raw: bytes) -> float | None:
    try:
        value = codec.decode(point, raw)
    except codec.EncodingError:
        return None
    return value if math.isfinite(value) else None


def _other_order(
    point: Point, raw: bytes | None, bounds: tuple[float, float], like: Sequence[float]
) -> Judgement | None:
    if raw is None or point.table not in (Table.HOLDING, Table.INPUT):
        return None
    fitting: list[tuple[float, Point]] = []
    for byte_order in Order:
        for word_order in Order:
            other = replace(point, byte_order=byte_order, word_order=word_order)
            same_words = word_order is point.word_order or point.data_type not in WIDE
            if byte_order is point.byte_order and same_words:
                continue
            value = _decoded(other, raw)
            if value is None or not _is_within(value, bounds) or _is_odd(other, value):
                continue
            if value != 0.0:
                fitting.append((value, other))
    if not fitting:
        return None
    # Swapped words are common and swapped bytes rare: of two that fit, the common one.
    fitting.sort(key=lambda found: (found[1].byte_order is not point.byte_order, _far(found, like)))
    value, other = fitting[0]
    return Judgement(
        Finding.WORD_ORDER,
        f"with byte_order {other.byte_order.value}, word_order {other.word_order.value} it "
        f"would be {value:.4g}",
        value,
    )


def _other_scale(
    point: Point, value: float, bounds: tuple[float, float], like: Sequence[float]
) -> Judgement | None:
    fitting = [
        (found, replace(point, scale=point.scale * factor), f"scaled by {factor:g}")
        for factor in FACTORS
        if (found := point.to_canonical(point.to_raw(value) * factor)) and _is_within(found, bounds)
    ]
    for name in ("degF", "degC"):
        if QUANTITIES[point.quantity].kind is Kind.TEMPERATURE and point.unit != name:
            plain = point.to_raw(value) * point.scale + point.offset
            found = UNITS[name].to_canonical(plain)
            if _is_within(found, bounds):
                words = f"as {'°F' if name == 'degF' else '°C'}"
                # °F is the likelier mistake of the two where both fit.
                fitting.insert(0, (found, replace(point, unit=name), words))
    if not fitting:
        return None
    if like:
        fitting.sort(key=lambda item: _far(item[:2], like))
    told = "; ".join(f"{words} it would be {found:.4g}" for found, _, words in fitting[:3])
    return Judgement(Finding.SCALE, told, fitting[0][0])


def _far(found: tuple[float, Point], like: Sequence[float]) -> float:
    """How far a value lies from the middle of its like, relative to it."""
    if not like:
        return 0.0
    middle = statistics.median(like)
    return abs(found[0] - middle) / max(1.0, abs(middle))


def like_values(
    point: Point, points: Iterable[Point], readings: Mapping[str, Reading]
) -> tuple[float, ...]:
    """Good and usual values of the same quantity of other equipment."""
    found = []
    for other in points:
        if other.quantity != point.quantity or other.tag == point.tag:
            continue
        reading = readings.get(other.tag)
        value = None if reading is None else reading.good
        bounds = usual(other)
        if value is not None and bounds is not None and _is_within(value, bounds):
            found.append(value)
    return tuple(found)
