"""Feeds over HTTP and from files: caches, staleness, garbage; nothing known before its time."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.feeds import FeedError
from adapters.feeds.fetched import FetchedFeed
from adapters.feeds.published import Published, read_published
from controller.estimation.forecasts import Outlook
from controller.feeds import Feeds
from facility.clock import iso
from facility.outside import FeedQuantity, FeedSource
from tests.gateway_kit import small_site

NOW_S = 1_720_000_000.0
HOUR_S = 3600.0


class Source:
    """A small HTTP server that does what a test says."""

    def __init__(self) -> None:
        self.answer: Callable[[BaseHTTPRequestHandler], None] = lambda handler: None
        self.asked: list[dict[str, str]] = []
        source = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                source.asked.append(dict(self.headers))
                source.answer(self)

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/prices"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def source() -> Iterator[Source]:
    source = Source()
    yield source
    source.close()


def sends(body: str, status: int = 200, **headers: str) -> Callable[[Any], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.headers.get("If-None-Match") == headers.get("ETag", "none"):
            handler.send_response(304)
            handler.end_headers()
            return
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body.encode())))
        handler.end_headers()
        handler.wfile.write(body.encode())

    return answer


def prices(*values: float, start_s: float = NOW_S) -> str:
    rows = [{"time": iso(start_s + i * HOUR_S), "value": v} for i, v in enumerate(values)]
    return json.dumps({"prices": rows})


def feed_of(url: str, keep: Path | None = None, **changes: Any) -> FetchedFeed:
    source = FeedSource(FeedQuantity.ENERGY_PRICE, url, "time", "value", factor=1e-3,
                        minimum=-100.0, maximum=100.0)  # fmt: skip
    return FetchedFeed(replace(source, **changes), Path(), keep)


async def refresh(feed: FetchedFeed, now_s: float, timeout_s: float = 5.0) -> None:
    async with httpx.AsyncClient(timeout=timeout_s) as client:
        await feed.refresh(client, now_s)


AHEAD = [NOW_S + 0.5 * HOUR_S, NOW_S + 1.5 * HOUR_S]


async def test_an_answer_is_used_and_asked_for_again_by_its_etag(source: Source) -> None:
    source.answer = sends(prices(80.0, 120.0, 60.0), ETag='"one"')
    feed = feed_of(source.url)
    assert feed.known(AHEAD, NOW_S) is None
    await refresh(feed, NOW_S)
    assert feed.known(AHEAD, NOW_S) == pytest.approx((0.08, 0.12))
    await refresh(feed, NOW_S + 10.0)
    assert len(source.asked) == 1, "it is asked again only when it is time to"
    await refresh(feed, NOW_S + 1000.0)
    assert source.asked[1]["If-None-Match"] == '"one"'
    assert feed.status(NOW_S + 1000.0).age_s == 0.0
    assert feed.known(AHEAD, NOW_S + 1000.0) == pytest.approx((0.08, 0.12))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (sends("busy", 500), "it answers 500"),
        (sends("<html>log in</html>"), "neither JSON nor CSV"),
        (sends("[1, 2]"), "must hold objects"),
        (sends(prices(80.0, 9e9, 1.0)), "is the factor right?"),
        (sends(prices(80.0)), "at least two times"),
        (sends('{"prices": [{"time": "soon", "value": 1}]}'), "neither a date nor"),
        (sends('{"prices": [{"time": 1, "value": NaN}]}'), "is not a number"),
        (sends('{"prices": [{"zeit": 1, "value": 1}]}'), "there is no field 'time'"),
        (lambda handler: handler.connection.close(), ""),
    ],
)
async def test_an_answer_that_cannot_be_used_changes_nothing(
    source: Source, answer: Callable[[Any], None], said: str
) -> None:
    source.answer = sends(prices(80.0, 120.0, 60.0))
    feed = feed_of(source.url)
    await refresh(feed, NOW_S)
    source.answer = answer
    await refresh(feed, NOW_S + 900.0)
    status = feed.status(NOW_S + 900.0)
    assert said in status.error
    assert (status.failures, status.fresh) == (1, True)
    assert feed.known(AHEAD, NOW_S + 900.0) == pytest.approx((0.08, 0.12))


async def test_a_slow_source_costs_its_time_out_and_nothing_else(source: Source) -> None:
    release = threading.Event()

    def wait(handler: BaseHTTPRequestHandler) -> None:
        release.wait(20.0)

    source.answer = wait
    feed = feed_of(source.url)
    await asyncio.wait_for(refresh(feed, NOW_S, timeout_s=0.2), 10.0)
    release.set()
    assert feed.status(NOW_S).failures == 1
    assert feed.known(AHEAD, NOW_S) is None


async def test_a_stale_answer_gives_way_to_the_last_value_and_that_to_nothing(
    source: Source,
) -> None:
    source.answer = sends(prices(*[80.0 + i for i in range(48)]))
    feed = feed_of(source.url, stale_s=2 * HOUR_S, hold_s=6 * HOUR_S)
    await refresh(feed, NOW_S)
    source.answer = sends("", 503)
    for hours, expected in ((1.0, (0.081, 0.082)), (2.0, (0.082, 0.083)), (2.5, (0.082, 0.082)),
                            (7.9, (0.082, 0.082)), (8.1, None)):  # fmt: skip
        now_s = NOW_S + hours * HOUR_S
        await refresh(feed, now_s)
        found = feed.known([now_s, now_s + HOUR_S], now_s)
        assert found == (None if expected is None else pytest.approx(expected)), hours


async def test_an_answer_outlives_a_restart(source: Source, tmp_path: Path) -> None:
    source.answer = sends(prices(80.0, 120.0, 60.0))
    await refresh(feed_of(source.url, tmp_path), NOW_S)
    again = feed_of(source.url, tmp_path)
    again.resume()
    assert again.known(AHEAD, NOW_S + 60.0) == pytest.approx((0.08, 0.12))
    assert again.known(AHEAD, NOW_S - 60.0) is None, "it was not known before it was fetched"
    other = feed_of(source.url + "/other", tmp_path)
    other.resume()
    assert other.known(AHEAD, NOW_S + 60.0) is None
    (tmp_path / "energy_price.json").write_text("{")
    again = feed_of(source.url, tmp_path)
    again.resume()
    assert again.known(AHEAD, NOW_S + 60.0) is None


async def test_a_token_comes_from_the_environment(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.answer = sends(prices(80.0, 120.0))
    feed = feed_of(source.url, token_variable="A_FEED_TOKEN")
    await refresh(feed, NOW_S)
    assert "A_FEED_TOKEN with its token is not set" in feed.status(NOW_S).error
    monkeypatch.setenv("A_FEED_TOKEN", "secret")
    await refresh(feed, NOW_S + HOUR_S)
    assert source.asked[-1]["Authorization"] == "Bearer secret"


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 20), st.integers(0, 20), st.floats(0.0, 1.0)),
        min_size=1, max_size=40,
    ),
    now=st.integers(0, 20),
    times=st.lists(st.integers(0, 20), min_size=1, max_size=4),
)  # fmt: skip
def test_what_is_issued_later_never_shows(
    rows: list[tuple[int, int, float]], now: int, times: list[int]
) -> None:
    """The answer is the one that a source would give that had only seen what was issued."""

    def published(kept: list[tuple[int, int, float]]) -> Published:
        ordered = sorted(kept)
        columns = list(zip(*ordered, strict=True)) if ordered else [(), (), ()]
        times_s, issued_s, values = (tuple(float(v) for v in column) for column in columns)
        return Published(times_s, issued_s, values, 1.0)

    asked = [float(time) for time in sorted(times)]
    seen = [row for row in rows if row[1] <= now]
    assert published(rows).known(asked, float(now)) == published(seen).known(asked, float(now))


def test_a_file_with_issues_is_a_history_that_can_be_replayed() -> None:
    text = (
        "time,issued,value\n"
        "2024-07-04T12:00Z,2024-07-04T06:00Z,20\n2024-07-04T12:00Z,2024-07-04T11:00Z,25\n"
        "2024-07-04T13:00Z,2024-07-04T06:00Z,21\n"
    )
    source = FeedSource(FeedQuantity.DRY_BULB, "f.csv", "time", "value", issued_field="issued")
    found = read_published(text, source, fetched_s=None, where="f.csv")
    noon = 1_720_094_400.0
    assert found.known([noon], noon - 7 * HOUR_S) is None
    assert found.known([noon], noon - 2 * HOUR_S) == (20.0,)
    assert found.known([noon], noon) == (25.0,)
    with pytest.raises(FeedError, match="there is no field 'issued'"):
        read_published("time,value\n1,2\n", source, fetched_s=None, where="f.csv")


class Own:
    """The controller's own forecast: 10 kW a rack, 15 °C."""

    def __init__(self, racks: int) -> None:
        self.racks = racks

    def outlook(self, frame: pd.DataFrame, start_s: float, step_s: float, steps: int) -> Outlook:
        return Outlook(np.full((steps, self.racks), 10.0), np.full(steps, 12.0),
                       np.full(steps, 15.0))  # fmt: skip


async def test_the_controller_takes_price_weather_and_load_from_feeds(tmp_path: Path) -> None:
    rows = [f"{NOW_S + i * 300.0:.0f},{v}" for i, v in enumerate([30.0, 31.0, 32.0, 33.0])]
    (tmp_path / "f.csv").write_text("time,value\n" + "\n".join(rows) + "\n")
    halls = {"hall": "hall-1"}
    quantities = (FeedQuantity.ENERGY_PRICE, FeedQuantity.DRY_BULB, FeedQuantity.IT_LOAD)
    sources = [
        FeedSource(q, "f.csv", "time", "value", **(halls if q is FeedQuantity.IT_LOAD else {}))  # type: ignore[arg-type] # fields by name
        for q in quantities
    ]
    site = replace(small_site(), feeds=tuple(sources))
    feeds = Feeds(site, tmp_path, tmp_path / "kept", lambda: NOW_S)
    async with httpx.AsyncClient() as client:
        await feeds.refresh(client)
    own = Own(len(site.racks))
    found = feeds.forecaster(own).outlook(pd.DataFrame(), NOW_S, 300.0, 3)
    assert found.dry_bulb_c.tolist() == [30.0, 31.0, 32.0]
    assert found.wet_bulb_c.tolist() == [12.0] * 3, "no feed knows it: the own forecast stands"
    assert found.it_power_kw.sum(axis=1).tolist() == pytest.approx([30.0, 31.0, 32.0])
    assert feeds.prices is not None
    assert feeds.prices.energy_per_kwh([NOW_S, NOW_S + 300.0]) == (30.0, 31.0)
    assert feeds.prices.carbon_g_per_kwh([NOW_S]) is None
    assert [status.error for status in feeds.status()] == ["", "", ""]
    bare = Feeds(small_site(), tmp_path, tmp_path, lambda: NOW_S)
    assert bare.prices is None
    assert bare.forecaster(own) is own
