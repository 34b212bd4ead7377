"""Faults of the gateway's process: it dies at each step of a write, stops, hangs or fails."""

from __future__ import annotations

import contextlib
import signal

from adapters.gateway.client import GatewayError
from safety.journal import read, verify
from tests.gateway_bench import ALL, FLOW, SUPPLY, Bench
from tests.gateway_faults import fault

DYING = "The gateway dies (kill -9) in the middle of a write"
ENDING = "The gateway stops, hangs or fails"
WATCHDOGS = "every device's own watchdog takes it back; the next gateway starts on whole records"


async def recovers(bench: Bench) -> None:
    """The journal can be gone on with, and the next gateway is silent until it is asked."""
    await bench.seconds(30)
    assert bench.remote == frozenset()
    before = len(bench.record())
    bench.link = None
    await bench.start()
    assert verify(bench.journal) is None
    assert (await bench.status())["armed"] == []
    assert len(bench.record()) == before
    receipts = await bench.move({SUPPLY: 30.5})
    assert receipts[0].result.value == "written", receipts
    assert bench.remote == frozenset({"cdu-1"})
    await bench.person("release", actuators=None, who="Ada", why="the end")


def _dies(step: str, words: str) -> None:
    quick = step in ("half a line in the journal", "when the bytes have left")

    @fault(DYING, words, WATCHDOGS, back=ALL, flaw=step, slow=not quick)
    async def run(bench: Bench) -> None:
        bench.strike()
        bench.pull()
        with contextlib.suppress(GatewayError):
            await bench.move({SUPPLY: 30.0, FLOW: 41.0})
            await bench.seconds(3)
        assert await bench.gone() == -signal.SIGKILL
        await recovers(bench)


for _step, _words in (
    ("before the permit", "before the permit is issued"),
    ("before the journal", "with the permit, before the journal"),
    ("half a line in the journal", "with half a line in the journal"),
    ("before the permit is redeemed", "in the journal, before the permit is redeemed"),
    ("before the bytes leave", "permit redeemed, before a byte leaves"),
    ("when the bytes have left", "when the bytes have left, before the reply"),
    ("before the read-back", "confirmed, before the read-back"),
    ("before the receipt is written down", "read back, before the receipt is written down"),
    ("while the envelope's memory is replaced", "while the envelope's memory is replaced on disk"),
):
    _dies(_step, _words)


def _dies_arming(step: str, words: str) -> None:
    @fault(
        DYING, words, "no device is ours but by its own watchdog's leave", flaw=step,
        begins="settled",
    )  # fmt: skip
    async def run(bench: Bench) -> None:
        bench.strike()
        bench.pull()
        with contextlib.suppress(GatewayError):
            await bench.move({SUPPLY: 31.0})
        assert await bench.gone() == -signal.SIGKILL
        await bench.seconds(5)
        assert bench.remote == frozenset()
        await recovers(bench)


for _step, _words in (
    ("arming: before the preload", "while arming, before the preload"),
    ("arming: after the preload", "while arming, after the preload"),
    ("arming: between heartbeat and enable", "while arming, between heartbeat and enable"),
    ("arming: between enable and confirmation", "while arming, between enable and confirmation"),
):
    _dies_arming(_step, _words)


@fault(
    DYING, "while giving back, before the release is sent", WATCHDOGS, back=ALL,
    flaw="releasing: before the release is sent",
)  # fmt: skip
async def _dies_releasing(bench: Bench) -> None:
    bench.strike()
    bench.pull()
    with contextlib.suppress(GatewayError):
        await bench.person("release", actuators=None, who="Ada", why="noise")
    assert await bench.gone() == -signal.SIGKILL
    await recovers(bench)


@fault(DYING, "between two writes, everything held", WATCHDOGS, back=ALL)
async def _dies_idle(bench: Bench) -> None:
    bench.strike()
    bench.signal(signal.SIGKILL)
    await bench.gone()
    await recovers(bench)


# -- stops, hangs, fails ------------------------------------------------------------------------


@fault(ENDING, "SIGTERM", "everything is given back before it ends; status 0", back=ALL)
async def _sigterm(bench: Bench) -> None:
    bench.strike()
    bench.signal(signal.SIGTERM)
    assert await bench.gone() == 0
    await bench.seconds(1)
    kinds = [record.kind for record in read(bench.journal)]
    assert kinds[-2:] == ["release", "stopped"]


@fault(
    ENDING, "its process is stopped (SIGSTOP): sockets open, nothing done",
    "the devices' own watchdogs take them back; when it goes on, it yields and latches", back=ALL,
)  # fmt: skip
async def _sigstop(bench: Bench) -> None:
    bench.strike()
    bench.signal(signal.SIGSTOP)
    bench.frozen, bench.alive = True, False
    await bench.seconds(25)
    assert bench.remote == frozenset()
    bench.signal(signal.SIGCONT)
    bench.frozen = False
    await bench.seconds(10)
    assert bench.remote == frozenset()
    assert (await bench.status())["armed"] == []


@fault(
    ENDING, "a fault of its own in its loop", "everything is given back before it ends; status 1",
    back=ALL, flaw="a fault in the loop",
)  # fmt: skip
async def _own_fault(bench: Bench) -> None:
    bench.strike()
    bench.pull()
    await bench.seconds(2)
    assert await bench.gone() == 1


@fault(
    ENDING, "a fault of its own in a command", "everything is given back before it ends; status 1",
    back=ALL, flaw="a fault in a command",
)  # fmt: skip
async def _own_fault_in_command(bench: Bench) -> None:
    bench.strike()
    bench.pull()
    before = len(bench.record())
    assert "the gateway stops: RuntimeError" in await bench.ask({SUPPLY: 30.0})
    assert await bench.gone() == 1
    await bench.seconds(1)
    assert {row["kind"] for row in bench.record()[before:]} == {"release"}


@fault(
    ENDING, "a fault of its own while it gives back", "the releases have left by then; status 1",
    back=ALL, flaw="a fault in the hand-back itself",
)  # fmt: skip
async def _own_fault_in_release(bench: Bench) -> None:
    bench.strike()
    bench.pull()
    bench.signal(signal.SIGTERM)
    await bench.gone()
    await bench.seconds(1)


@fault(
    ENDING, "a second gateway is started on the same state folder",
    "it does not start, and says that one runs; the first goes on",
)  # fmt: skip
async def _two_gateways(bench: Bench) -> None:
    bench.strike()
    first = bench.process
    bench.process = None
    reins = bench.reins
    await bench.start(connects=False)
    assert bench.process.exitcode == 2
    assert "another gateway is running on" in bench.log.read_text()
    bench.process, bench.reins = first, reins
    await bench.seconds(10)
    assert bench.remote == ALL


# -- the controller -----------------------------------------------------------------------------
