"""Faults of the disk, of what lies on it, and of the clock."""

from __future__ import annotations

import resource
import signal

from facility.commands import Mode
from facility.wire import to_wire
from safety.journal import verify
from tests.gateway_bench import ALL, SUPPLY, Bench
from tests.gateway_faults import fault

DISK = "Disk and files"
TIME = "The clock"


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
