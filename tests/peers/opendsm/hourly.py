"""OpenDSM's hourly model as a baseline, in an environment of its own: it needs an older pandas.

    python hourly.py BASELINE.csv REPORTING.csv

Tables have ``time`` (UTC), ``cooling_kw``, ``it_kw`` and ``wet_bulb_c``, a row an hour. The wet
bulb stands where the model expects the outdoor temperature, IT power is a supplemental series.
Answers JSON: how the model fits, and what the reporting period would have used.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version

import numpy as np
import pandas as pd
from opendsm.eemeter import HourlyBaselineData, HourlyModel, HourlyReportingData

SETTINGS = {
    "train_features": ["temperature"],
    "supplemental_time_series_columns": ["it_kw"],
    "seed": 1,
}


def table(path: str) -> pd.DataFrame:
    """What OpenDSM calls ``observed`` and ``temperature`` (°F), and IT power."""
    hours = pd.read_csv(path, index_col="time", parse_dates=True)
    return pd.DataFrame(
        {
            "observed": hours["cooling_kw"],
            "temperature": 32.0 + 1.8 * hours["wet_bulb_c"],
            "it_kw": hours["it_kw"],
        }
    )


def main() -> None:
    """Fit, predict, answer."""
    before, after = table(sys.argv[1]), table(sys.argv[2])
    baseline = HourlyBaselineData(before, is_electricity_data=True)
    model = HourlyModel(settings=dict(SETTINGS)).fit(baseline)
    # The baseline first: of what it knows of months a prediction keeps those alone that it met.
    within = model.predict(baseline)["predicted"].reindex(before.index)
    reporting = HourlyReportingData(after, is_electricity_data=True)
    expected = model.predict(reporting)["predicted"].reindex(after.index)
    error = before["observed"] - within
    mean = float(before["observed"].mean())
    print(
        json.dumps(
            {
                "version": version("opendsm"),
                "cv_rmse": float(np.sqrt((error**2).mean())) / mean,
                "nmbe": float(error.mean()) / mean,
                "expected_kwh": float(expected.sum()),
                "used_kwh": float(after["observed"].sum()),
                "saved_share": 1.0 - float(after["observed"].sum() / expected.sum()),
            },
            allow_nan=False,
        )
    )


if __name__ == "__main__":
    main()
