"""One seed of the thermal model's benchmark: trained, judged, and held beside its peers."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import model_data, model_peers
from benchmarks.model_samples import Rows, origins_of
from models.backtest import Origins, errors_at, expected_loads, predict
from models.contract import Array
from models.dataset import History
from models.evaluation import HORIZON_ROWS, evaluate, whole_origins
from models.fit_thermal import repeatable
from models.layout import Ints
from models.registry import Bundle

LEADS = (5, 30, 60)
MODES = ("known", "held", "forecast")
KINDS = ("air", "liquid")
REGIMES = ("within", "beyond")
DIRECT_EVERY, POOLED_EVERY, RECURRENT_EVERY = 10, 20, 30
"""Minutes between the origins that peers learn from: the more parameters are shared, the fewer."""
DAY_ROWS = 1440

Rmse = dict[str, float]
"""By ``regime kind lead mode model``, K."""


def one_seed(work: Path, histories: Path, seed: int, one_day: bool) -> dict[str, Any]:
    """Figures of a seed; ``one_day``: also of what is learned from a single day."""
    import torch

    from facility.loading import load_site
    from models.training import train_on

    torch.set_num_threads(1)
    site = load_site(model_data.site_folder(work))
    train = model_data.load(site, histories, "train", seed)
    tests = {name: model_data.load(site, histories, name, seed) for name in REGIMES}
    bundle = train_on(site, train, seed=seed)
    metrics = {}
    with repeatable():
        for name, test in tests.items():
            metrics[name] = evaluate(site, bundle, test).metrics
        rmse = _all_rmse(bundle, train, tests, seed)
        found: dict[str, Any] = {
            "trained_s": bundle.card.trained_s,
            "metrics": metrics,
            "rmse": rmse,
        }
    if one_day:
        first = train.part(0, DAY_ROWS)
        own = train_on(site, first, seed=seed)
        with repeatable():
            found["one_day"] = _one_day(own, first, tests["within"])
    return found


def _all_rmse(bundle: Bundle, train: History, tests: dict[str, History], seed: int) -> Rmse:
    found: Rmse = {}
    asked = {name: _Test.of(bundle, test) for name, test in tests.items()}
    for name, test in asked.items():
        for mode in MODES:
            path = predict(
                bundle.thermal, test.history, test.origins, HORIZON_ROWS, test.loads[mode]
            )
            for lead in LEADS:
                error = errors_at(test.history, test.origins, path, (lead * 60.0,))[:, 0]
                for kind in KINDS:
                    own = error[:, _racks(train, kind)]
                    found[_key(name, kind, lead, mode, "isotherm")] = _root(own)
    for kind in KINDS:
        racks = _racks(train, kind)
        views = {name: Rows.of(test.history, racks) for name, test in asked.items()}
        for (lead, mode, model), answer in _peers(bundle, train, racks, seed).items():
            for name, test in asked.items():
                view = views[name]
                guess = view.now[test.rows] + answer(view, test.rows, test.shares(mode, racks))
                error = view.limited[test.rows + lead] - guess
                found[_key(name, kind, lead, mode, model)] = _root(error)
    return found


def _peers(
    bundle: Bundle, train: History, racks: Ints, seed: int
) -> dict[tuple[int, str, str], model_peers.Predict]:
    """All peers of a kind of racks, by lead, mode and name."""
    learned = Rows.of(train, racks)
    direct = _samples(learned, train, DIRECT_EVERY)
    pooled = _samples(learned, train, POOLED_EVERY)
    net = model_peers.recurrent(_samples(learned, train, RECURRENT_EVERY), HORIZON_ROWS, seed)
    found: dict[tuple[int, str, str], model_peers.Predict] = {}
    for lead in LEADS:
        boosted = model_peers.boosted(pooled, lead)
        for mode in MODES:
            found[lead, mode, "persistence"] = _still
            found[lead, mode, "ridge"] = _ridge(bundle, train, direct, lead, mode, racks)
            found[lead, mode, "lightgbm"] = boosted
            found[lead, mode, "lstm"] = partial(_at, net, lead)
    return found


def _at(net: model_peers.Paths, lead: int, rows: Rows, origins: Ints, load: Array | None) -> Array:
    return net(rows, origins, lead, load)


class _Test:
    """A history to be judged on, with the loads of each mode."""

    def __init__(self, history: History, origins: Origins, loads: dict[str, Array | None]) -> None:
        self.history, self.origins, self.loads = history, origins, loads
        self.rows = np.array(origins.rows, dtype=np.int64)

    @classmethod
    def of(cls, bundle: Bundle, history: History) -> _Test:
        origins = whole_origins(bundle.thermal, history)
        return cls(history, origins, _loads(bundle, history, origins))

    def shares(self, mode: str, racks: Ints) -> Array | None:
        """(origins, minutes, racks) shares of the rating; None: those that came."""
        load = self.loads[mode]
        return None if load is None else (load / self.history.layout.rated_kw)[:, :, racks]


def _loads(bundle: Bundle, history: History, origins: Origins) -> dict[str, Array | None]:
    rows = np.array(origins.rows)
    held = np.repeat(history.it_power_kw[rows][:, None], HORIZON_ROWS, axis=1)
    expected = expected_loads(bundle.load_model, history, origins, HORIZON_ROWS)
    return {"known": None, "held": held, "forecast": expected}


def _ridge(
    bundle: Bundle,
    train: History,
    samples: model_peers.Samples,
    lead: int,
    mode: str,
    racks: Ints,
) -> model_peers.Predict:
    """Fitted in each mode anew: it costs little, and so it knows how far to trust the loads."""
    rows = np.concatenate([samples.fit, samples.choose])
    load = _loads(bundle, train, Origins(tuple(int(r) for r in rows), ()))[mode]
    share = None if load is None else (load / train.layout.rated_kw)[:, :, racks]
    return model_peers.ridge(samples, lead, share)


def _one_day(bundle: Bundle, day: History, test: History) -> Rmse:
    """RMSE 60 minutes ahead of ours and of ridge, both from one day."""
    found = {}
    asked = _Test.of(bundle, test)
    path = predict(bundle.thermal, test, asked.origins, HORIZON_ROWS)
    error = errors_at(test, asked.origins, path, (3600.0,))[:, 0]
    for kind in KINDS:
        racks = _racks(day, kind)
        learned, view = Rows.of(day, racks), Rows.of(test, racks)
        answer = model_peers.ridge(_samples(learned, day, 5), 60)
        guess = view.now[asked.rows] + answer(view, asked.rows, None)
        found[f"{kind} isotherm"] = _root(error[:, racks])
        found[f"{kind} ridge"] = _root(view.limited[asked.rows + 60] - guess)
    return found


def _still(rows: Rows, origins: Ints, _load: Array | None) -> Array:
    return np.zeros((len(origins), rows.limited.shape[1]))


def _samples(rows: Rows, history: History, every: int) -> model_peers.Samples:
    return model_peers.Samples.of(rows, origins_of(history, every, HORIZON_ROWS))


def _racks(history: History, kind: str) -> Ints:
    return history.layout.air if kind == "air" else history.layout.liquid


def _key(regime: str, kind: str, lead: int, mode: str, model: str) -> str:
    return f"{regime} {kind} {lead} {mode} {model}"


def _root(error: Array) -> float:
    told = error[np.isfinite(error)]
    return float(np.sqrt((told**2).mean()))
