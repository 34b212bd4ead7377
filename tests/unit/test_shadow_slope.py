"""How much of the change that a model expects of moved setpoints came."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from controller.evaluation.shadow.slope import slope
from models.contract import Array

MINUTES = 3 * 1440


@dataclass(frozen=True)
class Plant:
    """A plant that cools more at noon, when the load is high, and at times of its own."""

    times_s: Array
    load_kw: Array
    """Cooling power that load and weather ask for, kW."""
    moves_kw: Array
    """What its moves add, with a mean of 0 over each day."""

    @classmethod
    def of_days(cls, *, own_moves: float = 20.0) -> Plant:
        times_s = 1_720_051_200.0 + 60.0 * np.arange(MINUTES, dtype=np.float64)
        noon = np.sin(2.0 * np.pi * times_s / 86_400.0)
        own = np.sign(np.sin(2.0 * np.pi * times_s / 7200.0))
        return cls(times_s, 400.0 + 80.0 * noon, 15.0 * noon + own_moves * own)

    def found(self, *, load: float = 1.0, moves: float = 1.0, seed: int = 1) -> float | None:
        """Where the model expects ``load`` and ``moves`` of the swing that comes."""
        noise = np.random.default_rng(seed).normal(0.0, 10.0, MINUTES)
        still = 400.0 + load * (self.load_kw - 400.0)
        return slope(
            self.times_s, self.load_kw + self.moves_kw + noise, still + moves * self.moves_kw, still
        )


def test_a_model_that_is_right_finds_one() -> None:
    assert Plant.of_days().found() == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("moves", [0.5, 2.0])
def test_moves_that_the_model_expects_half_or_double_of_are_found(moves: float) -> None:
    assert Plant.of_days().found(moves=moves) == pytest.approx(1.0 / moves, rel=0.05)


@pytest.mark.parametrize("load", [0.6, 1.4])
def test_what_is_wrong_of_the_load_is_not_laid_on_the_moves(load: float) -> None:
    """Moves go with the load in part, so that against it alone they would seem twice as strong."""
    assert Plant.of_days().found(load=load) == pytest.approx(1.0, abs=0.05)


def test_a_plant_that_moves_with_the_load_alone_teaches_nothing() -> None:
    assert Plant.of_days(own_moves=0.0).found() is None
