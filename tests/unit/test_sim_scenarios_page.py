"""docs/simulator.md: what it shows runs as it is shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sim.plant.climates import CLIMATES
from sim.plant.shapes import MIXES
from sim.scenarios import prepare, read

PAGE = Path(__file__).parents[2] / "docs" / "simulator.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_every_example_runs(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(blocks("python")[number], f"{PAGE.name}:{number}", "exec"), {})
    assert capsys.readouterr().out


def test_the_file_of_one_s_own_is_a_scenario(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(blocks("toml")[0], encoding="utf-8")
    ready = prepare(read(path))
    assert ready.faults[0].kind == "pump_trip"
    assert ready.faults[0].start_s == ready.start_s + 5400.0


def test_mixes_and_climates_that_the_page_names_are_there() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert all(name in text for name in MIXES)
    assert "hot_humid" in CLIMATES
