"""A demonstration that a benchmark asks as its clients do: three processes, streams, the API."""

from __future__ import annotations

import json
import os
import selectors
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from benchmarks.harness import Bench, BenchmarkError

HOURS = 2.0
READY_WITHIN_S = 180.0
PASSWORD = "fifty clients and a browser"  # noqa: S105 - of a run that ends with this benchmark
PATHS = ("/status", "/proposals", "/overrides", "/alarms", "/telemetry/latest", "/audit", "/site")
PEER = "/health"
"""The least that a route can do: how long it takes is the machine's part of a latency."""
APART_S = 0.03
"""Between two requests: a pace that no rate limit minds."""


class Run:
    """A demonstration that runs, as its clients see it."""

    def __init__(self, url: str, state: Path, running: Any, plant_less_wall_s: float) -> None:
        self.url, self._running = url, running
        self._plant_less_wall_s = plant_less_wall_s
        self._pid = running.controller.process.pid
        self._token = (state / "admin.token").read_text(encoding="utf-8").strip()
        self._first = (state / "first-login").read_text(encoding="utf-8").split()
        self._api = httpx.Client(
            base_url=f"{url}/v1", headers={"Authorization": f"Bearer {self._token}"}, timeout=120.0
        )
        self._cookie: tuple[str, str] | None = None

    def share_of_core(self, lasts_s: float) -> float:
        """Processor time of the controller's own process in a while, as a share of it."""
        before_s, began_s = _processor_s(self._pid), time.monotonic()
        time.sleep(lasts_s)
        return (_processor_s(self._pid) - before_s) / (time.monotonic() - began_s)

    def latencies_ms(self, count: int) -> tuple[list[float], list[float]]:
        """How long requests take one after the other: of `PATHS` in turn, and of `PEER` between."""
        for path in PATHS:
            self._ask(path)
        found, peer = [], []
        for i in range(count):
            found.append(self._ask(PATHS[i % len(PATHS)]))
            time.sleep(APART_S)
            peer.append(self._ask(PEER))
            time.sleep(APART_S)
        return found, peer

    def _ask(self, path: str, client: httpx.Client | None = None) -> float:
        began_s = time.perf_counter()
        (client or self._api).get(path).raise_for_status()
        return 1000.0 * (time.perf_counter() - began_s)

    def next_tick_s(self, rate: float) -> float:
        """The length of the next control step that plans, by its record."""
        seen = {item["id"] for item in self.ticks()}
        deadline_s = time.monotonic() + 60.0 + 4.0 * 300.0 / rate
        while time.monotonic() < deadline_s:
            time.sleep(0.5)
            for item in self.ticks():
                if item["id"] in seen:
                    continue
                seen.add(item["id"])
                tick = self._api.get(f"/ticks/{item['id']}").json()
                if tick["outcome"] is not None:
                    return float(sum(tick["seconds"].values()))
        raise BenchmarkError("the controller makes no control steps")

    def ticks(self) -> list[dict[str, Any]]:
        """The last control steps, in short."""
        return list(self._api.get("/ticks", params={"limit": 5}).json()["items"])

    @contextmanager
    def listening(self, count: int) -> Iterator[Listeners]:
        """So many stream clients."""
        listeners = Listeners(self.url, self._token, count)
        try:
            yield listeners
        finally:
            listeners.close()

    @contextmanager
    def asking(self, took_ms: list[float]) -> Iterator[None]:
        """One client that asks the API all the time; how long it took goes into ``took_ms``."""
        stop = threading.Event()

        def ask() -> None:
            base, headers = f"{self.url}/v1", self._api.headers
            with httpx.Client(base_url=base, headers=headers, timeout=120.0) as client:
                i = 0
                while not stop.wait(0.1):
                    took_ms.append(self._ask(PATHS[i % len(PATHS)], client))
                    i += 1

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def log_in(self, page: Any) -> None:
        """Give a browser's page a session."""
        if self._cookie is None:
            self._cookie = self._opened()
        name, value = self._cookie
        page.context.add_cookies([{"name": name, "value": value, "url": self.url}])

    def _opened(self) -> tuple[str, str]:
        name, once = self._first
        with httpx.Client(base_url=f"{self.url}/v1") as client:
            made = client.post("/sessions", json={"name": name, "password": once})
            made.raise_for_status()
            new = {"old": once, "new": PASSWORD}
            csrf = {"X-CSRF-Token": made.json()["csrf"]}
            client.put("/sessions/current/password", json=new, headers=csrf).raise_for_status()
            (found,) = client.cookies.jar
            return found.name, str(found.value)

    def raise_alarm(self) -> float:
        """End the gateway, whose silence is an alarm; answer when it was raised, by the wall."""
        self._running.gateway.process.terminate()
        for _ in range(600):
            time.sleep(0.05)
            items = self._api.get("/alarms", params={"state": "active"}).json()["items"]
            if found := [i for i in items if i["body"]["condition"] == "gateway"]:
                return float(found[0]["time_s"]) - self._plant_less_wall_s
        raise BenchmarkError("the controller raises no alarm although its gateway is gone")


class Listeners:
    """Stream clients on plain sockets, read by one thread."""

    def __init__(self, url: str, token: str, count: int) -> None:
        parts = urlsplit(url)
        self._selector = selectors.DefaultSelector()
        self._bytes = [0] * count
        self._stop = threading.Event()
        lines = (
            "GET /v1/stream HTTP/1.1",
            f"Host: {parts.netloc}",
            f"Authorization: Bearer {token}",
        )
        head = "\r\n".join([*lines, "", ""])
        self._sockets = []
        for i in range(count):
            client = socket.create_connection((parts.hostname, parts.port or 80))
            client.sendall(head.encode())
            client.setblocking(False)
            self._selector.register(client, selectors.EVENT_READ, i)
            self._sockets.append(client)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        while not self._stop.is_set():
            for key, _ in self._selector.select(timeout=0.2):
                data = key.fileobj.recv(1 << 16)  # type: ignore[union-attr]  # a socket
                if not data:
                    self._selector.unregister(key.fileobj)
                self._bytes[key.data] += len(data)

    def received(self) -> list[int]:
        """Bytes by client so far."""
        return list(self._bytes)

    def close(self) -> None:
        """Hang up."""
        self._stop.set()
        self._thread.join()
        for client in self._sockets:
            client.close()
        self._selector.close()


@contextmanager
def service(bench: Bench, rate: float) -> Iterator[Run]:
    """The demonstration's processes, with their baselines done and a first plan made."""
    from controller.demo.options import DemoOptions
    from controller.demo.orchestrate import prepare, started
    from facility.commands import Mode

    with tempfile.TemporaryDirectory(prefix="isotherm-bench-") as folder:
        options = DemoOptions(
            site="campus",
            hours=HOURS,
            start="",
            mode=Mode.SHADOW,
            out=Path(folder) / "run",
            load=None,
            weather=None,
            rate=rate,
            pace=None,
            seed=1,
            port=0,
            model=None,
        )
        bench.say(f"campus at {rate:g} times real time")
        run_folder, model = prepare(options, lambda _stage, _share: None)
        with started(options, run_folder, model) as running:
            ready = json.loads((run_folder.simulator / "ready.json").read_text(encoding="utf-8"))
            clock = ready["clock"]
            plant_s = clock["start_s"] + rate * (time.monotonic() - clock["start_monotonic_s"])
            await_((run_folder.controller / "serve.json").is_file, "the controller")
            run = Run(running.address, run_folder.controller, running, plant_s - time.time())
            for child in running.baselines:  # nobody asks what they would have used
                child.process.terminate()
            await_(lambda: bool(run.ticks()), "a first control step")
            yield run


def await_(done: Callable[[], bool], what: str) -> None:
    """Wait for something that comes soon."""
    deadline_s = time.monotonic() + READY_WITHIN_S
    while not done():
        if time.monotonic() > deadline_s:
            raise BenchmarkError(f"{what} did not come within {READY_WITHIN_S:.0f} s")
        time.sleep(0.2)


def _processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
