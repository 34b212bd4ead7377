"""Reports of finished runs, on a run's folder that is made by hand from known figures."""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.evaluation import EvaluationError, Report, build_report, headline, write_report
from controller.evaluation.report import TIMINGS
from safety.journal import Journal
from sim.accounts import compared_energy_kwh
from tests.finished_run import (
    ARMED_AFTER_S,
    COOLING_KWH,
    END_S,
    START_S,
    accounts,
    as_json,
    dump,
    lay_run,
    line,
)


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of the run's folder that a test may spoil."""
    return Path(shutil.copytree(finished, tmp_path / "out"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run in automatic mode, with every file in place."""
    out = tmp_path_factory.mktemp("evaluation") / "out"
    lay_run(out)
    return out


@pytest.fixture(scope="module")
def report(finished: Path) -> Report:
    """The report of the run as it is."""
    return build_report(finished)


def edit_lines(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(change(lines)) + "\n", encoding="utf-8")


def test_energy_is_as_the_simulators_own_arithmetic_has_it(report: Report) -> None:
    for variant in COOLING_KWH:
        expected = compared_energy_kwh(accounts(variant), accounts("fixed"))
        assert report["energy_kwh"][variant] == pytest.approx(expected, abs=1e-5)
    # By hand: 800 kWh of cooling, 10 kWh more IT, 50 kWh of heat left at 800/20610 each.
    assert report["energy_kwh"]["isotherm"] == pytest.approx(810.0 + 50.0 * 800.0 / 20_610.0)
    assert report["energy_kwh"]["fixed"] == pytest.approx(1_100.0)


def test_promised_names_are_there_for_every_variant(report: Report) -> None:
    for name in (
        *("energy_kwh", "it_energy_kwh", "pue", "limit_violation_degree_minutes"),
        "peak_excess_k",
    ):
        assert set(report[name]) == {"isotherm", "guideline36", "fixed"}
    assert report["pue"]["isotherm"] == pytest.approx(1.0 + 800.0 / 20_010.0, abs=1e-6)
    assert report["ticks"] == 24
    assert report["fallbacks"] == 1
    assert report["tick_seconds_p50"] == 0.21
    assert report["tick_seconds_p95"] == 0.4
    assert report["fallback_ticks"][0]["why"] == "piqp: solved, r08b above its limit"
    assert report["hottest"]["isotherm"]["room_k"] > 0.0


def test_saving_is_told_against_both_baselines(report: Report) -> None:
    saving = report["saving"]
    own = 810.0 + 50.0 * 800.0 / 20_610.0
    tuned = 864.0 + 20.0 * 860.0 / 20_604.0
    assert saving["guideline36"]["kwh"] == pytest.approx(tuned - own, abs=1e-5)
    assert saving["guideline36"]["pct"] == pytest.approx(100.0 * (1.0 - own / tuned), abs=1e-5)
    assert saving["fixed"]["pct"] == pytest.approx(100.0 * (1.0 - own / 1_100.0), abs=1e-5)
    assert saving["fixed"]["carbon_kg"] == pytest.approx(0.34 * (1_100.0 - own), abs=1e-4)


def test_writes_are_counted_in_both_books(report: Report) -> None:
    writes = report["writes"]
    beats = int((END_S - START_S - ARMED_AFTER_S) / 3.0)
    assert (writes["count"], writes["refused"], writes["limited"]) == (1, 2, 1)
    assert writes["refused_by_check"] == {"stale": 2}
    assert writes["limited_by_check"] == {"rate": 1}
    assert writes["by_kind"]["heartbeat"] == beats * 29
    assert writes["device_recorded"] == beats * 29 + 29 + 1
    assert writes["device_recorded_by_kind"]["enable"] == 29


def test_held_share_counts_from_the_devices_own_record(report: Report) -> None:
    # Armed after two minutes of half an hour, and held to the end.
    assert report["actuator_hours_held_share"] == pytest.approx(1.0 - 120.0 / 1800.0, abs=1e-6)


def test_books_that_agree_are_said_to(report: Report) -> None:
    assert report["journal_valid"]
    assert report["journal_agrees_with_recorder"]
    assert report["journal_comparison"]["differences"] == 0


def test_a_write_that_the_gateway_did_not_tell_is_found(run: Path) -> None:
    extra = line(START_S + 600.0, "cdu05", "cdu05.tcs_flow_setpoint", "41200000", "setpoint", 10.0)

    def change(lines: list[str]) -> list[str]:
        return sorted([*lines, json.dumps(extra)], key=lambda text: json.loads(text)["time_s"])

    edit_lines(run / "isotherm" / "recorder.jsonl", change)
    report = build_report(run)
    assert not report["journal_agrees_with_recorder"]
    assert report["journal_comparison"]["differences"] == 1
    (first,) = report["journal_comparison"]["first"]
    assert "cdu05.tcs_flow_setpoint bytes 41200000" in first
    assert "not in the journal" in first


def test_a_write_that_never_arrived_and_other_bytes_are_found(run: Path) -> None:
    def change(lines: list[str]) -> list[str]:
        lines[40] = lines[40].replace('"raw": "00', '"raw": "ff')
        return lines[:100] + lines[101:]

    edit_lines(run / "isotherm" / "recorder.jsonl", change)
    comparison = build_report(run)["journal_comparison"]
    assert comparison["differences"] == 2
    assert "received where the journal has" in comparison["first"][0]
    assert "never received" in comparison["first"][1]


def test_a_damaged_journal_is_named_and_agrees_with_nothing(run: Path) -> None:
    def change(lines: list[str]) -> list[str]:
        return [*lines[:50], lines[50].replace('"0', '"1', 1), *lines[51:]]

    edit_lines(run / "gateway" / "journal.jsonl", change)
    report = build_report(run)
    assert not report["journal_valid"]
    assert not report["journal_agrees_with_recorder"]
    assert "record 51" in report["journal_damage"]
    assert "damaged" in headline(report)


def test_throttled_work_fails_a_run_however_much_it_saved(run: Path) -> None:
    data = as_json(accounts("isotherm")) | {"throttled_kwh": 12.0, "writes": {"requests": {}}}
    dump(run / "isotherm" / "accounts.json", data)
    report = build_report(run)
    safe = report["verdicts"][1]
    assert not safe["good"]
    assert "12.0 kWh of IT work were throttled" in safe["text"]


def test_shadow_that_wrote_is_not_as_it_should_be(run: Path) -> None:
    arguments = json.loads((run / "run.json").read_text(encoding="utf-8"))
    dump(run / "run.json", arguments | {"mode": "shadow"})
    held = build_report(run)["verdicts"][2]
    assert not held["good"]
    assert "should have had none" in held["text"]


def test_shadow_without_a_byte_says_so(run: Path) -> None:
    arguments = json.loads((run / "run.json").read_text(encoding="utf-8"))
    dump(run / "run.json", arguments | {"mode": "shadow"})
    (run / "isotherm" / "recorder.jsonl").write_text("", encoding="utf-8")
    for path in (run / "gateway").iterdir():
        path.unlink()
    Journal.open(run / "gateway" / "journal.jsonl", START_S).close()
    report = build_report(run)
    assert report["writes"]["device_recorded"] == 0
    assert report["actuator_hours_held_share"] == 0.0
    assert report["verdicts"][2]["good"]


def test_a_killed_controller_still_gets_its_report(run: Path) -> None:
    (run / "controller" / "summary.json").unlink()
    report = build_report(run)
    assert (report["ticks"], report["fallbacks"]) == (24, 1)
    assert report["tick_seconds_p50"] == pytest.approx(0.2)
    assert not report["controller_came_to_its_end"]


@pytest.mark.parametrize(
    "name",
    ["run.json", "fixed/accounts.json", "guideline36/truth.parquet", "isotherm/recorder.jsonl"],
)
def test_a_missing_file_is_named(run: Path, name: str) -> None:
    (run / name).unlink()
    with pytest.raises(EvaluationError, match=re.escape(name)):
        build_report(run)


def test_accounts_that_lack_a_figure_are_named(run: Path) -> None:
    data = as_json(accounts("fixed"))
    del data["heat_kwh"]
    dump(run / "fixed" / "accounts.json", data)
    with pytest.raises(EvaluationError, match=r"fixed/accounts\.json has no 'heat_kwh'"):
        build_report(run)


def test_the_same_files_give_the_same_report(run: Path) -> None:
    first = write_report(run)
    page = (run / "report.html").read_bytes()
    second = write_report(run)
    assert {k: v for k, v in first.items() if k not in TIMINGS} == {
        k: v for k, v in second.items() if k not in TIMINGS
    }
    assert (run / "report.html").read_bytes() == page
    assert json.loads((run / "report.json").read_text(encoding="utf-8")) == second


def test_the_page_stands_alone_and_leads_with_the_answers(run: Path) -> None:
    report = write_report(run)
    page = (run / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)=["']|url\(|@import""", page)
    assert page.index("What did it save?") < page.index("Accounts") < page.index("<figure")
    assert page.count("<figure") >= 12
    for text in ("limit 80 °C", "PUE", "kW", "too fast", "Guideline 36"):
        assert text in page
    assert not re.search(r"\bnan\b|\bNone\b", page)
    for verdict in report["verdicts"]:
        assert html.escape(verdict["text"]) in page
