"""The benchmarks' harness: goals, `--json` as one object, studies, and the page's own text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as command
from benchmarks import document, harness, registry
from benchmarks.harness import Bench, BenchmarkError, Measure
from benchmarks.machine import machine, versions


def bench(work: Path, *, full: bool) -> Bench:
    return Bench("trial", full, work, lambda _text: None)


def result(**changes: Any) -> dict[str, Any]:
    measure = Measure("speed", 7300.0, "x real time", 5000.0, "at_least", how="a|b")
    return {
        "benchmark": "trial",
        "about": "A trial.",
        "full": False,
        "measures": [measure.to_json()],
        "machine": machine(),
        "versions": versions(),
        "seconds": 1.5,
        "scope": "nothing",
    } | changes


@pytest.mark.parametrize(
    ("value", "goal", "relation", "met"),
    [
        (0.03, 0.03, "at_least", True),
        (0.0299, 0.03, "at_least", False),
        (0.001, 0.001, "at_most", True),
        (0.0011, 0.001, "at_most", False),
        (5.0, None, "report", None),
    ],
)
def test_a_goal_is_met_at_its_edge(value: float, goal: Any, relation: Any, met: Any) -> None:
    assert Measure("m", value, "1", goal, relation, how="so").met is met


@pytest.mark.parametrize(
    "arguments",
    [
        {"value": float("nan"), "how": "so"},
        {"value": 1.0, "goal": 2.0, "how": "so"},
        {"value": 1.0, "relation": "at_most", "how": "so"},
        {"value": 1.0, "relation": "about", "goal": 1.0, "how": "so"},
        {"value": "fast", "relation": "at_most", "goal": 1.0, "how": "so"},
        {"value": 1.0},
    ],
)
def test_a_figure_that_would_mislead_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="m: "):
        Measure("m", unit="1", **arguments)


def test_json_is_one_object_even_where_the_benchmark_prints(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def measure(_bench: Bench) -> Iterator[Measure]:
        print("chatter")
        yield Measure("m", 1.0, "s", how="so")

    chosen = registry.Benchmark("trial", "A trial.", True)
    monkeypatch.setattr(registry.Benchmark, "load", lambda _self: (measure, "a scope"))
    monkeypatch.setattr(command, "named", lambda _names: (chosen,))
    assert command.main(["trial", "--json", "--work", str(tmp_path)]) == 0
    data = json.loads(capfd.readouterr().out)
    assert set(data) >= {"benchmark", "measures", "machine", "versions", "seconds", "scope"}
    assert data["measures"] == [
        {
            "name": "m",
            "value": 1.0,
            "unit": "s",
            "goal": None,
            "relation": "report",
            "met": None,
            "how": "so",
        }
    ]


def test_a_missed_goal_fails_only_where_that_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def measure(_bench: Bench) -> Iterator[Measure]:
        yield Measure("m", 2.0, "s", 1.0, "at_most", how="so")

    chosen = registry.Benchmark("trial", "A trial.", True)
    monkeypatch.setattr(registry.Benchmark, "load", lambda _self: (measure, "a scope"))
    monkeypatch.setattr(command, "named", lambda _names: (chosen,))
    assert command.main(["trial", "--work", str(tmp_path)]) == 0
    assert command.main(["trial", "--check", "--work", str(tmp_path)]) == 1


def test_a_benchmark_that_breaks_is_told_and_fails(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def measure(bench: Bench) -> Iterator[Measure]:
        if bench.full is False:
            raise BenchmarkError("there is no trace: put one beside the checkout")
        yield Measure("m", 1.0, "s", how="so")

    chosen = registry.Benchmark("trial", "A trial.", True)
    monkeypatch.setattr(registry.Benchmark, "load", lambda _self: (measure, "a scope"))
    monkeypatch.setattr(command, "named", lambda _names: (chosen,))
    assert command.main(["trial", "--json", "--work", str(tmp_path)]) == 1
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "there is no trace" in captured.err


def test_an_unknown_name_gets_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["nonesuch"]) == 2
    text = capsys.readouterr().err
    assert "nonesuch" in text
    assert "foundation" in text


def test_every_benchmark_says_what_it_is_about() -> None:
    found = registry.benchmarks()
    assert {"foundation", "sim"} <= set(found)
    assert all(benchmark.about.endswith(".") for benchmark in found.values())


def test_a_study_goes_on_where_it_stopped(tmp_path: Path) -> None:
    asked = []

    def compute() -> list[int]:
        asked.append(1)
        return [1, 2]

    assert bench(tmp_path, full=True).step("a", {"n": 1}, compute) == [1, 2]
    assert bench(tmp_path, full=True).step("a", {"n": 1}, compute) == [1, 2]
    assert len(asked) == 1
    bench(tmp_path, full=True).step("a", {"n": 2}, compute)
    assert len(asked) == 2


@pytest.mark.parametrize("name", ["sim/plant.py", "sim/library/summer.toml"])
def test_a_study_is_computed_anew_where_code_or_a_scenario_changed(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(harness, "ROOT", tmp_path / "project")
    path = tmp_path / "project" / name
    path.parent.mkdir(parents=True)
    answers: list[int] = []
    for text in ("a = 1\n", "a = 1\n", "a = 2\n"):
        path.write_text(text, encoding="utf-8")
        answers.append(bench(tmp_path, full=True).step("a", {}, lambda: len(answers)))
    assert answers == [0, 0, 2]


def test_a_default_run_measures_anew(tmp_path: Path) -> None:
    asked = []
    bench(tmp_path, full=True).step("a", {}, lambda: asked.append(1))
    bench(tmp_path, full=False).step("a", {}, lambda: asked.append(1))
    assert len(asked) == 2


def test_what_is_not_of_the_machine_is_kept_in_a_default_run_too(tmp_path: Path) -> None:
    def step() -> Any:
        answers = iter([1, 2])
        kept = bench(tmp_path, full=False)
        return [
            kept.step("a", {"x": 1}, lambda: next(answers), of_the_machine=False) for _ in range(2)
        ]

    assert step() == [1, 1]


def test_ablations_are_for_one_benchmark_that_has_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert registry.benchmarks()["control"].has_ablations
    for arguments in (["--ablations"], ["tick", "--ablations"]):
        with pytest.raises(SystemExit) as stopped:
            command.main(arguments)
        assert stopped.value.code == 2
        assert "goes with one benchmark that has parts to take away: control" in (
            capsys.readouterr().err
        )


def test_a_step_that_was_torn_is_computed_again(tmp_path: Path) -> None:
    bench(tmp_path, full=True).step("a", {}, lambda: 1)
    path = tmp_path / "a.json"
    path.write_text(path.read_text(encoding="utf-8")[:20], encoding="utf-8")
    assert bench(tmp_path, full=True).step("a", {}, lambda: 2) == 2


def test_the_page_keeps_every_hand_written_word() -> None:
    page = document.renew("# Ours\n\nFirst words.\n", {"trial": result()})
    page = page.replace("# Ours", "# Ours, edited") + "\nLast words.\n"
    again = document.renew(page, {"trial": result(seconds=99.0), "other": result()})
    assert again.startswith("# Ours, edited\n\nFirst words.\n")
    assert "Last words." in again
    assert "taken in 99 s" in again
    assert "taken in 2 s" not in again.split("<!-- begin other")[0]
    assert again.count("<!-- begin trial") == again.count("<!-- end trial -->") == 1
    assert document.renew(again, {}) == again


def test_a_row_shows_value_goal_and_how() -> None:
    assert "| speed | 7,300 | x real time | ≥ 5,000 | yes | a\\|b |" in document.section(result())


def test_damaged_markers_leave_the_page_alone() -> None:
    page = document.renew("", {"trial": result()}).replace("<!-- end trial -->", "")
    with pytest.raises(document.DocumentError, match="end once"):
        document.renew(page, {"trial": result()})
