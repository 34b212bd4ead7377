"""The write gate: every field that it journals, in order, and what leaves when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from adapters.driver import FakeDriver
from adapters.gateway import write_gate
from adapters.gateway.house import ListJournal
from adapters.gateway.lockstep import LockStepRim
from adapters.gateway.write_gate import Sent, Write, WriteGate
from facility.clock import FixedClock
from facility.commands import Mode, Origin, WriteKind
from safety.journal import JournalError
from safety.permit import Mint
from tests.gateway_kit import START_S, small_site

HALL = small_site()
SETPOINT = "cdu-1.tcs_supply_temperature_setpoint"
BEAT, ENABLE = "cdu-1.heartbeat", "cdu-1.remote_enable"


class Kept(ListJournal):
    """Notes what was asked to be on disk."""

    def __init__(self) -> None:
        super().__init__()
        self.durable: list[bool] = []

    def extend(
        self,
        entries: Iterable[tuple[str, Mapping[str, Any]]],
        time_s: float,
        *,
        durable: bool = True,
    ) -> None:
        super().extend(entries, time_s)
        self.durable.append(durable)


class Broken(ListJournal):
    def extend(self, *_: object, **__: object) -> None:
        raise JournalError("the disk is full")


class Bench:
    def __init__(self, journal: ListJournal | None = None) -> None:
        self.clock = FixedClock(START_S)
        self.devices = {
            name: FakeDriver(HALL.devices[name], HALL.device_points(name), self.clock.now_s)
            for name in ("cdu-1", "cdu-2")
        }
        self.journal = journal or Kept()
        self.gate = WriteGate(
            self.devices, self.journal, Mint(), self.clock.now_s, LockStepRim().together
        )

    async def send(self, *writes: Write) -> tuple[Sent, ...]:
        for each in self.devices.values():
            await each.connect()
        return await self.gate.send(writes)

    @property
    def received(self) -> list[str]:
        return [tag for each in self.devices.values() for _, tag, _ in each.received]


def setpoint(value: float = 30.0, of: str = "cdu-1") -> Write:
    tag = SETPOINT.replace("cdu-1", of)
    return Write(WriteKind.SETPOINT, of, tag, value, Mode.AUTOMATIC, Origin.OPTIMISER, "c1")


def beat(of: str = "cdu-1") -> Write:
    tag = BEAT.replace("cdu-1", of)
    return Write(WriteKind.HEARTBEAT, of, tag, 1.0, Mode.AUTOMATIC, Origin.SAFETY, "a beat")


def enable() -> Write:
    return Write(WriteKind.ENABLE, "cdu-1", ENABLE, 1.0, Mode.AUTOMATIC, Origin.SAFETY, "arming")


def release() -> Write:
    return Write(WriteKind.RELEASE, "cdu-1", ENABLE, 0.0, Mode.OFF, Origin.SAFETY, "a test")


async def test_a_write_is_journalled_with_every_field() -> None:
    bench = Bench()
    (sent,) = await bench.send(setpoint())
    assert (sent.ok, sent.left, sent.encoded.hex(), sent.error) == (True, True, "0bb8", "")
    address = bench.devices["cdu-1"].address(SETPOINT)
    assert bench.journal.records == [
        (
            START_S,
            "write",
            {
                "kind": WriteKind.SETPOINT,
                "device": "cdu-1",
                "tag": SETPOINT,
                "address": address,
                "raw": "0bb8",
                "value": 30.0,
                "origin": Origin.OPTIMISER,
                "why": "c1",
            },
        )
    ]
    assert address
    assert bench.gate.counts == {"setpoint": 1}


async def test_beats_alone_wait_for_no_disk_and_in_company_come_first() -> None:
    bench = Bench()
    await bench.send(beat(), beat("cdu-2"))
    await bench.send(enable(), beat())
    await bench.send(enable())
    kinds = [(kind, data) for _, kind, data in bench.journal.records]
    assert [kind for kind, _ in kinds] == ["heartbeats", "heartbeats", "write", "write"]
    assert kinds[0][1] == {"cdu-1": "0001", "cdu-2": "0001"}
    assert kinds[1][1] == {"cdu-1": "0001"}
    assert kinds[2][1]["kind"] is WriteKind.ENABLE
    assert isinstance(bench.journal, Kept)
    assert bench.journal.durable == [False, True, True]
    assert bench.gate.counts == {"heartbeat": 3, "enable": 2}


async def test_nothing_to_send_is_nothing_to_journal() -> None:
    bench = Bench()
    assert await bench.send() == ()
    refused = replace(setpoint(), mode=Mode.OFF)
    (sent,) = await bench.send(refused)
    assert not sent.ok
    assert isinstance(bench.journal, Kept)
    assert [kind for _, kind, _ in bench.journal.records] == ["write_not_permitted"]
    assert bench.journal.durable == [True]
    assert bench.gate.counts == {"failed": 1}


@pytest.mark.parametrize("kind", list(WriteKind))
async def test_with_a_broken_journal_a_release_alone_leaves(kind: WriteKind) -> None:
    bench = Bench(Broken())
    write = {
        WriteKind.SETPOINT: setpoint(),
        WriteKind.HEARTBEAT: beat(),
        WriteKind.ENABLE: enable(),
        WriteKind.RELEASE: release(),
    }[kind]
    with pytest.raises(JournalError, match="the disk is full"):
        await bench.send(write)
    assert bench.received == ([ENABLE] if kind is WriteKind.RELEASE else [])


async def test_a_failure_is_journalled_with_every_field_and_stops_its_device() -> None:
    bench = Bench()
    bench.devices["cdu-1"].refuse.add(SETPOINT)
    one, other = await bench.send(setpoint(), enable())
    assert (one.ok, one.left) == (False, True)
    assert (other.ok, other.left) == (False, False)
    assert other.error == f"not sent after {SETPOINT} failed"
    failed = [data for _, kind, data in bench.journal.records if kind == "write_failed"]
    assert failed == [
        {
            "kind": WriteKind.SETPOINT,
            "device": "cdu-1",
            "tag": SETPOINT,
            "raw": "0bb8",
            "left": True,
            "error": one.error,
        },
        {
            "kind": WriteKind.ENABLE,
            "device": "cdu-1",
            "tag": ENABLE,
            "raw": "0001",
            "left": False,
            "error": other.error,
        },
    ]
    assert one.error
    assert bench.gate.counts == {"failed": 2}


async def test_writes_of_one_device_that_succeed_follow_one_another() -> None:
    bench = Bench()
    assert all(each.ok for each in await bench.send(setpoint(), enable(), setpoint(31.0)))
    assert bench.received == [SETPOINT, ENABLE, SETPOINT]
    assert "failed" not in bench.gate.counts


async def test_heartbeats_come_first_of_a_mixture_however_many_writes_follow() -> None:
    bench = Bench()
    await bench.send(setpoint(), beat(), enable())
    assert [kind for _, kind, _ in bench.journal.records] == ["heartbeats", "write", "write"]


def test_what_was_not_sent_has_no_bytes_and_no_error_of_its_own() -> None:
    assert Sent(setpoint(), ok=False) == Sent(setpoint(), False, b"", False, "")


def test_a_permit_lasts_five_seconds() -> None:
    assert write_gate.PERMIT_S == 5.0
