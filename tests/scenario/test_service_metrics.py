"""Figures for Prometheus: OpenMetrics, devices and feeds, and a dashboard that asks for what is."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from controller.feeds import Feeds
from controller.service import metrics
from facility.outside import FeedQuantity, FeedSource
from facility.telemetry import Authority, DeviceStatus
from tests.controller_fakes import START_S
from tests.service_world import World, made_world

DASHBOARD = Path(__file__).resolve().parents[2] / "deploy" / "grafana" / "isotherm.json"
OPEN_METRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with made_world(tmp_path) as world:
        snapshot = world.here.live.snapshot
        assert snapshot is not None
        statuses = {
            "cdu-1": DeviceStatus("cdu-1", True, Authority.LOCAL, True, START_S - 2.0, 3.5),
            "bms": DeviceStatus("bms", False, Authority.UNKNOWN, False, None, None, "no route"),
        }
        world.here.live.snapshot = replace(snapshot, devices=statuses)
        source = FeedSource(FeedQuantity.ENERGY_PRICE, "prices.csv", "time", "value")
        site = replace(world.here.site, feeds=(source,))
        feeds = Feeds(site, tmp_path, tmp_path / "feeds", lambda: START_S)
        object.__setattr__(world.here, "feeds", feeds)
        yield world


async def samples(world: World) -> dict[tuple[str, str], float]:
    answer = await world.ask("GET", "/metrics", headers=OPEN_METRICS)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)  # type: ignore[no-untyped-call] # the parser is typed in part
        for sample in family.samples
    }


async def test_devices_and_feeds_are_told_as_openmetrics(world: World) -> None:
    found = await samples(world)
    assert found["isotherm_device_connected", "cdu-1"] == 1.0
    assert found["isotherm_device_connected", "bms"] == 0.0
    assert found["isotherm_device_armed", "cdu-1"] == 1.0
    assert found["isotherm_device_reply_age_seconds", "cdu-1"] == 2.0
    assert ("isotherm_device_reply_age_seconds", "bms") not in found, "absence is a gap, never 0"
    assert found["isotherm_device_round_trip_seconds", "cdu-1"] == pytest.approx(0.0035)
    assert sum(v for (name, _), v in found.items() if name == "isotherm_device_points") > 0
    assert found["isotherm_feed_fresh", "energy_price"] == 0.0
    assert ("isotherm_feed_age_seconds", "energy_price") not in found


async def test_the_dashboard_asks_for_figures_that_there_are(world: World) -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    asked = {
        name
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in re.findall(r"isotherm_\w+", target["expr"])
    }
    # What a family is called does not hang on whether it has a value at this moment.
    text = inspect.getsource(metrics)
    families = {f"isotherm_{name}" for name in re.findall(r"_(?:gauge|family)\(\s*\"(\w+)\"", text)}
    families |= set(re.findall(r"\"(isotherm_\w+)\"", text))
    told = {name for name, _ in await samples(world)} | families
    told |= {f"{name}_total" for name in families}
    told |= {"isotherm_point_celsius", "isotherm_point_watts"}
    assert len(asked) > 15
    assert asked <= told
