"""The learned thermal model and forecasts as estimation asks them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from controller.estimation.forecasts import Outlook
from facility.site import Site
from models import dataset, forecast
from models.contract import Array
from models.fit_power import plant_meters, unit_meters
from models.layout import Layout
from models.power_features import BLOCK_ROWS, rest_of
from models.registry import Bundle
from models.state import ThermalState

FACTOR_ROWS = 30
FACTOR_RANGE = (0.4, 2.5)
FACTOR_PRIOR_SHARE = 0.03
"""Of the cooling's power: a component so small is believed half and half."""


class LearnedEstimator:
    """An `Estimator` over a trained bundle."""

    def __init__(self, site: Site, bundle: Bundle) -> None:
        self._site, self._thermal, self._power = site, bundle.thermal, bundle.power
        self._meters = {**plant_meters(site), **unit_meters(site)}

    def start(self, frame: pd.DataFrame) -> ThermalState:
        """A state at the end of a frame."""
        return self._thermal.start(self._site, frame)

    def follow(self, state: ThermalState, frame: pd.DataFrame) -> ThermalState:
        """Minute by minute through a frame, corrected by what was measured in each."""
        history = minutes_of(self._site, frame, self._thermal.layout)
        for i in range(history.rows):
            state = self._thermal.correct(
                state, history.inputs(i, i + 1), history.supply_c[i], history.limited_c[i]
            )
        return state

    def power_factors(self, frame: pd.DataFrame) -> Mapping[str, float]:
        """Measured over expected power by component, over the last half hour.

        Corrects what a static model learned elsewhere misses here (fouling, staging, weather
        it has not seen), and its slopes with it; within a factor of `FACTOR_RANGE`, and less
        the smaller a component is, since a ratio of small numbers says little, and the more the
        plant's water moves: fans that pull it down run faster than fans that hold it. Expected
        is the power at the supplies as they are, not as they are set. Minutes in which either is
        unknown (a silent meter, a gap in load or weather) tell nothing; a component without any
        other has no factor.
        """
        recent = frame.iloc[-FACTOR_ROWS:]
        if len(recent) < 2:
            return {}
        history = dataset.History.of(self._site, recent, self._thermal.layout)
        inputs = history.inputs(0, history.rows)
        reached = self._power.layout.reached(history)
        expected = self._power.predict(replace(inputs, setpoints=reached))
        told = {name: np.isfinite(values) for name, values in expected.items()}
        total_kw = sum(
            float(values[told[name]].mean())
            for name, values in expected.items()
            if told[name].any()
        )
        rest = np.repeat(rest_of(history), BLOCK_ROWS)
        weight = np.append(rest, np.full(history.rows - len(rest), rest[-1] if len(rest) else 1.0))
        found = {}
        for name, tags in self._meters.items():
            measured = [history.meters[tag] for tag in tags if tag in history.meters]
            if name not in expected or len(measured) < len(tags) or not tags:
                continue
            kw = np.sum(measured, axis=0)
            known = np.isfinite(kw) & told[name]
            if not known.any():
                continue
            prior_kw = FACTOR_PRIOR_SHARE * total_kw
            of_rest = weight[known]
            seen_kw = (kw[known] * of_rest).mean() + prior_kw
            ratio = seen_kw / ((expected[name][known] * of_rest).mean() + prior_kw)
            found[name] = round(float(np.clip(ratio, *FACTOR_RANGE)), 4)
        return found

    def to_text(self, state: ThermalState) -> str:
        """The state as text for a record."""
        return json.dumps(state.to_json(), separators=(",", ":"))

    def time_s(self, state: ThermalState) -> float:
        """The moment that a state is of."""
        return state.time_s


def minutes_of(site: Site, frame: pd.DataFrame, layout: Layout) -> dataset.History:
    """The rows of a frame, a single one too, as arrays.

    Raises
    ------
    DatasetError
        The frame is no history of the site.
    """
    # Two rows are the least that makes a table; the first of a single one is repeated before.
    padded = frame
    if len(frame) == 1:
        earlier = frame.copy()
        earlier.index = pd.DatetimeIndex(frame.index) - pd.Timedelta(seconds=dataset.STEP_S)
        padded = pd.concat([earlier, frame])
    history = dataset.History.of(site, padded, layout)
    return history.part(history.rows - len(frame), history.rows)


class LearnedForecaster:
    """A `Forecaster` over a trained bundle; it sees only the frame that it is given."""

    def __init__(self, site: Site, bundle: Bundle) -> None:
        self._site, self._bundle = site, bundle

    def outlook(self, frame: pd.DataFrame, start_s: float, step_s: float, steps: int) -> Outlook:
        """Expected load and weather."""
        load = forecast.forecast_load(
            self._bundle.load_model, self._site, frame, start_s=start_s, step_s=step_s, steps=steps
        )
        weather = forecast.forecast_weather(
            self._bundle.weather_model,
            self._site,
            frame,
            start_s=start_s,
            step_s=step_s,
            steps=steps,
        )

        def median(name: str) -> Array:
            return weather[name].at(0.5)

        return Outlook(
            it_power_kw=load.at(0.5),
            wet_bulb_c=median("wet_bulb_c"),
            dry_bulb_c=median("dry_bulb_c"),
        )
