"""Peers of the thermal model, as a data scientist would try them first; each tuned on later data.

All learn the change from the last five minutes' mean. The last quarter of the training time chooses
among settings; the chosen one is fitted again where that costs little.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.model_samples import BLOCK_ROWS, Rows, change, sequences, table
from models.contract import Array
from models.layout import Ints

VALIDATION_SHARE = 0.25
ALPHAS = (1e-2, 1e-1, 1.0, 10.0, 100.0, 1000.0)
LEAVES = (15, 63)
ROUNDS, STOP_ROUNDS = 300, 20
HIDDEN, EMBEDDING = 48, 6
RATES = (3e-3, 1e-2)
TRIAL_EPOCHS, EPOCHS, BATCH = 2, 8, 512

Predict = Callable[[Rows, Ints, Array | None], Array]
"""Change in K, (origins, racks), from rows, origins and loads that stand in for those that came."""
Paths = Callable[[Rows, Ints, int, Array | None], Array]
"""The same, of any lead."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Rows of training, with the origins to fit and those to choose by."""

    rows: Rows
    fit: Ints
    choose: Ints

    @classmethod
    def of(cls, rows: Rows, origins: Ints) -> Samples:
        """Split by time, with an hour and more between."""
        cut = round(len(origins) * (1.0 - VALIDATION_SHARE))
        gap = origins[cut] + 120
        return cls(rows, origins[:cut], origins[origins >= gap])


def ridge(samples: Samples, lead: int, load: Array | None = None) -> Predict:
    """Ridge regression for each rack (ARX, direct): closed form, alpha chosen for all of a kind.

    ``load`` replaces the loads that came, by origin of fit and then of choose.
    """
    cut = len(samples.fit)
    first = table(samples.rows, samples.fit, lead, None if load is None else load[:cut])
    later = table(samples.rows, samples.choose, lead, None if load is None else load[cut:])
    target, held = (change(samples.rows, o, lead) for o in (samples.fit, samples.choose))
    mean, spread = first.mean(axis=(0, 1)), first.std(axis=(0, 1)) + 1e-6
    scores = [
        _square(later, held, _weights(first, target, mean, spread, a), mean, spread) for a in ALPHAS
    ]
    alpha = ALPHAS[int(np.argmin(scores))]
    everything = np.concatenate([first, later])
    weights = _weights(everything, np.concatenate([target, held]), mean, spread, alpha)

    def predict(rows: Rows, origins: Ints, given: Array | None) -> Array:
        return _apply(table(rows, origins, lead, given), weights, mean, spread)

    return predict


def _weights(x: Array, y: Array, mean: Array, spread: Array, alpha: float) -> Array:
    """(racks, features + 1)."""
    found = []
    for rack in range(x.shape[1]):
        z = np.column_stack([(x[:, rack] - mean) / spread, np.ones(len(x))])
        held = alpha * np.diag([*(1.0,) * len(mean), 0.0])
        found.append(np.linalg.solve(z.T @ z + held + 1e-9 * np.eye(z.shape[1]), z.T @ y[:, rack]))
    return np.array(found)


def _apply(x: Array, weights: Array, mean: Array, spread: Array) -> Array:
    z = (x - mean) / spread
    return np.asarray(np.einsum("orf,rf->or", z, weights[:, :-1]) + weights[:, -1])


def _square(x: Array, y: Array, weights: Array, mean: Array, spread: Array) -> float:
    return float(((_apply(x, weights, mean, spread) - y) ** 2).mean())


def boosted(samples: Samples, lead: int) -> Predict:
    """LightGBM, direct, all racks of a kind together with the rack as a category; stopped early."""
    import lightgbm

    def flat(rows: Rows, origins: Ints, load: Array | None) -> Array:
        x = table(rows, origins, lead, load)
        rack = np.broadcast_to(np.arange(x.shape[1])[None, :, None], (*x.shape[:2], 1))
        return np.concatenate([x, rack], axis=-1).reshape(-1, x.shape[2] + 1)

    x, y = flat(samples.rows, samples.fit, None), change(samples.rows, samples.fit, lead).ravel()
    later = flat(samples.rows, samples.choose, None)
    held = change(samples.rows, samples.choose, lead).ravel()
    best: tuple[float, lightgbm.Booster] | None = None
    for leaves in LEAVES:
        settings = {
            "objective": "l2",
            "learning_rate": 0.1,
            "num_leaves": leaves,
            "min_data_in_leaf": 40,
            "num_threads": 1,
            "verbose": -1,
            "seed": 1,
        }
        data = lightgbm.Dataset(x, y, categorical_feature=[x.shape[1] - 1], free_raw_data=False)
        fitted = lightgbm.train(
            settings,
            data,
            ROUNDS,
            valid_sets=[data.create_valid(later, held)],
            callbacks=[lightgbm.early_stopping(STOP_ROUNDS, verbose=False)],
        )
        score = float(((np.asarray(fitted.predict(later)) - held) ** 2).mean())
        if best is None or score < best[0]:
            best = (score, fitted)
    assert best is not None  # LEAVES is a table in this file
    chosen = best[1]

    def predict(rows: Rows, origins: Ints, load: Array | None) -> Array:
        found = np.asarray(chosen.predict(flat(rows, origins, load)))
        return found.reshape(len(origins), -1)

    return predict


class _Recurrent(nn.Module):
    """An LSTM that reads an hour and writes the next, from what is to drive the hall."""

    def __init__(self, past: int, future: int, racks: int) -> None:
        super().__init__()
        self.rack = nn.Embedding(racks, EMBEDDING)
        self.reads = nn.LSTM(past + EMBEDDING, HIDDEN, batch_first=True)
        self.writes = nn.LSTM(future + EMBEDDING, HIDDEN, batch_first=True)
        self.tells = nn.Linear(HIDDEN, 1)

    def forward(self, past: Tensor, future: Tensor, rack: Tensor) -> Tensor:
        """(B, blocks) change at the end of each block, in the target's own scale."""
        own = self.rack(rack)[:, None]
        _, state = self.reads(torch.cat([past, own.expand(-1, past.shape[1], -1)], dim=-1))
        path, _ = self.writes(
            torch.cat([future, own.expand(-1, future.shape[1], -1)], dim=-1), state
        )
        found: Tensor = self.tells(path).squeeze(-1)
        return found


def recurrent(samples: Samples, ahead: int, seed: int) -> Paths:
    """The LSTM; answers a function of rows, origins, lead and loads."""
    past, future = sequences(samples.rows, samples.fit, ahead)
    scales = [(v.mean(axis=(0, 1, 2)), v.std(axis=(0, 1, 2)) + 1e-6) for v in (past, future)]
    targets = [_targets(samples.rows, o, ahead) for o in (samples.fit, samples.choose)]
    unit = float(targets[0].std()) + 1e-6

    def tensors(
        rows: Rows, origins: Ints, load: Array | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        parts = sequences(rows, origins, ahead, load)
        flat = [
            torch.as_tensor(((p - m) / s).reshape(-1, *p.shape[2:]), dtype=torch.float32)
            for p, (m, s) in zip(parts, scales, strict=True)
        ]
        racks = torch.arange(parts[0].shape[1]).repeat(len(origins))
        return flat[0], flat[1], racks

    first, later = tensors(samples.rows, samples.fit), tensors(samples.rows, samples.choose)
    wanted = [
        torch.as_tensor(t.reshape(-1, t.shape[2]) / unit, dtype=torch.float32) for t in targets
    ]

    def fitted(rate: float, epochs: int) -> tuple[float, _Recurrent]:
        torch.manual_seed(seed)
        net = _Recurrent(past.shape[3], future.shape[3], past.shape[1])
        optimiser = torch.optim.Adam(net.parameters(), lr=rate)
        batches = max(len(wanted[0]) // BATCH, 1)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, rate, total_steps=epochs * batches
        )
        for _ in range(epochs):
            order = torch.randperm(len(wanted[0]))
            for batch in range(batches):
                which = order[batch * BATCH : (batch + 1) * BATCH]
                optimiser.zero_grad()
                loss = nn.functional.mse_loss(net(*(v[which] for v in first)), wanted[0][which])
                loss.backward()
                nn.utils.clip_grad_norm_(net.parameters(), 1.0)
                optimiser.step()
                schedule.step()
        with torch.no_grad():
            score = float(nn.functional.mse_loss(net(*later), wanted[1]))
        return score, net

    rate = min(RATES, key=lambda r: fitted(r, TRIAL_EPOCHS)[0])
    _, net = fitted(rate, EPOCHS)

    def predict(rows: Rows, origins: Ints, lead: int, load: Array | None) -> Array:
        with torch.no_grad():
            path = net(*tensors(rows, origins, load))
        return np.asarray(path[:, lead // BLOCK_ROWS - 1].numpy() * unit).reshape(len(origins), -1)

    return predict


def _targets(rows: Rows, origins: Ints, ahead: int) -> Array:
    leads = range(BLOCK_ROWS, ahead + 1, BLOCK_ROWS)
    return np.stack([change(rows, origins, lead) for lead in leads], axis=-1)
