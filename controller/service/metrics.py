"""Figures for Prometheus: how Isotherm does, and the points that can be acted on.

Base units, as Prometheus names them: ``_celsius``, ``_watts``, ``_ratio``, ``_pascals``. A point
whose quality is not good has no value here: a gap, never a flat line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from controller.service.auth import Viewer
from controller.service.context import Context, Here
from controller.service.problems import responses
from facility.quantities import QUANTITIES

router = APIRouter(tags=["service"], responses=responses(401))

UNITS = {
    # canonical unit: (name of the family, factor to the base unit)
    "degC": ("celsius", 1.0),
    "K": ("kelvin", 1.0),
    "kW": ("watts", 1000.0),
    "kPa": ("pascals", 1000.0),
    "%": ("ratio", 0.01),
    "L/s": ("cubic_meters_per_second", 0.001),
    "m3/s": ("cubic_meters_per_second", 1.0),
}


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {
            "description": "OpenMetrics where it is asked for, else Prometheus's text format",
            "content": {"text/plain": {}, "application/openmetrics-text": {}},
        }
    },
)
async def metrics(here: Here, request: Request, _: Viewer) -> Response:
    """How Isotherm and the plant do, as OpenMetrics or in the text format of Prometheus."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(here))
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(registry), media_type=media_type)


class _Figures(Collector):
    def __init__(self, here: Context) -> None:
        self._here = here

    def collect(self) -> Iterator[Metric]:
        yield from _controller(self._here)
        yield from _devices(self._here)
        yield from _feeds(self._here)
        yield from _points(self._here)


def _controller(here: Context) -> Iterator[Metric]:
    live, now_s = here.live, here.clock.now_s()
    yield _gauge("gateway_up", "1 while the gateway answers", float(not live.gateway_error))
    if live.snapshot is not None:
        age_s = now_s - live.snapshot.time_s
        yield _gauge("snapshot_age_seconds", "Age of the last word from the field", age_s)
        modes = GaugeMetricFamily("isotherm_actuators", "Actuators by mode", labels=["mode"])
        for mode, count in Counter(m.value for m in live.snapshot.modes.values()).items():
            modes.add_metric([mode], count)
        yield modes
    if (plan_age_s := live.plan_age_s()) is not None:
        yield _gauge("plan_age_seconds", "Age of the plan in force", plan_age_s)
    yield _gauge("proposals_pending", "Proposals that wait", len(here.desk.inbox.pending()))
    yield _gauge("overrides", "Overrides in force", len(here.desk.overrides(now_s)))
    alarms = GaugeMetricFamily("isotherm_alarms", "Open alarms", labels=["priority", "state"])
    counts = Counter((str(a.body["priority"]), a.state) for a in here.alarms.open())
    for labels, count in counts.items():
        alarms.add_metric(labels, count)
    yield alarms
    yield CounterMetricFamily("isotherm_ticks", "Control steps", value=live.ticks)
    yield CounterMetricFamily(
        "isotherm_fallbacks", "Steps without a solver's answer", live.fallbacks
    )
    receipts = CounterMetricFamily("isotherm_writes", "Commands by result", labels=["result"])
    for result, count in live.receipts.items():
        receipts.add_metric([result], count)
    yield receipts
    yield CounterMetricFamily("isotherm_limited", "Commands that were limited", value=live.limited)
    seconds = live.summary()["tick_seconds_p95"]
    if seconds is not None:
        yield _gauge("tick_seconds_p95", "95 % of control steps take less", seconds)


def _devices(here: Context) -> Iterator[Metric]:
    """How each device answers, and how many of its points have which quality."""
    if (snapshot := here.live.snapshot) is None:
        return
    connected = _family("device_connected", "1 while the gateway reaches a device")
    armed = _family("device_armed", "1 while Isotherm holds a device")
    age = _family("device_reply_age_seconds", "Since a device last answered")
    trip = _family("device_round_trip_seconds", "The last exchange with a device")
    for device in snapshot.devices.values():
        connected.add_metric([device.device], float(device.connected))
        armed.add_metric([device.device], float(device.armed))
        if device.last_reply_s is not None:
            age.add_metric([device.device], max(0.0, snapshot.time_s - device.last_reply_s))
        if device.round_trip_ms is not None:
            trip.add_metric([device.device], 1e-3 * device.round_trip_ms)
    yield from (connected, armed, age, trip)
    points = GaugeMetricFamily(
        "isotherm_device_points", "Points by quality", labels=["device", "quality"]
    )
    counts = Counter(
        (here.site.points[tag].device, reading.quality.value)
        for tag, reading in snapshot.readings.items()
        if tag in here.site.points
    )
    for labels, count in sorted(counts.items()):
        points.add_metric(labels, count)
    yield points


def _feeds(here: Context) -> Iterator[Metric]:
    """How each feed of the world outside does."""
    if here.feeds is None:
        return
    fresh = _family("feed_fresh", "1 while a feed's answer is worth using", "feed")
    age = _family("feed_age_seconds", "Since a feed was fetched", "feed")
    failures = _family("feed_failures", "Attempts that failed, one after the other", "feed")
    for feed in here.feeds.status():
        fresh.add_metric([feed.name], float(feed.fresh))
        failures.add_metric([feed.name], feed.failures)
        if feed.age_s is not None:
            age.add_metric([feed.name], feed.age_s)
    yield from (fresh, age, failures)


def _family(name: str, text: str, label: str = "device") -> GaugeMetricFamily:
    return GaugeMetricFamily(f"isotherm_{name}", text, labels=[label])


def _points(here: Context) -> Iterator[Metric]:
    if here.live.snapshot is None:
        return
    families: dict[str, GaugeMetricFamily] = {}
    for point in here.site.points.values():
        value = here.live.snapshot.good(point.tag)
        known = UNITS.get(QUANTITIES[point.quantity].kind.unit)
        if value is None or known is None:
            continue
        name, factor = known
        if name not in families:
            families[name] = GaugeMetricFamily(
                f"isotherm_point_{name}",
                f"Points in {name.replace('_', ' ')}",
                labels=["tag", "equipment", "quantity"],
            )
        families[name].add_metric([point.tag, point.equipment, point.quantity], value * factor)
    yield from families.values()


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"isotherm_{name}", text, value=value)
