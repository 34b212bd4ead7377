"""An hour of scans, restarts and hangs over four protocols: memory, sockets and tasks stay flat."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.driver_peers import running
from tests.mixed_field import PEERS, World, world_of
from tests.peer_programs import Program

SECONDS = int(os.environ.get("ISOTHERM_SOAK_S", "3600"))
EVERY_S = 60
"""Wall time between two faults: each peer in turn ends, then hangs."""
TOLD_MINUTES = (10, 30, 60)
Mark = tuple[float, int, int]
"""MiB resident, open files, tasks."""


def told(mark: Mark) -> str:
    return "{:.1f} MiB, {} files, {} tasks".format(*mark)


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def second(world: World, began: float, number: int) -> None:
    """One second of plant and wall time."""
    await asyncio.sleep(max(0.0, began + number - time.monotonic()))
    await world.seconds(1)


@pytest.mark.soak
async def test_an_hour_of_scans_and_faults_leaves_nothing_behind(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        benches = {n: await stack.enter_async_context(running(n, tmp_path)) for n in PEERS}
        world = world_of(benches, PEERS)
        began, marks = time.monotonic(), list[Mark]()
        for number in range(1, SECONDS + 1):
            await second(world, began, number)
            turn, phase = divmod(number, EVERY_S)
            peer = benches[PEERS[turn % len(PEERS)]].peer
            assert isinstance(peer, Program)
            ends = turn // len(PEERS) % 2 == 0
            if phase == 10:
                await peer.stop() if ends else peer.freeze()
            elif phase == 20:
                await peer.start() if ends else peer.thaw()
            elif phase == EVERY_S - 1:
                assert all(world.flowing(name) for name in PEERS), world.house.core.links
                gc.collect()
                marks.append((resident_mib(), open_files(), len(asyncio.all_tasks())))
                if (turn + 1) in TOLD_MINUTES:
                    print(f"after {turn + 1} min: {told(marks[-1])}", flush=True)
        await world.house.close()
    # The first eight faults, one of each kind, fill caches; from then on nothing grows.
    settled, last = marks[min(8, len(marks) // 2)], marks[-1]
    print(f"settled: {told(settled)}; after {SECONDS} s: {told(last)}", flush=True)
    assert last[0] - settled[0] < 8.0
    assert last[1] <= settled[1] + 2
    assert last[2] <= settled[2] + 4
