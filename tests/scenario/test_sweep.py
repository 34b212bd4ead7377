"""Sweeps: resumable, the same table on processes and on Ray, a killed worker loses nothing."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from controller.cli import main
from controller.sweep import (
    Engine,
    LocalEngine,
    RayEngine,
    SweepError,
    Task,
    read_plan,
    run_sweep,
    table,
)

HERE = "tests.scenario.test_sweep"


def double(value: int) -> dict[str, int]:
    """A task's function."""
    return {"value": value, "double": 2 * value}


def dies_once(mark: str, value: int) -> dict[str, int]:
    """Kills its own process the first time."""
    path = Path(mark)
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return double(value)


def raises(value: int) -> None:
    """A task that cannot succeed."""
    raise ValueError(f"{value} is not to be had")


def tasks(count: int = 4) -> list[Task]:
    return [Task(f"t{k}", f"{HERE}:double", {"value": k}) for k in range(count)]


@pytest.fixture(params=["local", "ray"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    return LocalEngine(2) if request.param == "local" else RayEngine(workers=2)


def test_results_come_in_the_order_of_the_tasks_and_a_killed_worker_is_tried_again(
    engine: Engine, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    victim = Task("victim", f"{HERE}:dies_once", {"mark": str(mark), "value": 7})
    done = run_sweep([*tasks(), victim], tmp_path / "out", engine)
    assert list(done) == ["t0", "t1", "t2", "t3", "victim"]
    assert done["t3"] == {"value": 3, "double": 6}
    assert done["victim"] == {"value": 7, "double": 14}
    assert mark.exists()


def test_what_fails_is_told_with_its_reason_and_the_rest_is_kept(
    engine: Engine, tmp_path: Path
) -> None:
    bad = Task("bad", f"{HERE}:raises", {"value": 5})
    with pytest.raises(SweepError) as caught:
        run_sweep([*tasks(2), bad], tmp_path, engine)
    assert "bad: ValueError: 5 is not to be had" in str(caught.value)
    assert sorted(p.name for p in tmp_path.glob("*.json")) == ["t0.json", "t1.json"]


class Refusing:
    """An engine that must not be asked."""

    def run(self, _tasks: object) -> None:
        """Nothing is left to run."""
        raise AssertionError


def test_a_sweep_that_is_done_is_read_and_another_question_is_asked_anew(tmp_path: Path) -> None:
    first = run_sweep(tasks(2), tmp_path, LocalEngine(1))
    assert run_sweep(tasks(2), tmp_path, Refusing()) == first  # type: ignore[arg-type]  # not asked
    other = [Task("t0", f"{HERE}:double", {"value": 9})]
    assert run_sweep(other, tmp_path, LocalEngine(1))["t0"] == {"value": 9, "double": 18}
    (tmp_path / "t0.json").write_text("damaged")
    assert run_sweep(other, tmp_path, LocalEngine(1))["t0"]["double"] == 18


def test_two_tasks_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SweepError, match="same name: t0"):
        run_sweep([*tasks(1), *tasks(1)], tmp_path, LocalEngine(1))


def test_a_file_of_scenarios_becomes_a_table(tmp_path: Path) -> None:
    plan = tmp_path / "sweep.toml"
    plan.write_text('scenarios = ["campus-spring"]\nseeds = [1, 2]\nhours = 0.1\n')
    assert main(["sweep", str(plan), "--out", str(tmp_path / "out"), "--workers", "1"]) == 0
    lines = (tmp_path / "out" / "table.csv").read_text().splitlines()
    assert len(lines) == 5
    assert lines[1].startswith("campus-spring_guideline36_1,")
    assert "energy_kwh.chillers" in lines[0]
    results = run_sweep(read_plan(plan).tasks(), tmp_path / "out" / "runs", LocalEngine(1))
    assert list(table(results).index)[-1] == "campus-spring_fixed_2"


def test_every_mistake_of_a_file_is_told(tmp_path: Path) -> None:
    plan = tmp_path / "sweep.toml"
    plan.write_text('scenario = ["x"]\nseeds = ["a"]\nhours = 0\n')
    with pytest.raises(SweepError) as caught:
        read_plan(plan)
    for words in ("scenario is not known", "seeds has to be a list of integers", "hours has to be"):
        assert words in str(caught.value)
    plan.write_text('scenarios = ["campus-sprung"]\ncontrols = ["isotherm", "none"]\n')
    with pytest.raises(SweepError) as caught:
        read_plan(plan)
    for words in ("campus-sprung", "no control 'none'", "needs model"):
        assert words in str(caught.value)
