"""Faults of the gateway's process, of its clients, of the disk and of the clock."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import signal

from adapters.gateway.client import GatewayError, GatewayRefusal
from facility.commands import Mode
from facility.wire import to_wire
from safety.journal import read, verify
from tests.gateway_bench import ALL, FLOW, SUPPLY, Bench
from tests.gateway_faults import fault

DYING = "The gateway dies (kill -9) in the middle of a write"
ENDING = "The gateway stops, hangs or fails"
CLIENT = "The controller"
DISK = "Disk and files"
TIME = "The clock"
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


@fault(
    DISK, "the disk under the journal is full",
    "the write that could not be recorded does not leave; everything is given back", back=ALL,
)  # fmt: skip
async def _full_disk(bench: Bench) -> None:
    bench.strike()
    size = bench.journal.stat().st_size
    resource.prlimit(bench.process.pid, resource.RLIMIT_FSIZE, (size, size))
    before = len(bench.record())
    await bench.ask({SUPPLY: 30.0})
    assert await bench.gone() == 1
    await bench.seconds(1)
    assert {row["kind"] for row in bench.record()[before:]} == {"release"}
    # Releases go out unrecorded rather than not at all; the record of before is whole.
    assert verify(bench.journal) is None
    bench.unrecorded.add("release")


@fault(
    DISK, "the disk fills up between two commands",
    "the next heartbeat cannot be recorded: everything is given back", back=ALL,
)  # fmt: skip
async def _full_disk_idle(bench: Bench) -> None:
    bench.strike()
    size = bench.journal.stat().st_size
    resource.prlimit(bench.process.pid, resource.RLIMIT_FSIZE, (size, size))
    await bench.seconds(2)
    assert await bench.gone() == 1
    assert verify(bench.journal) is None
    bench.unrecorded.add("release")


@fault(
    DISK, "the envelope's memory cannot be kept",
    "the command does not pass; everything is given back",
    back=ALL,
)  # fmt: skip
async def _state_unwritable(bench: Bench) -> None:
    bench.strike()
    (bench.state / "envelope.json.new").mkdir()
    before = [r for r in bench.record() if r["kind"] == "setpoint"]
    assert "records cannot be kept" in await bench.ask({SUPPLY: 30.0})
    assert await bench.gone() == 1
    await bench.seconds(1)
    assert [r for r in bench.record() if r["kind"] == "setpoint"] == before


@fault(
    DISK, "the journal was altered while no gateway ran",
    "the gateway does not start, and names the record", begins="cold",
)  # fmt: skip
async def _altered_journal(bench: Bench) -> None:
    await bench.start()
    await bench.set_mode(Mode.AUTOMATIC)
    bench.signal(signal.SIGTERM)
    await bench.gone()
    lines = bench.journal.read_bytes().splitlines(keepends=True)
    number = 1 + next(i for i, line in enumerate(lines) if b'"Ada"' in line)
    lines[number - 1] = lines[number - 1].replace(b'"Ada"', b'"Eve"')
    bench.journal.write_bytes(b"".join(lines))
    damage = verify(bench.journal)
    assert damage is not None
    assert damage.number == number
    assert bench.link is not None
    await bench.link.close()
    bench.link = None
    await bench.start(connects=False)
    assert bench.process.exitcode == 2
    assert f"record {number}" in bench.log.read_text()


@fault(
    DISK, "whole records were cut off the journal's end",
    "the gateway does not start, and names the missing records", begins="cold",
)  # fmt: skip
async def _cut_journal(bench: Bench) -> None:
    await bench.start()
    await bench.set_mode(Mode.AUTOMATIC)
    bench.signal(signal.SIGTERM)
    await bench.gone()
    lines = bench.journal.read_bytes().splitlines(keepends=True)
    bench.journal.write_bytes(b"".join(lines[:-1]))
    damage = verify(bench.journal)
    assert damage is not None
    assert damage.number == len(lines)
    assert bench.link is not None
    await bench.link.close()
    bench.link = None
    await bench.start(connects=False)
    assert bench.process.exitcode == 2
    assert "missing" in bench.log.read_text()


@fault(
    DISK, "the file of modes is damaged", "the gateway does not start, and names the mend",
    begins="cold",
)  # fmt: skip
async def _damaged_modes(bench: Bench) -> None:
    bench.state.mkdir()
    (bench.state / "modes.json").write_text('{"cdu-1.tcs_supply_tem')
    await bench.start(connects=False)
    assert bench.process.exitcode == 2
    assert "delete it to start with every actuator in shadow" in bench.log.read_text()


# -- time ---------------------------------------------------------------------------------------


@fault(
    TIME, "the system's clock goes back by an hour",
    "everything is given back, and stays refused until a person re-arms", back=ALL,
)  # fmt: skip
async def _clock_back(bench: Bench) -> None:
    bench.strike()
    bench.reins.offset.value -= 3600.0
    await bench.seconds(7)
    assert bench.remote == frozenset()
    assert "refused" in await bench.ask({SUPPLY: 30.0})


@fault(
    TIME, "the system's clock goes forward by an hour",
    "everything is read anew in that second and held; what was decided before has expired",
)  # fmt: skip
async def _clock_forward(bench: Bench) -> None:
    decision, commands = bench.decision({SUPPLY: 30.0})
    await bench.call("decide", decision=to_wire(decision))
    bench.strike()
    bench.reins.offset.value += 3600.0
    await bench.seconds(3)
    late = [{**to_wire(c), "issued_at_s": bench.now + 3600.0} for c in commands]
    receipts = await bench.call("command", commands=late)
    assert receipts[0]["result"] == "refused"
    assert bench.remote == ALL


@fault(TIME, "the system's clock is a second off for a moment", "nothing: within the slack")
async def _clock_wavers(bench: Bench) -> None:
    bench.strike()
    bench.reins.offset.value += 1.0
    await bench.seconds(3)
    assert bench.remote == ALL
