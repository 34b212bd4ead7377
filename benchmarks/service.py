"""The service under load: 50 clients of the live stream, the API, a browser, and the control step.

Simulator, gateway and controller run as processes on campus in shadow mode, on the wall's clock.
The clients are plain sockets in this process, so that the controller's share of a core is its own.
What is compared is taken by turns, so that whatever else the machine does falls on both.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator

import numpy as np

from benchmarks.harness import Bench, BenchmarkError, Measure
from benchmarks.service_run import PATHS, PEER, Run, service

SCOPE = (
    "simulated campus (100 racks), shadow mode, three processes on this machine's wall clock; "
    "50 stream clients on the loopback interface and one Chromium. Share of a core and latency at "
    "real time; control steps at ten times real time, which is ten times the news."
)
CLIENTS = 50
WHILE_S = 20.0
"""How long the processor's time is taken, each time."""
TURNS = 2
REQUESTS = 300
TICKS = 8
"""Control steps with the load, and as many without."""
RATE = 10.0


def measure(bench: Bench) -> Iterator[Measure]:
    """Run the demonstration twice, at two rates."""
    with service(bench, 1.0) as run:
        yield from _shares(bench, run)
        with run.listening(CLIENTS):
            bench.say(f"{REQUESTS} requests, and as many of {PEER}")
            yield from _latencies(*run.latencies_ms(REQUESTS))
            yield from _of_page(bench, run)
    with service(bench, RATE) as run:
        yield from _ticks(bench, run)


def _shares(bench: Bench, run: Run) -> Iterator[Measure]:
    quiet, busy, received = [], [], []
    for turn in range(TURNS):
        bench.say(f"{WHILE_S:.0f} s without clients, as many with {CLIENTS}: {turn + 1}/{TURNS}")
        quiet.append(run.share_of_core(WHILE_S))
        with run.listening(CLIENTS) as clients:
            busy.append(run.share_of_core(WHILE_S))
            received.append(clients.received())
    if min(map(min, received)) == 0:
        raise BenchmarkError("a stream client received nothing: its figures mean nothing")
    yield Measure(
        "core_share_50_clients",
        round(max(0.0, statistics.mean(busy) - statistics.mean(quiet)), 4),
        "core",
        0.05,
        "at_most",
        how=f"processor time of the controller's process with {CLIENTS} stream clients less "
        f"without ({statistics.mean(quiet):.3f}), {TURNS} times {WHILE_S:.0f} s each by turns",
    )
    yield Measure(
        "stream_bytes_a_client",
        round(statistics.mean(map(statistics.mean, received)) / WHILE_S, 1),
        "B/s",
        how="received by a stream client on average while nothing was asked",
    )


def _latencies(found_ms: list[float], peer_ms: list[float]) -> Iterator[Measure]:
    def p95(values: list[float]) -> float:
        return float(np.percentile(values, 95))

    yield Measure(
        "api_p95_ms",
        round(p95(found_ms), 2),
        "ms",
        50.0,
        "at_most",
        how=f"95th percentile of {len(found_ms)} requests one after the other, over "
        f"{', '.join(PATHS)}, with {CLIENTS} stream clients connected; median "
        f"{statistics.median(found_ms):.1f} ms",
    )
    yield Measure(
        "api_p95_peer_ms",
        round(p95(peer_ms), 2),
        "ms",
        how=f"the same of {PEER}, which reads nothing, between those requests: the machine's and "
        f"the web server's part; median {statistics.median(peer_ms):.1f} ms",
    )
    yield Measure(
        "api_peer_ratio",
        round(statistics.median(found_ms) / statistics.median(peer_ms), 2),
        "",
        how=f"medians of the two: what the routes add to {PEER}",
    )


def _of_page(bench: Bench, run: Run) -> Iterator[Measure]:
    try:
        from benchmarks.service_page import page_measures
    except ImportError:
        bench.say("without playwright the page is not measured: pip install playwright")
        return
    bench.say("one Chromium")
    yield from page_measures(run.url, run.log_in, run.raise_alarm)


def _ticks(bench: Bench, run: Run) -> Iterator[Measure]:
    alone: list[float] = []
    loaded: list[float] = []
    took_ms: list[float] = []
    for turn in range(TICKS):
        bench.say(f"control steps without and with {CLIENTS} clients: {turn + 1}/{TICKS}")
        alone.append(run.next_tick_s(RATE))
        with run.listening(CLIENTS), run.asking(took_ms):
            loaded.append(run.next_tick_s(RATE))
    yield Measure(
        "tick_delay_ratio",
        round(statistics.median(loaded) / statistics.median(alone), 3),
        "",
        1.1,
        "at_most",
        how=f"median of {TICKS} control steps with {CLIENTS} stream clients and one that asks the "
        f"API all the time ({statistics.median(loaded):.2f} s) to as many without "
        f"({statistics.median(alone):.2f} s), by turns, at {RATE:g} times real time",
    )
    yield Measure(
        "api_p95_at_ten_times_ms",
        round(float(np.percentile(took_ms, 95)), 2),
        "ms",
        how=f"95th percentile of the {len(took_ms)} requests of that client, control steps within",
    )
