"""The live check: every point read now, through the gateway, and judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from adapters.commissioning.plausibility import (
    Finding,
    Judgement,
    judge,
    like_values,
    stuck,
)
from adapters.gateway.client import GatewayRefusal
from facility.points import Access, Point
from facility.quantities import QUANTITIES
from facility.site import Site
from facility.telemetry import Reading
from facility.wire import from_wire

SAMPLES = 4
"""Readings of each point over the time that sensors are watched."""


class Gateway(Protocol):
    """The gateway's socket (`adapters.gateway.client.SyncGatewayClient`)."""

    def call(self, op: str, **arguments: Any) -> Any:
        """Carry out an operation; raises `GatewayRefusal` where the gateway says no."""
        ...


@dataclass(frozen=True, slots=True)
class Line:
    """One point of the check, as it is shown and kept."""

    tag: str
    value: float | None
    unit: str
    quality: str
    age_s: float | None
    round_trip_ms: float | None
    finding: Finding
    detail: str
    would_be: float | None


@dataclass
class LiveCheck:
    """Collects readings device by device; `lines` judges whatever is in by then.

    Parameters
    ----------
    watch_s
        So long sensors are watched for one that stands still; 0 reads once.
    wait
        Waits so many seconds.
    tell
        Called with what is being done, the share done, for people.
    """

    gateway: Gateway
    site: Site
    watch_s: float
    wait: Callable[[float], None]
    tell: Callable[[str, float], None]
    readings: dict[str, Reading] = field(default_factory=dict)
    samples: dict[str, list[float]] = field(default_factory=dict)
    trips_ms: dict[str, float | None] = field(default_factory=dict)
    ages_s: dict[str, float] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    raw: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def run(self, devices: Iterable[str]) -> None:
        """Read all points of ``devices``, in rounds."""
        chosen = list(devices)
        rounds = SAMPLES if self.watch_s > 0.0 else 1
        for number in range(rounds):
            if number:
                self.wait(self.watch_s / (rounds - 1))
            for index, device in enumerate(chosen):
                share = (number * len(chosen) + index) / (rounds * len(chosen))
                self.tell(f"reading {device} ({number + 1} of {rounds})", share)
                self._read(device)
        suspicious = [tag for tag in self._tags() if self._first(tag) is not Finding.PLAUSIBLE]
        for index, tag in enumerate(suspicious):
            self.tell(f"looking closer at {tag}", index / len(suspicious))
            self._look_closer(tag)

    def lines(self) -> list[Line]:
        """The verdict on every point of the devices that were asked."""
        return [self._line(self.site.points[tag]) for tag in self._tags()]

    def _tags(self) -> list[str]:
        return [
            point.tag
            for device in self.asked
            for point in self.site.device_points(device)
            if point.access is not Access.WRITE
        ]

    def _read(self, device: str) -> None:
        if device not in self.asked:
            self.asked.append(device)
        try:
            answer: Mapping[str, Any] = self.gateway.call("probe_points", device=device, tags=None)
        except GatewayRefusal as error:
            self.notes[device] = str(error)
            return
        self.notes.pop(device, None)
        now_s = float(self.gateway.call("hello", client="commissioning")["now_s"])
        self.trips_ms[device] = answer["round_trip_ms"]
        for tag, told in answer["readings"].items():
            reading = from_wire(Reading, told)
            self.readings[tag] = reading
            self.ages_s[tag] = max(0.0, reading.age_s(now_s))
            if reading.good is not None:
                self.samples.setdefault(tag, []).append(reading.good)

    def _first(self, tag: str) -> Finding:
        point = self.site.points[tag]
        return judge(point, self.readings.get(tag), None).finding

    def _look_closer(self, tag: str) -> None:
        device = self.site.points[tag].device
        if tag not in self.readings or device in self.notes:
            return
        try:
            told = self.gateway.call("probe_raw", device=device, tag=tag)["raw"]
        except GatewayRefusal:
            return
        if told is not None:
            self.raw[tag] = bytes.fromhex(told)

    def _line(self, point: Point) -> Line:
        reading = self.readings.get(point.tag)
        note = self.notes.get(point.device)
        if note is not None:
            verdict = Judgement(Finding.NOT_ANSWERING, note)
        else:
            like = like_values(point, self.site.points.values(), self.readings)
            verdict = judge(point, reading, self.raw.get(point.tag), like)
        if verdict.finding is Finding.PLAUSIBLE:
            samples = self.samples.get(point.tag, [])
            verdict = stuck(point, samples, self._others_moved(point)) or verdict
        return Line(
            tag=point.tag,
            value=None if reading is None else reading.value,
            unit=QUANTITIES[point.quantity].kind.unit,
            quality="none" if reading is None or note is not None else reading.quality.value,
            age_s=self.ages_s.get(point.tag),
            round_trip_ms=self.trips_ms.get(point.device),
            finding=verdict.finding,
            detail=verdict.detail,
            would_be=verdict.would_be,
        )

    def _others_moved(self, point: Point) -> bool:
        """Whether half of the like sensors of the site moved: then one that did not is odd."""
        kind = QUANTITIES[point.quantity].kind
        others = [
            self.samples.get(other.tag, [])
            for other in self.site.points.values()
            if other.tag != point.tag
            and other.role is point.role
            and QUANTITIES[other.quantity].kind is kind
            and not other.quantity.endswith("_in_force")
            and _is_as_fine(other, point)
        ]
        watched = [samples for samples in others if len(samples) >= 3]
        moved = [samples for samples in watched if len(set(samples)) > 1]
        return len(moved) >= max(1, 0.75 * len(watched))


def _is_as_fine(other: Point, point: Point) -> bool:
    """Whether it shows steps as small: tenths of a degree stand still where a float moves."""
    return other.data_type is point.data_type and abs(other.scale) == abs(point.scale)
