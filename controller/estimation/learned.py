"""The learned thermal model and forecasts as estimation asks them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from controller.estimation.forecasts import Outlook
from facility.site import Site
from models import dataset, forecast
from models.contract import Array
from models.registry import Bundle
from models.state import ThermalState


class LearnedEstimator:
    """An `Estimator` over a trained bundle."""

    def __init__(self, site: Site, bundle: Bundle) -> None:
        self._site, self._thermal = site, bundle.thermal

    def start(self, frame: pd.DataFrame) -> ThermalState:
        """A state at the end of a frame."""
        return self._thermal.start(self._site, frame)

    def follow(self, state: ThermalState, frame: pd.DataFrame) -> ThermalState:
        """Minute by minute through a frame, corrected by what was measured in each."""
        # Two rows are the least that makes a table; the first of a single one is repeated before.
        padded = frame
        if len(frame) == 1:
            earlier = frame.copy()
            earlier.index = pd.DatetimeIndex(frame.index) - pd.Timedelta(seconds=dataset.STEP_S)
            padded = pd.concat([earlier, frame])
        history = dataset.History.of(self._site, padded)
        for i in range(history.rows - len(frame), history.rows):
            measured = {
                str(tag): None if np.isnan(value) else float(value)
                for tag, value in padded.iloc[i].items()
            }
            state = self._thermal.update(state, history.inputs(i, i + 1), measured)
        return state

    def to_text(self, state: ThermalState) -> str:
        """The state as text for a record."""
        return json.dumps(state.to_json(), separators=(",", ":"))

    def time_s(self, state: ThermalState) -> float:
        """The moment that a state is of."""
        return state.time_s


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
