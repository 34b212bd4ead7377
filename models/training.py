"""From a history to a model: fit on what was earlier; stop and measure on what was later."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from facility.site import Site
from models.backtest import (
    Origins,
    errors_at,
    excess_at,
    expected_loads,
    persistence_at,
    predict,
    rmse,
    states_along,
)
from models.checkpoint import Checkpoint
from models.contract import Array
from models.dataset import STEP_S, DatasetError, History
from models.fit_power import fit_power
from models.fit_thermal import STRETCH_ROWS, best_offset_gain, fit_net, repeatable
from models.forecast import LoadModel, WeatherModel
from models.registry import Bundle, ModelCard, code_hash
from models.state import OffsetNoise
from models.thermal import ThermalModel, ThermalNet
from models.uncertainty import LEADS_S, ErrorModel, group_errors, rack_groups

EARLY_SHARE = 0.75
LEAST_ROWS = 2 * STRETCH_ROWS * 2
"""Ten hours and a bit: two stretches on either side of the split are needed at least."""
ORIGIN_EVERY = 2
MOST_ORIGINS = 600
"""More say little: origins minutes apart err alike."""
SCORED_S = (300.0, 1800.0, 3600.0)
OFFSET_GAINS = (0.005, 0.01, 0.02)
"""Steady Kalman gains a minute that are tried: offsets are for what lasts longer than an hour or
so. In an experiment of rests an error stays as long as its level does, and a quick offset looks
best; in operation it carries the errors of one moment into the next (docs/model.md)."""
GAIN_LEAD_S = 3600.0
INNOVATION_K2 = 0.05
"""Variance of a reading about its prediction: sensor noise, quantum and a minute's model error."""

Progress = Callable[[float], None]


def train(
    site: Site,
    frame: pd.DataFrame,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    effort: float = 1.0,
    checkpoint: Path | None = None,
) -> Bundle:
    """Learn a site from its history: an hour and more a unit of excitation, days at best.

    Parameters
    ----------
    site
        The site that the history is of.
    frame
        As `models.dataset` describes; ten hours at least.
    seed
        The same seed on the same history gives the same model, bit for bit.
    progress
        Told the share done, 0 to 1.
    effort
        Share of the usual iterations, for a quick look.
    checkpoint
        A file that the run keeps itself in, and goes on from where it was interrupted; the
        model is the same bit for bit. Removed at the end.

    Raises
    ------
    DatasetError
        The history is unusable or too short.
    CheckpointError
        The file is damaged, or of another run.
    """
    history = History.of(site, frame)
    return train_on(
        site, history, seed=seed, progress=progress, effort=effort, checkpoint=checkpoint
    )


def train_on(
    site: Site,
    history: History,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    effort: float = 1.0,
    checkpoint: Path | None = None,
) -> Bundle:
    """As `train`, on a history that was checked, or joined of several."""
    told = 0.0

    def tell(share: float) -> None:
        nonlocal told
        told = max(told, share)
        if progress is not None:
            progress(told)

    begin_s = time.process_time()
    if history.rows < LEAST_ROWS:
        raise DatasetError(
            [f"{history.rows} minutes are too few to learn from: give it {LEAST_ROWS} at least"]
        )
    kept = None
    if checkpoint is not None:
        kept = Checkpoint(checkpoint, run_key(history, seed, effort))
    early, late = history.split(EARLY_SHARE)
    with repeatable():
        try:
            net = ThermalNet(history.layout, seed)
            metrics = fit_net(net, (early, late), tell, seed=seed, effort=effort, checkpoint=kept)
        except ValueError as error:
            raise DatasetError([str(error)]) from error
        tell(0.75)
        power = fit_power(
            site,
            history,
            EARLY_SHARE,
            lambda share: tell(0.75 + 0.1 * share),
            seed=seed,
            effort=effort,
            checkpoint=kept,
        )
        load, weather = LoadModel.fit(history), WeatherModel.fit(history)
        tell(0.85)
        gain = best_offset_gain(net, late, OFFSET_GAINS, round(GAIN_LEAD_S / STEP_S))
        noise = _noise(gain, INNOVATION_K2)
        model = ThermalModel(history.layout, net, noise, noise)
        tell(0.9)
        errors, scores = _measure(site, model, load, late)
    metrics |= scores
    metrics |= {f"{name}_rmse_kw": value for name, value in power.error_kw.items()}
    metrics["it_leakage_per_k"] = float(power.leakage.per_k.max(initial=0.0))
    tell(1.0)
    bundle = Bundle(
        model,
        power,
        errors,
        load,
        weather,
        ModelCard(
            site=site.id,
            data_hash=history.content_hash,
            code_hash=code_hash(),
            seed=seed,
            first_s=float(history.time_s[0]),
            last_s=float(history.time_s[-1]),
            trained_s=time.process_time() - begin_s + (kept.earlier_s if kept else 0.0),
            metrics=metrics,
            notes=history.notes,
        ),
    )
    if kept is not None:
        kept.remove()
    return bundle


def run_key(history: History, seed: int, effort: float) -> str:
    """What a training run is made of: its history, seed, effort and this package's source."""
    text = f"{history.layout.site_id} {history.content_hash} {seed} {effort!r} {code_hash()}"
    return hashlib.sha256(text.encode()).hexdigest()


def _noise(gain: float, innovation_k2: float) -> OffsetNoise:
    """The random walk whose steady Kalman gain is ``gain`` at 60 s.

    In steady state the prior variance is ``r g/(1 - g)`` and the walk adds ``g`` of it a
    step; innovations have the variance ``r/(1 - g)``.
    """
    reading = innovation_k2 * (1.0 - gain)
    return OffsetNoise(walk_k2_per_s=reading * gain**2 / (1.0 - gain) / STEP_S, reading_k2=reading)


def _measure(
    site: Site, model: ThermalModel, load: LoadModel, late: History
) -> tuple[ErrorModel, dict[str, float]]:
    """Error quantiles by group, and the scores of the card."""
    leads = [lead for lead in LEADS_S if round(lead / STEP_S) < late.rows - 180]
    steps = round(leads[-1] / STEP_S)
    last = late.rows - steps - 1
    every = max(ORIGIN_EVERY, (last - 120) // MOST_ORIGINS)
    origins = _whole(late, states_along(model, late, 120, last, every), steps)
    if not origins.rows:
        raise DatasetError(["the later part of the history has no four unbroken hours to test on"])
    known = predict(model, late, origins, steps)
    expected = expected_loads(load, late, origins, steps)
    forecast = predict(model, late, origins, steps, expected)
    errors_known = errors_at(late, origins, known, leads)
    errors_forecast = errors_at(late, origins, forecast, leads)
    above = excess_at(late, origins, known, leads)
    above_forecast = excess_at(late, origins, forecast, leads)
    none = persistence_at(late, origins, leads)
    groups = {
        name: group_errors(_full(errors_known), (_full(above), _full(above_forecast)), members)
        for name, members in rack_groups(site).items()
    }
    scores: dict[str, float] = {}
    layout = model.layout
    for kind, racks in (("air", layout.air), ("liquid", layout.liquid)):
        if len(racks) == 0:
            continue
        ours, theirs = rmse(errors_known, racks), rmse(none, racks)
        held = rmse(errors_forecast, racks)
        for lead in SCORED_S:
            if lead in leads:
                at, minutes = leads.index(lead), round(lead / 60.0)
                scores[f"{kind}_{minutes}min_rmse_k"] = float(ours[at])
                scores[f"{kind}_{minutes}min_over_persistence"] = float(ours[at] / theirs[at])
                scores[f"{kind}_{minutes}min_forecast_rmse_k"] = float(held[at])
    return ErrorModel(groups), scores


def _whole(history: History, origins: Origins, steps: int) -> Origins:
    """Only origins after which all that drives the hall is known."""
    kept = [
        i for i, row in enumerate(origins.rows) if history.usable[row + 1 : row + 1 + steps].all()
    ]
    return Origins(tuple(origins.rows[i] for i in kept), tuple(origins.states[i] for i in kept))


def _full(errors: Array) -> Array:
    """Errors at all of `LEADS_S`: leads that the data are too short for repeat the longest."""
    missing = len(LEADS_S) - errors.shape[1]
    return np.concatenate([errors, np.repeat(errors[:, -1:], missing, axis=1)], axis=1)
