"""Faults of a Modbus device itself: restarted, switched to local, held by another, broken."""

from __future__ import annotations

from tests.gateway_bench import ALL, SUPPLY, Bench
from tests.gateway_faults import fault
from tests.gateway_faults_wire import ONE, SETTLED_S, others_hold

DEVICE = "A Modbus device"


@fault(
    DEVICE, "is switched off and on: every register as new",
    "found in local control: yielded, and needs a person", back=ONE, within={"liquid": 6.0},
)  # fmt: skip
async def _restarted(bench: Bench) -> None:
    bench.strike()
    bench.plant.restart(ONE)
    bench.proxies[ONE].cut()
    await bench.seconds(8)
    await others_hold(bench)
    assert (await bench.status())["latches"][ONE]["needs_person"] is True


@fault(
    DEVICE, "is switched to local at its panel",
    "seen at the next scan: yielded, and needs a person",
    back=ONE,
)  # fmt: skip
async def _panel(bench: Bench) -> None:
    bench.strike()
    bench.plant.authority.write("cdu-1.remote_enable", 0.0, bench.now)
    await bench.seconds(8)
    await others_hold(bench)
    assert (await bench.status())["latches"][ONE]["needs_person"] is True


@fault(
    DEVICE, "another system writes its setpoint",
    "seen at the next scan: yielded, and needs a person",
    back=ONE, within={"liquid": 6.0},
)  # fmt: skip
async def _second_setpoint(bench: Bench) -> None:
    await bench.seconds(SETTLED_S)
    bench.strike()
    bench.plant.authority.write(SUPPLY, 29.0, bench.now)
    await bench.seconds(8)
    await others_hold(bench)
    assert (await bench.status())["latches"][ONE]["needs_person"] is True


@fault(
    DEVICE, "another system beats its heart too (two masters)",
    "seen by the beat that is not ours: yielded, and needs a person",
    back=ONE, within={"liquid": 11.0},
)  # fmt: skip
async def _second_master(bench: Bench) -> None:
    bench.strike()
    for beat in range(12):
        await bench.seconds(1)
        if ONE in bench.remote:
            bench.plant.authority.write("cdu-1.heartbeat", 12_000.0 + beat, bench.now)
    await bench.seconds(5)
    await others_hold(bench)
    assert "two masters" in (await bench.status())["latches"][ONE]["why"]


@fault(
    DEVICE, "is held by another system before we come",
    "not armed, and says why; nothing is written",
    begins="settled",
)  # fmt: skip
async def _held_already(bench: Bench) -> None:
    for beat in range(8):
        bench.plant.authority.write("cdu-1.remote_enable", 1.0, bench.now)
        bench.plant.authority.write("cdu-1.heartbeat", 500.0 + beat, bench.now)
        await bench.seconds(1)
    bench.strike()
    bench.held.clear()
    bench.plant.authority.write("cdu-1.heartbeat", 600.0, bench.now)
    assert "failed" in await bench.ask({SUPPLY: 31.5})
    assert bench.record() == []
    await bench.seconds(1)


@fault(
    DEVICE, "confirms a setpoint and does not store it",
    "the read-back differs: tried once more, then given back, latched", back=ONE,
)  # fmt: skip
async def _not_stored(bench: Bench) -> None:
    bench.strike()
    bench.plant.ignored.add(SUPPLY)
    assert "failed" in await bench.ask({SUPPLY: 30.5})
    await bench.seconds(3)
    await others_hold(bench)


@fault(
    DEVICE, "its heartbeat register is read-only",
    "arming fails at the first beat: not enabled, nothing of ours in force", begins="settled",
)  # fmt: skip
async def _read_only_heart(bench: Bench) -> None:
    bench.plant.refused.add("cdu-1.heartbeat")
    assert "failed" in await bench.ask({SUPPLY: 31.5})
    await bench.seconds(6)
    assert bench.remote == frozenset()
    assert "enable" not in {row["kind"] for row in bench.record()}


@fault(
    DEVICE, "its heartbeat register turns read-only while we hold it",
    "two heartbeats fail: given back, latched; the others go on", back=ONE,
)  # fmt: skip
async def _heart_refused(bench: Bench) -> None:
    bench.strike()
    bench.plant.refused.add("cdu-1.heartbeat")
    await bench.seconds(6)
    await others_hold(bench)


@fault(DEVICE, "refuses to be enabled", "not armed, and says why", begins="settled")
async def _no_enable(bench: Bench) -> None:
    bench.plant.refused.add("cdu-1.remote_enable")
    assert "failed" in await bench.ask({SUPPLY: 31.5})
    await bench.seconds(6)
    assert bench.remote == frozenset()


@fault(
    DEVICE, "takes the enable and does not say that it is in remote control",
    "given back at once, latched", begins="settled",
)  # fmt: skip
async def _never_remote(bench: Bench) -> None:
    bench.plant.shown["cdu-1.remote_active"] = 0.0
    assert "failed" in await bench.ask({SUPPLY: 31.5})
    await bench.seconds(6)
    assert bench.remote == frozenset()
    assert [row["kind"] for row in bench.record()][-1] == "release"


@fault(
    DEVICE, "moves when it is enabled", "given back at once, latched; the move was not ours",
    begins="settled",
)  # fmt: skip
async def _moves(bench: Bench) -> None:
    shown, write = bench.plant.shown, bench.plant.authority.write

    def enabled(tag: str, value: float, now_s: float) -> bool:
        if tag == "cdu-1.remote_enable" and value:
            shown["cdu-1.tcs_supply_temperature_setpoint_in_force"] = 27.0
        return write(tag, value, now_s)

    bench.plant.authority.write = enabled  # type: ignore[method-assign]  # the fault
    assert "written" not in await bench.ask({SUPPLY: 31.5})
    await bench.seconds(3)
    assert bench.remote == frozenset()
    assert "moved" in (await bench.status())["latches"][ONE]["why"]


@fault(
    DEVICE, "its read-back says that there is no value", "given back at the next scan, latched",
    back=ONE, within={"liquid": 6.0},
)  # fmt: skip
async def _no_read_back(bench: Bench) -> None:
    await bench.seconds(SETTLED_S)
    bench.strike()
    bench.plant.shown["cdu-1.tcs_supply_temperature_setpoint_in_force"] = None
    await bench.seconds(8)
    await others_hold(bench)


@fault(
    DEVICE, "a leak is detected", "seen at the next scan: given back, latched", back=ONE,
    within={"liquid": 6.0},
)  # fmt: skip
async def _leak(bench: Bench) -> None:
    bench.strike()
    bench.plant.sensors["cdu-1.leak"] = 1.0
    await bench.seconds(8)
    assert bench.remote == ALL - {ONE}


@fault(
    DEVICE, "the leak sensor says what cannot be (a sentinel is not configured)",
    "taken for a leak: no command passes, given back, latched", back=ONE,
)  # fmt: skip
async def _leak_unknown(bench: Bench) -> None:
    bench.strike()
    bench.plant.broken.add("cdu-1.leak")
    await bench.seconds(10)
    assert "refused" in await bench.ask({SUPPLY: 30.5})
    bench.plant.broken.clear()
    assert bench.remote == ALL - {ONE}
