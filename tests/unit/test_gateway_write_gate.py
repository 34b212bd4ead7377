"""Nothing leaves but through the gate: with a permit, in the journal first, once."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.driver import FakeDriver
from adapters.gateway.house import ListJournal
from adapters.gateway.lockstep import LockStepRim
from adapters.gateway.write_gate import PERMIT_S, Write, WriteGate, _Passing
from facility.clock import FixedClock
from facility.commands import Mode, Origin, WriteKind
from safety.journal import Journal, JournalError, read
from safety.permit import Mint, Permit
from tests.gateway_kit import START_S, small_site

ROOT = Path(__file__).resolve().parents[2]
SITE = small_site()
SETPOINT = "cdu-1.tcs_supply_temperature_setpoint"
BEAT = "cdu-1.heartbeat"
ENABLE = "cdu-1.remote_enable"


class FullDisk(ListJournal):
    def extend(
        self,
        entries: Iterable[tuple[str, Mapping[str, Any]]],
        time_s: float,
        *,
        durable: bool = True,
    ) -> None:
        raise JournalError("journal.jsonl: No space left on device")


class Bench:
    """A gate over two devices in memory."""

    def __init__(self, journal: ListJournal | None = None, mint: Mint | None = None) -> None:
        self.clock = FixedClock(START_S)
        self.devices = {
            d: FakeDriver(SITE.devices[d], SITE.device_points(d), self.clock.now_s)
            for d in ("cdu-1", "cdu-2")
        }
        self.journal = journal or ListJournal()
        self.gate = WriteGate(
            self.devices,
            self.journal,
            mint or Mint(),
            self.clock.now_s,
            LockStepRim().together,
        )

    async def connect(self) -> Bench:
        for device in self.devices.values():
            await device.connect()
        return self

    def received(self) -> list[tuple[str, str]]:
        return [(t, data.hex()) for d in self.devices.values() for _, t, data in d.received]


def setpoint(value: float, device: str = "cdu-1", mode: Mode = Mode.AUTOMATIC) -> Write:
    tag = SETPOINT.replace("cdu-1", device)
    return Write(WriteKind.SETPOINT, device, tag, value, mode, Origin.OPTIMISER, "c1")


def release(device: str = "cdu-1") -> Write:
    tag = ENABLE.replace("cdu-1", device)
    return Write(WriteKind.RELEASE, device, tag, 0.0, Mode.OFF, Origin.SAFETY, "a test")


async def test_a_write_is_in_the_journal_before_it_leaves(tmp_path: Path) -> None:
    bench = await Bench().connect()
    path = tmp_path / "journal.jsonl"
    bench.gate._journal = Journal.open(path, START_S)
    told: list[list[str]] = []

    async def told_first(tag: str, data: bytes, within_s: float) -> None:
        told.append([record.data["raw"] for record in read(path)])

    bench.devices["cdu-1"].write = told_first  # type: ignore[method-assign]  # looks at the disk
    assert (await bench.gate.send([setpoint(30.0)]))[0].ok
    assert told == [["0bb8"]]
    bench.gate._journal.close()


@pytest.mark.parametrize("mode", [Mode.OFF, Mode.SHADOW])
@pytest.mark.parametrize("kind", [WriteKind.SETPOINT, WriteKind.HEARTBEAT, WriteKind.ENABLE])
async def test_in_off_and_shadow_no_kind_of_write_leaves(mode: Mode, kind: WriteKind) -> None:
    bench = await Bench().connect()
    tag = {"setpoint": SETPOINT, "heartbeat": BEAT, "enable": ENABLE}[kind.value]
    value = 30.0 if kind is WriteKind.SETPOINT else 1.0
    sent = await bench.gate.send([Write(kind, "cdu-1", tag, value, mode, Origin.PERSON, "x")])
    assert not sent[0].ok
    assert not sent[0].left
    assert "no permit" in sent[0].error
    assert bench.received() == []
    assert bench.devices["cdu-1"].requests == 0


async def test_a_release_leaves_in_every_mode() -> None:
    bench = await Bench().connect()
    assert (await bench.gate.send([release()]))[0].ok
    assert bench.received() == [(ENABLE, "0000")]


class ForgingMint(Mint):
    """Issues permits that somebody has tampered with."""

    def __init__(self, **changes: object) -> None:
        super().__init__()
        self._changes = changes

    def issue(self, *args: Any, **kwargs: Any) -> Permit:
        permit = super().issue(*args, **kwargs)
        return replace(permit, **self._changes)  # type: ignore[arg-type]  # fields of a Permit


@pytest.mark.parametrize(
    "changes",
    [
        {"seal": b"\0" * 32},
        {"nonce": b"\0" * 16},
        {"expires_at_s": START_S + 1e6},
    ],
)
async def test_a_forged_permit_writes_nothing(changes: dict[str, object]) -> None:
    bench = await Bench(mint=ForgingMint(**changes)).connect()
    sent = await bench.gate.send([setpoint(30.0)])
    assert not sent[0].ok
    assert bench.devices["cdu-1"].requests == 0


async def test_a_permit_that_expired_on_the_way_writes_nothing() -> None:
    bench = await Bench().connect()

    class SlowJournal(ListJournal):
        def extend(self, *args: Any, **kwargs: Any) -> None:
            bench.clock._now_s += PERMIT_S + 0.1

    bench.gate._journal = SlowJournal()
    sent = await bench.gate.send([setpoint(30.0)])
    assert "expired" in sent[0].error
    assert bench.devices["cdu-1"].requests == 0


async def test_when_the_journal_fails_nothing_leaves_but_releases() -> None:
    bench = await Bench(journal=FullDisk()).connect()
    with pytest.raises(JournalError, match="No space left"):
        await bench.gate.send([setpoint(30.0), release("cdu-2")])
    assert bench.received() == [("cdu-2.remote_enable", "0000")]


async def test_what_cannot_be_encoded_is_not_sent_and_does_not_stop_the_others() -> None:
    bench = await Bench().connect()
    sent = await bench.gate.send([setpoint(99.0), setpoint(30.0, "cdu-2")])
    assert [s.ok for s in sent] == [False, True]
    assert "outside 18 to 45" in sent[0].error
    assert bench.received() == [("cdu-2.tcs_supply_temperature_setpoint", "0bb8")]
    kinds = [kind for _, kind, _ in bench.journal.records]
    assert kinds == ["write", "write_not_permitted"]


async def test_after_a_failure_the_rest_for_that_device_stays() -> None:
    bench = await Bench().connect()
    bench.devices["cdu-1"].refuse.add(SETPOINT)
    enable = Write(WriteKind.ENABLE, "cdu-1", ENABLE, 1.0, Mode.AUTOMATIC, Origin.SAFETY, "a test")
    sent = await bench.gate.send([setpoint(30.0), enable, setpoint(31.0, "cdu-2")])
    assert [(s.ok, s.left) for s in sent] == [(False, True), (False, False), (True, True)]
    assert bench.received() == [("cdu-2.tcs_supply_temperature_setpoint", "0c1c")]
    failed = [data for _, kind, data in bench.journal.records if kind == "write_failed"]
    assert [f["left"] for f in failed] == [True, False]


async def test_devices_are_written_to_at_once_and_told_of_in_order() -> None:
    bench = await Bench().connect()
    both = asyncio.Barrier(2)

    async def meet(tag: str, data: bytes, within_s: float) -> None:
        await both.wait()

    async def together(jobs: Sequence[Coroutine[Any, Any, None]]) -> None:
        await asyncio.gather(*jobs)

    for device in bench.devices.values():
        device.write = meet  # type: ignore[method-assign]  # each waits for the other
    bench.gate._together = together
    async with asyncio.timeout(5.0):
        sent = await bench.gate.send([setpoint(30.0, "cdu-2"), setpoint(31.0)])
    assert [s.write.device for s in sent] == ["cdu-2", "cdu-1"]
    assert [data["device"] for _, _, data in bench.journal.records] == ["cdu-2", "cdu-1"]


def test_records_that_need_no_disk_of_their_own_are_chained_and_counted_later(
    tmp_path: Path,
) -> None:
    journal = Journal.open(tmp_path / "j", START_S)
    journal.append("a", {}, START_S)
    journal.extend([("heartbeats", {"cdu-1": "0001"})], START_S, durable=False)
    head = (tmp_path / "j.head").read_text().split()
    assert int(head[0]) == 1
    assert [r.kind for r in read(tmp_path / "j")] == ["a", "heartbeats"]
    journal.append("b", {}, START_S)
    assert int((tmp_path / "j.head").read_text().split()[0]) == 3
    journal.close()


def test_no_other_code_calls_a_drivers_write() -> None:
    """A driver is what has `connect`, so what is called `write` on one is found by its arguments.

    Looks at every call of an attribute `write` with three arguments in the code that is shipped.
    """
    callers = set()
    for package in ("adapters", "controller", "safety", "models", "benchmarks"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr == "write"
                    and len(node.args) + len(node.keywords) == 3
                ):
                    callers.add(str(path.relative_to(ROOT)))
    assert callers == {"adapters/gateway/write_gate.py"}


async def test_a_beat_that_arms_is_told_before_the_enable_and_with_it_on_disk() -> None:
    bench = await Bench().connect()
    beat = Write(WriteKind.HEARTBEAT, "cdu-1", BEAT, 1.0, Mode.AUTOMATIC, Origin.SAFETY, "arm")
    enable = Write(WriteKind.ENABLE, "cdu-1", ENABLE, 1.0, Mode.AUTOMATIC, Origin.SAFETY, "arm")
    sent = await bench.gate.send([beat, enable])
    assert [s.ok for s in sent] == [True, True]
    assert [kind for _, kind, _ in bench.journal.records] == ["heartbeats", "write"]
    assert bench.received() == [(BEAT, "0001"), (ENABLE, "0001")]


async def test_a_write_without_a_permit_is_not_delivered_however_it_got_there() -> None:
    bench = await Bench().connect()
    stray = _Passing(setpoint(30.0), encoded=b"\x0b\xb8", address="holding:0")
    await bench.gate._deliver([stray])
    assert stray.error == "no permit"
    assert bench.devices["cdu-1"].requests == 0


async def test_a_replayed_permit_writes_nothing() -> None:
    class Replaying(Mint):
        kept: Permit | None = None

        def issue(self, *args: Any, **kwargs: Any) -> Permit:
            self.kept = self.kept or super().issue(*args, **kwargs)
            return self.kept

    bench = await Bench(mint=Replaying()).connect()
    first, again = [(await bench.gate.send([setpoint(30.0)]))[0] for _ in range(2)]
    assert first.ok
    assert "redeemed before" in again.error
    other = (await bench.gate.send([setpoint(31.0)]))[0]
    assert "for another write" in other.error
    assert bench.devices["cdu-1"].requests == 1
