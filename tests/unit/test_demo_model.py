"""A kept model is found again by what it is of and by what taught it, not by ports."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.demo import model
from controller.demo.model import TAUGHT_BY, site_key
from sim.sites import DESIGNS
from sim.sites.writer import texts


def laid(folder: Path, port: int) -> Path:
    folder.mkdir()
    for name, text in texts(DESIGNS["campus"](), port).items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "plant.toml").write_text("seed = 1\n", encoding="utf-8")
    return folder


def test_other_ports_are_the_same_site_and_another_plant_is_not(tmp_path: Path) -> None:
    here, there = laid(tmp_path / "a", 15_000), laid(tmp_path / "b", 16_000)
    assert site_key(here) == site_key(there)
    (there / "plant.toml").write_text("seed = 2\n", encoding="utf-8")
    assert site_key(here) != site_key(there)


def test_each_source_that_teaches_is_there_and_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = laid(tmp_path / "a", 15_000)
    whole = site_key(folder)
    for left_out in TAUGHT_BY:
        rest = tuple(pattern for pattern in TAUGHT_BY if pattern != left_out)
        monkeypatch.setattr(model, "TAUGHT_BY", rest)
        assert site_key(folder) != whole, left_out
