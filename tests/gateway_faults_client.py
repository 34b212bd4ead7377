"""Faults of the controller: it dies, hangs, repeats itself, or asks for what it may not."""

from __future__ import annotations

import asyncio
import contextlib
import json

from adapters.gateway.client import GatewayRefusal
from facility.wire import to_wire
from tests.gateway_bench import ALL, FLOW, SUPPLY, Bench
from tests.gateway_faults import fault

CLIENT = "The controller"


@fault(CLIENT, "dies: its connection closes", "everything is given back in the next second",
       back=ALL)  # fmt: skip
async def _client_dies(bench: Bench) -> None:
    bench.strike()
    assert bench.link is not None
    await bench.link.close()
    bench.link = None
    await bench.seconds(4)


@fault(
    CLIENT, "hangs: no beat, its connection stays open",
    "after 3 s of silence everything is given back", back=ALL,
)  # fmt: skip
async def _client_hangs(bench: Bench) -> None:
    bench.strike()
    bench.alive = False
    await bench.seconds(6)


@fault(
    CLIENT, "beats, but its plan grows old (optimiser stuck)",
    "when the plan is 30 min old everything is given back", back=ALL,
    within={"liquid": 1802.0, "air": 1802.0}, slow=True,
)  # fmt: skip
async def _old_plan(bench: Bench) -> None:
    bench.strike()
    for age_s in range(0, 1811, 1):
        bench.plan_age_s = float(age_s)
        await bench.seconds(1)


@fault(
    CLIENT, "beats without ever having had a plan",
    "30 min after its last command that passed everything is given back", back=ALL,
    within={"liquid": 1802.0, "air": 1802.0}, slow=True,
)  # fmt: skip
async def _no_plan(bench: Bench) -> None:
    bench.plan_age_s = None
    bench.strike()
    await bench.seconds(1810)


@fault(
    CLIENT, "two at once: a second one beats and commands",
    "the second is refused, beat and command; the first keeps the plant",
)  # fmt: skip
async def _two_controllers(bench: Bench) -> None:
    bench.strike()
    before = len(bench.record())
    _, commands = bench.decision({SUPPLY: 29.5})
    with contextlib.suppress(GatewayRefusal):
        await bench.person("beat", plan_age_s=0.0)
        raise AssertionError("a second controller may not beat")
    with contextlib.suppress(GatewayRefusal):
        await bench.person("command", commands=to_wire(tuple(commands)))
        raise AssertionError("a second controller may not command")
    assert len(bench.record()) == before
    await bench.seconds(5)
    assert bench.remote == ALL


@fault(
    CLIENT, "a second one takes over after the first went silent",
    "everything is given back first; the second must be armed like anybody", back=ALL,
)  # fmt: skip
async def _second_controller(bench: Bench) -> None:
    bench.strike()
    bench.alive = False
    await bench.seconds(6)
    first, bench.link = bench.link, None
    await bench.greet()
    bench.alive = True
    await bench.seconds(2)
    assert "latched" in await bench.ask({SUPPLY: 30.0})
    assert first is not None
    await first.close()


@fault(CLIENT, "sends a command twice", "written once; the second gets the same receipt")
async def _twice(bench: Bench) -> None:
    bench.strike()
    before = len([r for r in bench.record() if r["kind"] == "setpoint"])
    decision, commands = bench.decision({SUPPLY: 30.0})
    await bench.call("decide", decision=to_wire(decision))
    first = await bench.call("command", commands=to_wire(tuple(commands)))
    again = await bench.call("command", commands=to_wire(tuple(commands * 3)))
    assert again == first * 3
    assert len([r for r in bench.record() if r["kind"] == "setpoint"]) == before + 1
    await bench.seconds(2)


@fault(CLIENT, "sends a command that was issued two minutes ago", "refused: no byte leaves")
async def _stale(bench: Bench) -> None:
    bench.strike()
    decision, commands = bench.decision({SUPPLY: 30.0})
    await bench.call("decide", decision=to_wire(decision))
    await bench.seconds(120)
    before = len([r for r in bench.record() if r["kind"] == "setpoint"])
    receipts = await bench.call("command", commands=to_wire(tuple(commands)))
    assert receipts[0]["verdict"]["check"] == "age"
    assert len([r for r in bench.record() if r["kind"] == "setpoint"]) == before


@fault(CLIENT, "sends a command of another plan than was decided", "refused: no byte leaves")
async def _other_plan(bench: Bench) -> None:
    bench.strike()
    decision, commands = bench.decision({SUPPLY: 30.0})
    await bench.call("decide", decision=to_wire(decision))
    before = len([r for r in bench.record() if r["kind"] == "setpoint"])
    forged = [{**to_wire(c), "plan_hash": "another"} for c in commands]
    receipts = await bench.call("command", commands=forged)
    assert receipts[0]["verdict"]["check"] == "authority"
    assert len([r for r in bench.record() if r["kind"] == "setpoint"]) == before


@fault(
    CLIENT, "asks for values far outside: 3 °C, 90 °C, 0 flow, and the dew point",
    "limited to the rate within range and dew point, or refused",
)  # fmt: skip
async def _far_outside(bench: Bench) -> None:
    bench.strike()
    for supply, flow in ((3.0, 0.0), (90.0, 1e6), (20.0, -5.0)):
        for _ in range(6):
            await bench.ask({SUPPLY: supply, FLOW: flow})
            await bench.seconds(10)


@fault(
    CLIENT, "sends garbage, half a line, and hangs up", "answered in words, or closed; nothing else"
)
async def _garbage_client(bench: Bench) -> None:
    bench.strike()
    path = bench.folder / "g.sock"
    for text in (b"\x00\xff\n", b'{"op": "command", "commands": [{}]}\n', b'{"op": "set_mode"',
                 b'{"op": "release", "actuators": [[]], "who": "x", "why": "y"}\n'):  # fmt: skip
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(text)
        if text.endswith(b"\n"):
            assert json.loads(await reader.readline())["ok"] is False
        writer.close()
        await bench.seconds(1)
    await bench.seconds(3)


@fault(
    CLIENT, "floods the socket with requests and reads no answer",
    "the flood is refused and closed; another client's beats go on",
)  # fmt: skip
async def _flood(bench: Bench) -> None:
    bench.strike()
    path = bench.folder / "g.sock"
    _, writer = await asyncio.open_unix_connection(path)
    for _ in range(2000):
        writer.write(b'{"id": 1, "op": "status"}\n')
    more = [(await asyncio.open_unix_connection(path))[1] for _ in range(30)]
    await bench.seconds(5)
    for each in (writer, *more):
        each.transport.abort()
    await bench.seconds(2)
    assert bench.remote == ALL


# -- disk ---------------------------------------------------------------------------------------
