"""A scenario under the whole controller in one process: the same gateway, envelope and books."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from controller.authority.desk import Desk
from controller.evaluation import write_report
from controller.evaluation.files import RunFiles
from controller.evaluation.in_process import (
    BASELINES,
    InProcessError,
    _baseline,
    controlled,
    lay_site,
    run_in_process,
)
from controller.gateway_link import GatewayLink
from controller.records import TickRecord
from facility.clock import Clock
from facility.commands import Command, Decision, Mode, Move, Origin, WriteResult
from facility.site import Site
from facility.telemetry import Snapshot
from safety.journal import verify
from sim.scenarios import find, prepare

MINUTES = 8.0
ASKED_C = 100.0
"""Far beyond every range: what is written is what the envelope lets pass."""


class Greedy:
    """A step that asks every CDU for hotter water than anything allows."""

    def __init__(self, site: Site, clock: Clock, _desk: Desk, link: GatewayLink) -> None:
        self._site, self._clock, self._link = site, clock, link
        self._number = 0
        self.receipts: list[tuple[float | None, WriteResult]] = []

    def observe(self, snapshot: Snapshot) -> None:
        """Nothing to remember."""

    async def step(self, snapshot: Snapshot) -> TickRecord:
        self._number += 1
        now_s = self._clock.now_s()
        moves = tuple(
            Move(actuator.id, snapshot.good(actuator.read_back) or 0.0, ASKED_C)
            for actuator in self._site.actuators.values()
            if actuator.quantity == "tcs_supply_temperature_setpoint"
        )
        name = f"greedy-{self._number}"
        decision = Decision(
            name, name, name, Origin.OPTIMISER, "a test", "to see", moves, now_s, now_s + 900.0
        )
        commands = [
            Command(
                f"{name}-{move.actuator}",
                move.actuator,
                move.proposed,
                Origin.OPTIMISER,
                name,
                name,
                now_s,
                now_s + 60.0,
            )
            for move in moves
        ]
        record = TickRecord.empty(self._number, snapshot, self._site, "none", ())
        await self._link.decide(decision)
        receipts = await self._link.command(commands)
        self.receipts += [(receipt.written, receipt.result) for receipt in receipts]
        return dataclasses.replace(record, receipts=receipts)

    async def close(self) -> None:
        """Nothing to close."""


def run(out: Path, mode: Mode, seed: int = 1) -> tuple[dict[str, object], Greedy]:
    ready = prepare(find("campus-summer"), hours=MINUTES / 60.0, seed=seed)
    site = lay_site(ready, out)
    made: list[Greedy] = []

    def make(*parts: object) -> Greedy:
        made.append(Greedy(*parts))  # type: ignore[arg-type]  # as `controlled` hands them over
        return made[0]

    accounts = controlled(ready, site, make, out, mode, lambda _stage, _share: None)
    return dict(accounts), made[0]


@pytest.fixture(scope="module")
def automatic(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object], Greedy]:
    out = tmp_path_factory.mktemp("automatic")
    return out, *run(out, Mode.AUTOMATIC)


def test_what_no_envelope_would_let_pass_is_limited_here_too(
    automatic: tuple[Path, dict[str, object], Greedy],
) -> None:
    _, _, greedy = automatic
    written = [value for value, result in greedy.receipts if result is WriteResult.WRITTEN]
    assert written
    assert max(value for value in written if value is not None) <= 40.0  # the CDUs' maximum


def test_journal_and_devices_agree_on_every_write(
    automatic: tuple[Path, dict[str, object], Greedy],
) -> None:
    out, accounts, _ = automatic
    files = RunFiles(out)
    assert verify(files.journal) is None
    lines = [json.loads(line) for line in files.recorder.read_text().splitlines()]
    writes = accounts["writes"]
    assert isinstance(writes, dict)
    assert sum(writes["accepted"].values()) == sum(line["accepted"] for line in lines)
    assert writes["accepted"]["setpoint"] > 0
    assert accounts["seconds"] == 60.0 * MINUTES


def test_the_same_seed_gives_the_same_accounts_and_the_same_bytes_on_the_wires(
    automatic: tuple[Path, dict[str, object], Greedy], tmp_path: Path
) -> None:
    out, accounts, _ = automatic
    again, _ = run(tmp_path, Mode.AUTOMATIC)
    assert again == accounts
    assert RunFiles(tmp_path).recorder.read_bytes() == RunFiles(out).recorder.read_bytes()


def test_in_shadow_no_byte_is_sent_and_the_plant_does_as_it_would_alone(tmp_path: Path) -> None:
    accounts, greedy = run(tmp_path, Mode.SHADOW)
    assert {result for _, result in greedy.receipts} == {WriteResult.REFUSED}
    assert accounts["writes"] == {"accepted": {}, "rejected": {}, "requests": {}}
    ready = prepare(find("campus-summer"), hours=MINUTES / 60.0, seed=1)
    alone = _baseline(ready, "guideline36", tmp_path, lambda _stage, _share: None)
    for name in ("it_energy_kwh", "energy_kwh", "heat_kwh", "stored_at_end_kwh"):
        assert accounts[name] == alone[name]


def test_the_folder_of_a_run_is_one_that_the_report_is_made_from(
    automatic: tuple[Path, dict[str, object], Greedy],
) -> None:
    out, _, _ = automatic
    ready = prepare(find("campus-summer"), hours=MINUTES / 60.0, seed=1)
    for name in BASELINES:
        _baseline(ready, name, out, lambda _stage, _share: None)
    (out / "run.json").write_text(json.dumps({"mode": "automatic", "rate": None}))
    report = write_report(out)
    assert report["journal_valid"]
    assert report["hours"] == pytest.approx(MINUTES / 60.0, abs=1e-5)
    assert (out / "report.html").stat().st_size > 1000


def test_a_folder_that_holds_a_run_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(InProcessError, match="holds a run already"):
        run_in_process(prepare(find("campus-summer"), hours=0.1), tmp_path / "model", tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_a_trained_model_plans_the_same_run_twice(tmp_path: Path) -> None:
    from models.training import train
    from sim.history import record_history
    from sim.scenarios.build import reference

    site, parameters = reference("campus")
    model = tmp_path / "model"
    train(site, record_history(site, parameters, hours=16.5, seed=1), seed=1).save(model)
    ready = prepare(find("campus-summer"), hours=0.5)
    one, two = (run_in_process(ready, model, tmp_path / name) for name in ("one", "two"))
    assert one.accounts == two.accounts
    assert one.summary["ticks"] >= 5
    assert one.summary["actuator_hours_held_share"] > 0.5
    reports = [write_report(run.out) for run in (one, two)]
    assert reports[0]["writes"] == reports[1]["writes"]
