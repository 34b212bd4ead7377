"""A stage request on its whole way: gateway, envelope, bytes, sequencer, chiller, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from facility.commands import Command, Decision, Move, Origin, Receipt, WriteResult
from facility.site import Site
from sim.simulation import Simulation
from tests.campus_hall import Hall, warm_campus

STAGE = "cool.chiller_stage_setpoint"
DWELL_S = 900
SETTLE_S = 700
"""Start, least time off, and isolation valve of a chiller."""


@pytest.fixture(scope="module")
def warm() -> tuple[Site, Simulation]:
    return warm_campus("guideline36", 27.0, 20.0, "campus-stages")


@pytest.fixture
def hall(warm: tuple[Site, Simulation], tmp_path: Path) -> Iterator[Hall]:
    """The hall with its sequencer held at the stage that it runs: one chiller."""
    found = Hall.under(warm[0], warm[1].copy(), tmp_path / "recorder.jsonl")
    assert running(found) == 1
    (receipt,) = found.hold(device="sequencer").values()
    assert receipt.result is WriteResult.UNCHANGED
    found.run(DWELL_S)  # machines seen for the first time may have started just now
    assert found.remote() == {"sequencer"}
    yield found
    found.recorder.close()


def running(hall: Hall) -> int:
    shown = (hall.plant.read(f"{chiller}.running").value or 0.0 for chiller in hall.site.chillers)
    return sum(value > 0.5 for value in shown)


def run_stage(hall: Hall) -> float | None:
    return hall.plant.read("cool.chiller_stage").value


def ask(hall: Hall, value: float, origin: Origin = Origin.PERSON) -> Receipt:
    hall.number += 1
    now_s = hall.now_s
    present = hall.plant.read("cool.chiller_stage_setpoint_in_force").value or 0.0
    made = Decision(
        f"s{hall.number}", "p", "h", origin, "Ada", "to see",
        (Move(STAGE, present, value),), now_s, now_s + 600.0,
    )  # fmt: skip
    hall.gateway.register(made)
    command = Command(f"c.{hall.number}", STAGE, value, origin, made.id, "h", now_s, now_s + 60.0)
    (receipt,) = hall.gateway.command([command])
    return receipt


def bytes_received(hall: Hall, tmp_path: Path) -> list[str]:
    hall.recorder.flush()
    lines = (tmp_path / "recorder.jsonl").read_text(encoding="utf-8").splitlines()
    return [line["raw"] for line in map(json.loads, lines) if line["tag"] == STAGE]


def test_a_request_starts_a_chiller_and_another_stops_it(hall: Hall, tmp_path: Path) -> None:
    assert ask(hall, 2.0).result is WriteResult.WRITTEN
    hall.run(DWELL_S + SETTLE_S)
    assert (run_stage(hall), running(hall)) == (2.0, 2)
    assert ask(hall, 1.0).result is WriteResult.WRITTEN
    hall.run(DWELL_S + SETTLE_S)
    assert (run_stage(hall), running(hall)) == (1.0, 1)
    # One register of 16 bits, high byte first: the preload at arming, then 2, then 1.
    assert bytes_received(hall, tmp_path) == ["0001", "0002", "0001"]


def test_what_the_envelope_refuses_sends_no_byte(hall: Hall, tmp_path: Path) -> None:
    before = bytes_received(hall, tmp_path)
    for value in (0.0, 1.5, 5.6, -3.0):
        receipt = ask(hall, value)
        assert receipt.written is None or receipt.written in (1.0, 2.0), receipt
        assert value != 1.5 or receipt.verdict.check == "whole_number"
    assert ask(hall, 2.0).written in (2.0, None)
    hall.run(DWELL_S + SETTLE_S)
    hall.plant.set_contact("chiller5.available", 0.0)  # with one more lost, too little is left
    hall.run(12)
    receipt = ask(hall, 1.0)
    assert (receipt.result, receipt.verdict.check) == (
        WriteResult.REFUSED,
        "redundancy_chillers_of_cool",
    )
    sent = bytes_received(hall, tmp_path)[len(before) :]
    assert set(sent) <= {"0002"}


def test_a_machine_that_has_just_changed_is_left_alone(hall: Hall) -> None:
    assert ask(hall, 2.0).result is WriteResult.WRITTEN
    hall.run(120)
    receipt = ask(hall, 3.0)
    assert receipt.result in (WriteResult.REFUSED, WriteResult.WRITTEN)
    hall.run(DWELL_S + 60)
    assert running(hall) >= 2
    just_now = ask(hall, 1.0)
    if just_now.result is WriteResult.REFUSED:
        assert just_now.verdict.check in ("min_on", "rate", "start_to_start")


def test_given_back_the_sequencer_carries_on_by_itself(hall: Hall) -> None:
    assert ask(hall, 2.0).result is WriteResult.WRITTEN
    hall.run(DWELL_S + SETTLE_S)
    assert run_stage(hall) == 2.0
    hall.gateway.release("to see")
    hall.run(30)
    assert hall.remote() == set()
    assert run_stage(hall) == 2.0  # nothing moved
    hall.run(3 * DWELL_S)
    assert run_stage(hall) == 1.0  # one is enough, by its own rules


def test_a_client_that_dies_leaves_the_sequencer_in_charge(hall: Hall) -> None:
    assert ask(hall, 2.0).result is WriteResult.WRITTEN
    hall.run(DWELL_S + SETTLE_S)
    hall.run(60, client_lives=False)
    assert hall.remote() == set()
    hall.run(3 * DWELL_S, client_lives=False)
    assert run_stage(hall) == 1.0
