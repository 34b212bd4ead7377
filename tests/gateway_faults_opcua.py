"""Faults of an OPC UA device: bms, which has the CRAH and the building's sensors."""

from __future__ import annotations

from typing import Any

from sim.devices.opcua import OpcUaServer
from tests.gateway_bench import AIR, ALL, SUPPLY, Bench
from tests.gateway_faults import fault
from tests.gateway_proxy import swallow

OPCUA = "An OPC UA device"
ONE = "bms"
WAITS = "given back by its own watchdog, latched; the CDUs go on while they can be judged"
GARBAGE = b"MSGF\x10\x00\x00\x00garbage!"


def server_of(bench: Bench) -> Any:
    """The library's own server of the device."""
    server = bench.servers[ONE]
    assert isinstance(server, OpcUaServer)
    assert server._server is not None
    return server._server


async def others_hold(bench: Bench) -> None:
    """The CDUs are still ours, and bms is latched."""
    assert bench.remote == ALL - {ONE}
    assert list((await bench.status())["latches"]) == [ONE]
    assert (await bench.ask({AIR: 19.0})).startswith("refused latched")


@fault(
    OPCUA, "the connection is cut once", "connected again in the next second, looked at, and held"
)
async def _cut(bench: Bench) -> None:
    bench.strike()
    bench.proxies[ONE].cut()
    await bench.seconds(8)
    assert bench.remote == ALL
    assert (await bench.ask({AIR: 19.0})).startswith("written")


@fault(OPCUA, "silence: no reply comes back", WAITS, back=ONE, hurried=ONE)
async def _silence(bench: Bench) -> None:
    bench.strike()
    bench.proxies[ONE].reply = swallow
    await bench.seconds(25)
    await others_hold(bench)


@fault(OPCUA, "every message is swallowed on the way there", WAITS, back=ONE, hurried=ONE)
async def _no_requests(bench: Bench) -> None:
    bench.strike()
    bench.proxies[ONE].request = swallow
    await bench.seconds(25)
    await others_hold(bench)


@fault(OPCUA, "garbage in place of replies", WAITS, back=ONE, hurried=ONE)
async def _garbage(bench: Bench) -> None:
    bench.strike()
    bench.proxies[ONE].reply = lambda _: [GARBAGE]
    await bench.seconds(25)
    await others_hold(bench)


@fault(OPCUA, "every reply twice", "a reply that nobody waits for is dropped: held", hurried="")
async def _twice(bench: Bench) -> None:
    bench.strike()
    bench.proxies[ONE].reply = lambda frame: [frame, frame]
    await bench.seconds(8)
    assert bench.remote == ALL


@fault(OPCUA, "replies lose their last bytes", WAITS, back=ONE, hurried=ONE)
async def _short(bench: Bench) -> None:
    bench.strike()
    bench.proxies[ONE].reply = lambda frame: [frame[:-4]]
    await bench.seconds(25)
    await others_hold(bench)


@fault(
    OPCUA, "the server is switched off", WAITS, back=ONE,
)  # fmt: skip
async def _off(bench: Bench) -> None:
    bench.strike()
    await bench.proxies[ONE].close()
    await bench.seconds(25)
    await others_hold(bench)


@fault(
    OPCUA, "the server restarts: session gone, every value as new",
    "found in local control: yielded, and needs a person", back=ONE,
)  # fmt: skip
async def _restart(bench: Bench) -> None:
    bench.strike()
    bench.plant.restart(ONE)
    bench.proxies[ONE].cut()
    await bench.seconds(8)
    await others_hold(bench)
    assert (await bench.status())["latches"][ONE]["needs_person"] is True


@fault(
    OPCUA, "the server closes our session; the connection stays",
    "requests fail: a new session, a look at everything, and held",
)  # fmt: skip
async def _session(bench: Bench) -> None:
    bench.strike()
    for client in list(server_of(bench).bserver.clients):
        session = client.processor.session
        if session is not None:
            await session.close_session(True)
            client.processor.session = None
    await bench.seconds(12)
    assert bench.remote == ALL
    assert (await bench.ask({AIR: 19.0})).startswith("written")


@fault(
    OPCUA, "a bad status on the read-back of a setpoint (BadSensorFailure)",
    "seen at the next scan: given back, latched", back=ONE,
)  # fmt: skip
async def _bad_read_back(bench: Bench) -> None:
    bench.strike()
    bench.plant.broken.add(f"{AIR}_in_force")
    await bench.seconds(8)
    bench.plant.broken.clear()
    await others_hold(bench)


@fault(
    OPCUA, "its heartbeat is refused with a bad status", "two heartbeats fail: given back, latched",
    back=ONE,
)  # fmt: skip
async def _heart_refused(bench: Bench) -> None:
    bench.strike()
    bench.plant.refused.add("bms.heartbeat")
    await bench.seconds(5)
    await others_hold(bench)


@fault(
    OPCUA, "a setpoint is refused with a bad status", "tried once more, then given back, latched",
    back=ONE,
)  # fmt: skip
async def _setpoint_refused(bench: Bench) -> None:
    bench.strike()
    bench.plant.refused.add(AIR)
    assert "failed" in await bench.ask({AIR: 19.0})
    await bench.seconds(2)
    await others_hold(bench)


@fault(
    OPCUA, "a setpoint is confirmed and not stored", "tried once more, then given back, latched",
    back=ONE,
)  # fmt: skip
async def _not_stored(bench: Bench) -> None:
    bench.strike()
    bench.plant.ignored.add(AIR)
    assert "failed" in await bench.ask({AIR: 19.0})
    await bench.seconds(2)
    await others_hold(bench)


@fault(
    OPCUA, "the dew point is lost (bad status, nobody else measures it)",
    "nothing gets colder; the CDUs are held 300 s, then given back",
    back=frozenset({"cdu-1", "cdu-2"}), within={"liquid": 310.0}, slow=True,
)  # fmt: skip
async def _no_dew_point(bench: Bench) -> None:
    bench.strike()
    bench.plant.broken.add("hall-1.dew_point_temperature")
    await bench.seconds(10)
    assert bench.remote == ALL
    assert "refused dew_point_unknown" in await bench.ask({SUPPLY: 30.0})
    await bench.seconds(300)
    bench.plant.broken.clear()


@fault(
    OPCUA, "the dew point jumps by 10 K in a second",
    "no move colder; corrected as fast as the rate allows, then given back",
    back=frozenset({"cdu-1", "cdu-2"}), within={"liquid": 320.0}, slow=True,
)  # fmt: skip
async def _dew_point_jumps(bench: Bench) -> None:
    bench.strike()
    bench.plant.sensors["hall-1.dew_point_temperature"] = 30.0
    await bench.seconds(315)
