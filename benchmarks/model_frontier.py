"""Load forecasts on data that nobody here generated: the measured day of Frontier's 25 CDUs.

Split by time: the first three fifths are learned from, the next seventh chooses among settings, the
last quarter is judged. Heat of each CDU, 1 to 60 minutes ahead, from nothing but its own past.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from models.contract import Array
from models.forecast import LoadModel, running_mean
from models.layout import Ints

FILE = Path("it_load") / "frontier_2024-04-07_cdu_heat_15s.csv"
LEADS = (1, 5, 15, 30, 60)
FIT, CHOOSE = 0.60, 0.75
PAST = (0, 1, 2, 3, 5, 8, 12, 20, 30, 45)
MEANS = (5, 15, 30, 60)
READ = 60
ALPHAS = (1e-1, 1.0, 10.0, 100.0, 1000.0, 1e4)
LEAVES = (4, 15)
EPOCHS, BATCH, HIDDEN, RATE = 6, 256, 32, 3e-3

Errors = dict[str, list[float]]


def errors(folder: Path) -> Errors:
    """RMSE in kW by model and lead of `LEADS`."""
    frame = pd.read_csv(folder / FILE)
    heat = frame[[name for name in frame.columns if "cdu" in name.lower()]].to_numpy(dtype=float)
    minutes = heat[: len(heat) // 4 * 4].reshape(-1, 4, heat.shape[1]).mean(axis=1) / 1000.0
    fit, choose = round(FIT * len(minutes)), round(CHOOSE * len(minutes))
    scale = minutes[:fit].max()
    share = minutes / scale
    test = np.arange(choose, len(share) - max(LEADS))
    found: Errors = {"persistence": [], "isotherm": [], "ridge": [], "lightgbm": [], "lstm": []}
    own = LoadModel.fit_shares(share[:choose])
    net = _recurrent(share, fit, choose)
    for at, lead in enumerate(LEADS):
        truth = share[test + lead]
        answers = {
            "persistence": share[test],
            "isotherm": own.expect(share, test, np.array([lead * 60.0]))[:, 0],
            "ridge": _ridge(share, fit, choose, lead)(test),
            "lightgbm": _boosted(share, fit, choose, lead)(test),
            "lstm": net(test)[..., at],
        }
        for name, answer in answers.items():
            found[name].append(float(np.sqrt(((truth - answer) ** 2).mean()) * scale))
    return found


def _features(share: Array, rows: Ints) -> Array:
    """(rows, CDUs, features)."""
    own = [share[np.maximum(rows - back, 0)] for back in PAST]
    own += [running_mean(share, width)[rows] for width in MEANS]
    total = share.mean(axis=1)
    common = [total[rows], total[rows] - total[np.maximum(rows - 5, 0)]]
    return np.stack(
        [*own, *(np.repeat(v[:, None], share.shape[1], axis=1) for v in common)], axis=-1
    )


def _split(fit: int, choose: int, lead: int) -> tuple[Ints, Ints]:
    """Origins whose outcome lies in the part that they belong to."""
    return np.arange(READ, fit - lead), np.arange(fit, choose - lead)


def _ridge(share: Array, fit: int, choose: int, lead: int) -> Callable[[Ints], Array]:
    first, later = _split(fit, choose, lead)
    x, y = _features(share, first), share[first + lead] - share[first]
    z, w = _features(share, later), share[later + lead] - share[later]
    mean, spread = x.mean(axis=(0, 1)), x.std(axis=(0, 1)) + 1e-9

    def solve(a: Array, b: Array, alpha: float) -> Array:
        flat = np.column_stack([((a - mean) / spread).reshape(-1, a.shape[2]), np.ones(b.size)])
        held = alpha * np.diag([*(1.0,) * a.shape[2], 0.0])
        return np.asarray(np.linalg.solve(flat.T @ flat + held, flat.T @ b.ravel()))

    def apply(a: Array, weights: Array) -> Array:
        return np.asarray((a - mean) / spread @ weights[:-1] + weights[-1])

    scores = [float(((apply(z, solve(x, y, a)) - w) ** 2).mean()) for a in ALPHAS]
    alpha = ALPHAS[int(np.argmin(scores))]
    weights = solve(np.concatenate([x, z]), np.concatenate([y, w]), alpha)
    return lambda rows: share[rows] + apply(_features(share, rows), weights)


def _boosted(share: Array, fit: int, choose: int, lead: int) -> Callable[[Ints], Array]:
    import lightgbm

    first, later = _split(fit, choose, lead)
    (x, y), (z, w) = (
        (
            _features(share, r).reshape(-1, len(PAST) + len(MEANS) + 2),
            (share[r + lead] - share[r]).ravel(),
        )
        for r in (first, later)
    )
    best: tuple[float, lightgbm.Booster] | None = None
    for leaves in LEAVES:
        settings = {"objective": "l2", "learning_rate": 0.05, "num_leaves": leaves, "verbose": -1,
                    "min_data_in_leaf": 100, "num_threads": 1, "seed": 1}  # fmt: skip
        data = lightgbm.Dataset(x, y, free_raw_data=False)
        stop = lightgbm.early_stopping(20, verbose=False)
        fitted = lightgbm.train(
            settings, data, 200, valid_sets=[data.create_valid(z, w)], callbacks=[stop]
        )
        score = float(((np.asarray(fitted.predict(z)) - w) ** 2).mean())
        if best is None or score < best[0]:
            best = (score, fitted)
    assert best is not None  # LEAVES is a table in this file
    chosen = best[1]

    def predict(rows: Ints) -> Array:
        flat = _features(share, rows).reshape(-1, x.shape[1])
        moved = np.asarray(chosen.predict(flat)).reshape(len(rows), -1)
        return np.asarray(share[rows] + moved)

    return predict


class _Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.reads = nn.LSTM(2, HIDDEN, batch_first=True)
        self.tells = nn.Linear(HIDDEN, len(LEADS))

    def forward(self, past: torch.Tensor) -> torch.Tensor:
        _, (state, _) = self.reads(past)
        found: torch.Tensor = self.tells(state[-1])
        return found


def _recurrent(share: Array, fit: int, choose: int) -> Callable[[Ints], Array]:
    """An LSTM over the last hour of a CDU and of all; its best epoch on the choosing part."""
    first, later = _split(fit, choose, max(LEADS))

    def past(rows: Ints) -> torch.Tensor:
        back = rows[:, None] + np.arange(-READ + 1, 1)
        own = share[back].transpose(0, 2, 1)
        common = np.repeat(share.mean(axis=1)[back][:, None], share.shape[1], axis=1)
        both = np.stack([own, common], axis=-1).reshape(-1, READ, 2)
        return torch.as_tensor(both, dtype=torch.float32)

    def wanted(rows: Ints) -> torch.Tensor:
        moved = np.stack([share[rows + lead] - share[rows] for lead in LEADS], axis=-1)
        return torch.as_tensor(moved.reshape(-1, len(LEADS)), dtype=torch.float32)

    x, y, z, w = past(first), wanted(first), past(later), wanted(later)
    torch.manual_seed(1)
    net = _Net()
    optimiser = torch.optim.Adam(net.parameters(), lr=RATE)
    best, kept = np.inf, net.state_dict()
    for _ in range(EPOCHS):
        order = torch.randperm(len(x))
        for batch in order.split(BATCH):
            optimiser.zero_grad()
            loss = nn.functional.mse_loss(net(x[batch]), y[batch])
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            score = float(nn.functional.mse_loss(net(z), w))
        if score < best:
            best, kept = score, {name: value.clone() for name, value in net.state_dict().items()}
    net.load_state_dict(kept)

    def predict(rows: Ints) -> Array:
        with torch.no_grad():
            moved = net(past(rows)).numpy().reshape(len(rows), -1, len(LEADS))
        return np.asarray(share[rows][..., None] + moved)

    return predict
