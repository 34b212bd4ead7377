"""The archive of ticks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from controller.records import TickRecord
from controller.storage.ports import Kind, StorageError
from controller.storage.records import LocalRecords
from controller.storage.ticks import FolderBodies, TickArchive
from facility.commands import Mode
from facility.wire import dumps, from_wire
from tests.controller_fakes import CDU_SETPOINT, START_S, proposal


def tick(number: int = 1) -> TickRecord:
    return TickRecord(
        number=number,
        time_s=START_S,
        site_hash="s",
        model_version="m",
        modes={CDU_SETPOINT: Mode.ADVISORY},
        readings={},
        held={},
        overrides=(),
        request=None,
        outcome=None,
        proposal=proposal(),
        is_new=True,
        decision=None,
        commands=(),
        receipts=(),
        note="not planned",
        seconds={"plan": 0.25},
    )


def test_a_tick_comes_back_whole(tmp_path: Path) -> None:
    records = LocalRecords(tmp_path / "records.db")
    archive = TickArchive(FolderBodies(tmp_path / "ticks"), records)
    entry = archive.keep(tick())
    assert entry["file"] == "2024-04-07/000001.20240407T000000Z.json.gz"
    text = archive.read(entry["id"])
    assert text == dumps(tick())
    assert from_wire(TickRecord, json.loads(text)) == tick()
    assert records.find(Kind.TICK)[0].state == "fallback"
    assert archive.read("nothing") is None


def test_the_same_tick_twice_is_a_fault_that_names_the_mend(tmp_path: Path) -> None:
    archive = TickArchive(FolderBodies(tmp_path / "ticks"), LocalRecords(tmp_path / "records.db"))
    archive.keep(tick())
    with pytest.raises(StorageError, match="own --state"):
        archive.keep(tick())
