"""Telemetry of 10,000 points every 10 s: its share of a core, a week of trends, bytes a sample."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.harness import Bench, Measure
from controller.storage.ports import TelemetryStore
from facility.telemetry import Quality, Reading, Snapshot

SCOPE = "this machine's disk; every reading changes at every scan, which is the worst case"

POINTS = 10_000
EVERY_S = 10.0
HOUR_S = 3600.0
START_S = 1_712_448_000.0  # 2024-04-07T00:00:00Z
WEEK_POINTS = 100
WEEK_S = 7 * 86_400.0
INGEST_SCANS = 360
"""An hour, which is then compacted."""


def measure(bench: Bench) -> Iterator[Measure]:
    """Both stores, PostgreSQL where Debian's `pg_virtualenv` is there."""
    from controller.storage.telemetry import LocalTelemetry

    shutil.rmtree(bench.work, ignore_errors=True)
    bench.work.mkdir(parents=True)

    def local(name: str) -> TelemetryStore:
        return LocalTelemetry(bench.work / name)

    yield from _measures("local", local, bench, _processor_s)
    if shutil.which("pg_virtualenv") is None:
        bench.say("PostgreSQL is left out: there is no pg_virtualenv")
        return
    with _cluster() as (address, server_s):
        from controller.storage.engines import postgres_engine
        from controller.storage.fleet import FleetTelemetry

        def fleet(name: str) -> TelemetryStore:
            import psycopg

            with psycopg.connect(address, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}")
            return FleetTelemetry(postgres_engine(f"{address.rpartition('/')[0]}/{name}"))

        yield from _measures("postgres", fleet, bench, lambda: _processor_s() + server_s())


def _measures(
    kind: str, make: Callable[[str], TelemetryStore], bench: Bench, processor_s: Callable[[], float]
) -> Iterator[Measure]:
    prefix = "" if kind == "local" else f"{kind}_"
    bench.say(f"{kind}: an hour of {POINTS} points every {EVERY_S:g} s, then its compaction")
    store = make("ingest")
    snapshots = _snapshots(POINTS, INGEST_SCANS)
    spent = 0.0
    for snapshot in snapshots:
        before = processor_s()
        store.append(snapshot)
        spent += processor_s() - before
    before = processor_s()
    store.compact(START_S + HOUR_S)
    compaction = processor_s() - before
    usage = store.usage()
    store.close()
    span_s = INGEST_SCANS * EVERY_S
    yield Measure(
        f"{prefix}ingest_core_share",
        (spent + compaction) / span_s,
        "cores",
        0.10,
        "at_most",
        how=f"processor time of {INGEST_SCANS} scans of {POINTS} points ({spent:.1f} s) and of "
        f"compacting that hour ({compaction:.1f} s), the server's included, over {span_s:g} s",
    )
    yield Measure(
        f"{prefix}bytes_per_sample",
        (usage.bytes - usage.hot_bytes) / usage.readings,
        "bytes",
        how=f"files or tables with indices and five-minute trends, over {usage.readings} readings: "
        "a random walk of 16 bits a point, worse to compress than a plant; without the "
        f"{usage.hot_bytes / 1e6:.0f} MB of the hot segment, whose room is used again",
    )
    bench.say(f"{kind}: a week of {WEEK_POINTS} points")
    store = make("week")
    _fill_week(store)
    tags = _tags(WEEK_POINTS)
    took = []
    for _ in range(3):
        began = time.perf_counter()
        trend = store.trend(tags, START_S, START_S + WEEK_S, 600.0)
        took.append(time.perf_counter() - began)
        assert trend.shape == (1008, 3 * WEEK_POINTS)
        assert trend.notna().all(axis=None)
    stored = store.usage().readings
    store.close()
    yield Measure(
        f"{prefix}read_week_100_trends_s",
        sorted(took)[1],
        "s",
        1.0,
        "at_most",
        how=f"mean, lowest and highest of {WEEK_POINTS} points in 10 minutes over a week, of "
        f"{stored} readings; median of 3",
    )


def _tags(count: int) -> list[str]:
    return [f"rack{n:05d}.case_temperature" for n in range(count)]


def _snapshots(points: int, scans: int) -> Iterator[Snapshot]:
    """Random walks on a grid of 0.01 K, as a register carries them."""
    draw, tags = np.random.default_rng(1), _tags(points)
    values = np.full(points, 4000)
    for scan in range(scans):
        values = values + draw.integers(-20, 21, points)
        values = np.where(values % 2 == scan % 2, values, values + 1)  # no value twice in a row
        at_s = START_S + scan * EVERY_S
        yield Snapshot(
            at_s,
            {
                tag: Reading(value / 100.0, Quality.GOOD, at_s - 0.5)
                for tag, value in zip(tags, values.tolist(), strict=True)
            },
        )


def _fill_week(store: TelemetryStore) -> None:
    """A week of readings every 10 s, put a day at a time."""
    import pyarrow as pa

    from controller.storage.parquet import SCHEMA

    tags, draw = _tags(WEEK_POINTS), np.random.default_rng(2)
    scans = int(86_400 / EVERY_S)
    for day in range(7):
        at_ms = np.int64((START_S + day * 86_400.0) * 1000) + np.arange(scans) * int(EVERY_S * 1000)
        moments = np.tile(at_ms, WEEK_POINTS).astype("datetime64[ms]")
        walks = 40.0 + draw.integers(-20, 21, (WEEK_POINTS, scans)).cumsum(axis=1) / 100.0
        store.put(
            pa.table(
                [
                    np.repeat(tags, scans),
                    moments,
                    moments,
                    walks.ravel(),
                    np.full(scans * WEEK_POINTS, "good"),
                ],
                schema=SCHEMA,
            )
        )
        store.compact(START_S + (day + 1) * 86_400.0)
    store.compact(START_S + WEEK_S + HOUR_S)


def _processor_s() -> float:
    times = os.times()
    return times.user + times.system


@contextmanager
def _cluster() -> Iterator[tuple[str, Callable[[], float]]]:
    """A cluster with durable commits, and the processor time of its processes so far."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "told"
        script = 'printf "%s %s %s %s" "$PGHOST" "$PGPORT" "$PGUSER" "$PGPASSWORD" >"$1"; cat'
        command = ["pg_virtualenv", "-t", "-o", "fsync=on", "sh", "-c", script, "sh", str(told)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
            assert process.stdin is not None
            try:
                while not told.exists() or len(told.read_text().split()) != 4:
                    assert process.poll() is None, "pg_virtualenv gave up"
                    time.sleep(0.05)
                host, port, user, password = told.read_text().split()
                passwords = Path(folder) / "passwords"
                passwords.write_text(f"*:*:*:*:{password}\n")
                passwords.chmod(0o600)
                os.environ["PGPASSFILE"] = str(passwords)
                yield f"postgresql://{user}@{host}:{port}/postgres", _server_clock(int(port))
            finally:
                os.environ.pop("PGPASSFILE", None)
                process.stdin.close()


def _server_clock(port: int) -> Callable[[], float]:
    """Processor time of the server on a port: its main process, those that live and that ended."""
    lines = Path(f"/var/run/postgresql/.s.PGSQL.{port}.lock").read_text().splitlines()
    main, tick = int(lines[0]), os.sysconf("SC_CLK_TCK")

    def spent() -> float:
        total = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            if int(stat.parent.name) == main:
                total += sum(map(int, fields[11:15]))
            elif int(fields[1]) == main:
                total += int(fields[11]) + int(fields[12])
        return total / tick

    return spent
