"""Faults of a Modbus device and of the wire to it: always cdu-1, while the others go on."""

from __future__ import annotations

import struct
from collections.abc import Callable

from tests.gateway_bench import ALL, FLOW, OTHER, SUPPLY, Bench
from tests.gateway_faults import fault
from tests.gateway_proxy import Frame, swallow

WIRE = "The wire to a Modbus device"
REPLIES = "Wrong replies of a Modbus device"
LOST = "given back by its own watchdog, latched; the others go on"
ONE = "cdu-1"
SETTLED_S = 40
"""By then a read-back that is not ours is somebody else's, with the bench's patient time-outs."""
READS, WRITES = (1, 2, 3, 4), (5, 6, 16)


def function(frame: bytes) -> int:
    """The function code of a frame, without the bit of an exception."""
    return frame[7] & 0x7F


def only(functions: tuple[int, ...], make: Frame) -> Frame:
    """``make`` for some functions, the rest as it is."""
    return lambda frame: make(frame) if function(frame) in functions else [frame]


def once(make: Frame) -> Frame:
    """``make`` for the first frame alone."""
    left = [1]

    def first(frame: bytes) -> list[bytes]:
        if left:
            left.clear()
            return make(frame)
        return [frame]

    return first


def exception(code: int) -> Frame:
    """A refusal in place of the reply."""
    return lambda f: [f[:4] + struct.pack(">H", 3) + f[6:7] + bytes((f[7] | 0x80, code))]


def sized(pdu: Callable[[bytes], bytes]) -> Frame:
    """A reply with another PDU and a length that fits it."""

    def make(frame: bytes) -> list[bytes]:
        other = pdu(frame[7:])
        return [frame[:4] + struct.pack(">H", len(other) + 1) + frame[6:7] + other]

    return make


async def others_hold(bench: Bench) -> None:
    """The fault stays its device's own."""
    assert bench.remote == ALL - {ONE}
    assert (await bench.ask({OTHER: 30.5})).startswith("written")
    status = await bench.status()
    assert list(status["latches"]) == [ONE]
    assert (await bench.ask({SUPPLY: 30.5})).startswith("refused latched")


# -- the wire -----------------------------------------------------------------------------------


@fault(WIRE, "silence: requests arrive, no reply comes back", LOST, back=ONE, hurried=ONE)
async def _silence(bench: Bench) -> None:
    bench.strike()
    bench.proxies[ONE].reply = swallow
    await bench.seconds(12)
    await others_hold(bench)


@fault(WIRE, "silence: no request arrives", LOST, back=ONE, hurried=ONE)
async def _no_requests(bench: Bench) -> None:
    bench.strike()
    bench.proxies[ONE].request = swallow
    await bench.seconds(12)
    await others_hold(bench)


@fault(WIRE, "writes are swallowed, reads are answered",
       "two heartbeats fail: given back by its own watchdog, latched; the others go on",
       back=ONE, hurried=ONE)  # fmt: skip
async def _writes_swallowed(bench: Bench) -> None:
    bench.strike()
    bench.proxies[ONE].request = only(WRITES, swallow)
    await bench.seconds(12)
    await others_hold(bench)


@fault(
    WIRE, "reads are swallowed, heartbeats are answered",
    "not connected any more for want of readings: given back, latched; the others go on",
    back=ONE, hurried=ONE, within={"liquid": 10.0},
)  # fmt: skip
async def _reads_swallowed(bench: Bench) -> None:
    bench.strike()
    bench.proxies[ONE].request = only(READS, swallow)
    await bench.seconds(20)
    await others_hold(bench)


@fault(WIRE, "every reply comes 50 ms late", "held")
async def _slow(bench: Bench) -> None:
    bench.strike()
    bench.proxies[ONE].delay_s = 0.05
    await bench.seconds(6)
    assert (await bench.ask({SUPPLY: 30.5})).startswith("written")
    assert bench.remote == ALL


@fault(WIRE, "every reply comes after its time-out", LOST, back=ONE, hurried=ONE)
async def _too_slow(bench: Bench) -> None:
    bench.strike()
    bench.proxies[ONE].delay_s = 0.6
    await bench.seconds(8)
    await others_hold(bench)


@fault(
    WIRE, "the connection is cut once", "connected again in the next second, looked at, and held"
)
async def _cut_once(bench: Bench) -> None:
    bench.strike()
    bench.proxies[ONE].cut()
    await bench.seconds(12)
    assert bench.remote == ALL
    assert (await bench.ask({SUPPLY: 30.5})).startswith("written")


@fault(
    WIRE, "the connection is cut in the middle of a command",
    "the write fails, and is not sent on the new connection; the device is given back, latched",
    back=ONE,
)  # fmt: skip
async def _cut_in_command(bench: Bench) -> None:
    bench.strike()
    proxy = bench.proxies[ONE]

    def cut(frame: bytes) -> list[bytes]:
        proxy.cut()
        return []

    proxy.request = once(only((6, 16), cut))
    before = len([r for r in bench.record() if r["tag"] == SUPPLY])
    assert "failed" in await bench.ask({SUPPLY: 30.0})
    await bench.seconds(12)
    assert len([r for r in bench.record() if r["tag"] == SUPPLY]) == before
    await others_hold(bench)


@fault(WIRE, "the connection is cut and refused from then on", LOST, back=ONE)
async def _refused(bench: Bench) -> None:
    bench.strike()
    await bench.proxies[ONE].close()
    await bench.seconds(12)
    await others_hold(bench)


@fault(WIRE, "connections are taken and never answered", LOST, back=ONE, hurried=ONE)
async def _half_open(bench: Bench) -> None:
    bench.strike()
    bench.proxies[ONE].accepts = False
    bench.proxies[ONE].cut()
    await bench.seconds(12)
    await others_hold(bench)


@fault(
    WIRE, "away for a minute, then back",
    "given back by its watchdog; when it is back nothing is written until it is armed anew",
    back=ONE,
)  # fmt: skip
async def _away(bench: Bench) -> None:
    bench.strike()
    await bench.proxies[ONE].close()
    await bench.seconds(60)
    before = len([r for r in bench.record() if r["device"] == ONE])
    await bench.proxies[ONE].open()
    await bench.seconds(20)
    assert (await bench.status())["devices"][ONE]["connected"]
    assert len([r for r in bench.record() if r["device"] == ONE]) == before
    await others_hold(bench)


# -- replies ------------------------------------------------------------------------------------


def _garbled(what: str, make: Frame, outcome: str = LOST) -> None:
    @fault(REPLIES, f"{what}, always", outcome, back=ONE, hurried=ONE)
    async def always(bench: Bench) -> None:
        bench.strike()
        bench.proxies[ONE].reply = make
        await bench.seconds(12)
        await others_hold(bench)

    @fault(REPLIES, f"{what}, once", "connected again, looked at, and held", hurried=ONE,
           slow=True)  # fmt: skip
    async def single(bench: Bench) -> None:
        bench.strike()
        bench.proxies[ONE].reply = once(make)
        await bench.seconds(12)
        assert bench.remote == ALL


_garbled("bytes that are not Modbus", lambda _: [b"HTTP/1.1 200 OK\r\n\r\n"])
_garbled("the reply of another transaction", lambda f: [b"\x77\x77" + f[2:]])
_garbled("another unit's reply", lambda f: [f[:6] + b"\x2a" + f[7:]])
_garbled("another function's reply", lambda f: [f[:7] + bytes((f[7] ^ 1,)) + f[8:]])
_garbled("half of a reply, and no more", lambda f: [f[: len(f) // 2]])
_garbled("every reply twice", lambda f: [f, f])
_garbled("fewer registers than were asked for", sized(lambda p: p[:1] + bytes((2,)) + p[2:4]))


class Reorder:
    """Each reply only when the next request comes: everything is one late."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []

    def __call__(self, frame: bytes) -> list[bytes]:
        self.kept.append(frame)
        return [self.kept.pop(0)] if len(self.kept) > 1 else []


@fault(REPLIES, "every reply one request late (reordered)", LOST, back=ONE, hurried=ONE)
async def _reordered(bench: Bench) -> None:
    bench.strike()
    bench.proxies[ONE].reply = Reorder()
    await bench.seconds(12)
    await others_hold(bench)


@fault(
    REPLIES, "a write is confirmed with another value than was sent",
    "a failure: tried once more, then given back, latched", back=ONE,
)  # fmt: skip
async def _other_echo(bench: Bench) -> None:
    bench.strike()
    bench.proxies[ONE].reply = only((16,), sized(lambda p: p[:3] + b"\x00\x09"))
    assert "failed" in await bench.ask({SUPPLY: 30.5})
    bench.proxies[ONE].heal()
    await bench.seconds(5)
    await others_hold(bench)


def _refuses(code: int, words: str) -> None:
    @fault(
        REPLIES, f"exception {code} ({words}) to every write",
        "tried once more, then given back, latched; the others go on", back=ONE,
    )  # fmt: skip
    async def run(bench: Bench) -> None:
        bench.strike()
        bench.proxies[ONE].reply = only(WRITES, exception(code))
        assert "failed" in await bench.ask({SUPPLY: 30.5})
        await bench.seconds(5)
        await others_hold(bench)


_refuses(1, "illegal function")
_refuses(4, "device failure")
_refuses(6, "busy")


@fault(
    REPLIES, "exception 2 (illegal address) to one block of readings",
    "read in smaller pieces; what is refused then is bad: given back, latched", back=ONE,
    within={"liquid": 6.0},
)  # fmt: skip
async def _no_address(bench: Bench) -> None:
    bench.strike()
    bench.proxies[ONE].reply = only((4,), exception(2))
    await bench.seconds(12)
    await others_hold(bench)


@fault(
    REPLIES, "the words of a float come swapped (read-back of a flow)",
    "not the value that we set: yielded, and needs a person", back=ONE, within={"liquid": 6.0},
)  # fmt: skip
async def _swapped(bench: Bench) -> None:
    assert (await bench.ask({FLOW: 41.0})).startswith("written")
    await bench.seconds(SETTLED_S)
    bench.strike()

    def swap(frame: bytes) -> list[bytes]:
        if frame[7] != 4 or len(frame) < 9 + 12:
            return [frame]
        at = 9 + 8  # register 4 of the block that begins with register 0
        return [frame[:at] + frame[at + 2 : at + 4] + frame[at : at + 2] + frame[at + 4 :]]

    bench.proxies[ONE].reply = swap
    await bench.seconds(12)
    await others_hold(bench)


# -- the device ---------------------------------------------------------------------------------
