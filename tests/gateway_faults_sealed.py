"""Faults of an OPC UA device that signs and encrypts (Basic256Sha256): bms once more."""

from __future__ import annotations

from tests.gateway_bench import AIR, ALL, Bench
from tests.gateway_faults import fault
from tests.gateway_faults_opcua import GARBAGE, ONE, WAITS, others_hold
from tests.gateway_proxy import pass_on, swallow
from tests.gateway_stage import STRANGER

SEALED = "An OPC UA device that signs and encrypts"


def tampered(frame: bytes) -> bytes:
    """A frame with one bit of its last encrypted byte turned."""
    return frame[:-1] + bytes([frame[-1] ^ 1])


@fault(
    SEALED, "the connection is cut once", "a new channel in the next second, looked at, and held",
    sealed=True,
)  # fmt: skip
async def _cut(bench: Bench) -> None:
    bench.strike()
    bench.proxies[ONE].cut()
    await bench.seconds(8)
    assert bench.remote == ALL
    assert (await bench.ask({AIR: 19.0})).startswith("written")


@fault(SEALED, "silence: no reply comes back", WAITS, back=ONE, hurried=ONE, sealed=True)
async def _silence(bench: Bench) -> None:
    bench.strike()
    bench.proxies[ONE].reply = swallow
    await bench.seconds(25)
    await others_hold(bench)


@fault(SEALED, "garbage in place of replies", WAITS, back=ONE, hurried=ONE, sealed=True)
async def _garbage(bench: Bench) -> None:
    bench.strike()
    bench.proxies[ONE].reply = lambda _: [GARBAGE]
    await bench.seconds(25)
    await others_hold(bench)


@fault(
    SEALED, "one bit of every reply is turned on the way", WAITS, back=ONE, hurried=ONE, sealed=True
)  # fmt: skip
async def _tampered(bench: Bench) -> None:
    bench.strike()
    bench.proxies[ONE].reply = lambda frame: [tampered(frame)]
    await bench.seconds(25)
    await others_hold(bench)


@fault(
    SEALED, "one bit of every request is turned on the way",
    "nothing is written; " + WAITS, back=ONE, hurried=ONE, sealed=True,
)  # fmt: skip
async def _tampered_requests(bench: Bench) -> None:
    bench.strike()
    bench.proxies[ONE].request = lambda frame: [tampered(frame)]
    told = len(bench.record())
    assert "failed" in await bench.ask({AIR: 19.0})
    await bench.seconds(25)
    ours = [row for row in bench.record()[told:] if row["device"] == ONE]
    assert ours == []
    await others_hold(bench)


@fault(
    SEALED, "a recorded write is sent once more by somebody on the way",
    "the device takes no message twice and ends the connection: a new channel, and held",
    sealed=True,
)  # fmt: skip
async def _replayed(bench: Bench) -> None:
    recorded: list[bytes] = []

    def record(frame: bytes) -> list[bytes]:
        recorded.append(frame)
        return [frame]

    def replay(frame: bytes) -> list[bytes]:
        bench.proxies[ONE].request = pass_on
        return [*recorded, frame]

    bench.strike()
    bench.proxies[ONE].request = record
    assert (await bench.ask({AIR: 19.0})).startswith("written")
    written = [row for row in bench.record() if row["tag"] == AIR]
    bench.proxies[ONE].request = replay
    await bench.seconds(8)
    assert [row for row in bench.record() if row["tag"] == AIR] == written
    assert bench.remote == ALL


@fault(
    SEALED, "another device answers at its address, with a certificate that nobody trusts",
    "not spoken to; " + WAITS, back=ONE, sealed=True,
)  # fmt: skip
async def _stranger(bench: Bench) -> None:
    bench.strike()
    bench.proxies[ONE].target = bench.sealed_ports[STRANGER]
    bench.proxies[ONE].cut()
    await bench.seconds(25)
    await others_hold(bench)
    assert "Untrusted" in bench.log.read_text()
