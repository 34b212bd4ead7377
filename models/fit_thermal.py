"""Fitting the thermal model: supplies and racks apart, each on what was measured upstream.

History is cut into stretches that overlap by their settling time. A stretch starts
settled; after an hour every minute is an origin whose offset is the mean error of the
last minutes, and what counts is the error at several leads after it, as in use, plus
a little of the error itself so that offsets stay small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from models.checkpoint import Checkpoint, Stage
from models.contract import Array
from models.dataset import History
from models.recurrence import lag
from models.supplies import SupplyDrive
from models.thermal import ThermalNet, node_drive

SETTLE_ROWS = 60
STRETCH_ROWS = 240
OFFSET_ROWS = 10
LEAD_ROWS = (5, 15, 30, 60, 120)
ABSOLUTE_WEIGHT = 0.1
OWN_WEIGHT = 1e-3
HUBER_SHARE = 1.0
"""Where an error starts to count linearly, as a share of the quantity's own spread."""
THREADS = 1
"""Fixed, so that sums are taken in the same order on every machine; the tensors are small, and a
second thread mostly waits."""

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Effort:
    """How long a fit may take."""

    iterations: int
    batch: int
    rate: float
    check_every: int = 25
    patience: int = 6
    """Checks on later data without a better result before the fit stops."""

    def times(self, share: float) -> Effort:
        """The same with a share of the iterations."""
        return replace(self, iterations=max(round(self.iterations * share), self.check_every))


SUPPLY_EFFORT = Effort(iterations=400, batch=6, rate=0.05)
RACK_EFFORT = Effort(iterations=240, batch=3, rate=0.05)


@dataclass(frozen=True)
class Stretches:
    """Pieces of a history, (T, B, ...)."""

    drive: SupplyDrive
    it_power_kw: Tensor
    supply_c: Tensor
    """Measured where it was; else the setpoint."""
    supply_seen: Tensor
    """NaN where not measured."""
    limited_seen: Tensor

    def pick(self, which: Tensor) -> Stretches:
        """Some of them."""
        drive = SupplyDrive(
            self.drive.setpoint_c[:, which],
            self.drive.flow[:, which],
            self.drive.load[:, which],
            self.drive.wet_bulb_c[:, which],
        )
        rest = (self.it_power_kw, self.supply_c, self.supply_seen, self.limited_seen)
        return Stretches(drive, *(values[:, which] for values in rest))

    @property
    def count(self) -> int:
        """B."""
        return int(self.it_power_kw.shape[1])


@contextmanager
def repeatable() -> Iterator[None]:
    """Same bits from the same seed: on one thread every kernel here sums in a fixed order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def stretches(history: History, rows: int = STRETCH_ROWS) -> Stretches:
    """Cut a history; pieces with unusable minutes are left out.

    Raises
    ------
    ValueError
        There is no whole piece.
    """
    stride = rows - SETTLE_ROWS
    starts = [
        start
        for start in range(0, history.rows - rows + 1, stride)
        if history.usable[start : start + rows].all()
    ]
    if not starts:
        raise ValueError(
            f"the history holds no {rows} unbroken minutes: give it more, or repair its gaps"
        )
    spans = np.array(starts)[None, :] + np.arange(rows)[:, None]

    def cut(values: Array) -> Tensor:
        return torch.as_tensor(values[spans])

    power = cut(history.it_power_kw)
    setpoint, flow, load = node_drive(history.layout, cut(history.setpoints), power)
    seen = cut(history.supply_c)
    return Stretches(
        SupplyDrive(setpoint, flow, load, cut(history.wet_bulb_c).unsqueeze(-1)),
        power,
        torch.where(torch.isnan(seen), setpoint, seen),
        seen,
        cut(history.limited_c),
    )


def horizon_loss(predicted: Tensor, seen: Tensor, scale: Tensor) -> Tensor:
    """Mean Huber loss of what is left after the offset, over leads; axes (T, B, columns)."""
    known = ~torch.isnan(seen)
    error = torch.where(known, (seen - predicted) / scale, torch.zeros_like(predicted))
    counted = known.to(error.dtype)
    recent = _recent_mean(error, counted)
    total = ABSOLUTE_WEIGHT * _huber(error[SETTLE_ROWS:], counted[SETTLE_ROWS:])
    for lead in LEAD_ROWS:
        later, offset = error[SETTLE_ROWS + lead :], recent[SETTLE_ROWS : len(error) - lead]
        total = total + _huber(later - offset, counted[SETTLE_ROWS + lead :]) / len(LEAD_ROWS)
    return total


def _recent_mean(error: Tensor, counted: Tensor) -> Tensor:
    """Mean of the last `OFFSET_ROWS` rows up to each."""
    total = torch.cumsum(error, 0)
    number = torch.cumsum(counted, 0)
    total = total - torch.cat([torch.zeros_like(total[:OFFSET_ROWS]), total[:-OFFSET_ROWS]])
    number = number - torch.cat([torch.zeros_like(number[:OFFSET_ROWS]), number[:-OFFSET_ROWS]])
    return total / number.clamp_min(1.0)


def _huber(error: Tensor, counted: Tensor) -> Tensor:
    size = error.abs()
    loss = torch.where(size < HUBER_SHARE, 0.5 * error**2, HUBER_SHARE * (size - 0.5 * HUBER_SHARE))
    return (loss * counted).sum() / counted.sum().clamp_min(1.0)


def spread_of(seen: Tensor, floor: float = 0.2) -> Tensor:
    """(columns,) standard deviation of what was measured, at least ``floor``."""
    known = ~torch.isnan(seen)
    values = torch.where(known, seen, torch.zeros_like(seen))
    count = known.sum((0, 1)).clamp_min(1)
    mean = values.sum((0, 1)) / count
    square = (torch.where(known, seen - mean, torch.zeros_like(seen)) ** 2).sum((0, 1)) / count
    return square.sqrt().clamp_min(floor)


def descend(
    module: nn.Module,
    loss: Callable[[Stretches], Tensor],
    data: tuple[Stretches, Stretches],
    effort: Effort,
    seed: int,
    progress: Callable[[float], None],
    *,
    stage: Stage | None = None,
) -> float:
    """Adam on the earlier data, stopped where the later gets no better; answers the best there.

    With a ``stage`` it goes on where that was left, and keeps its state at every check.
    """
    early, late = data
    draw = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(module.parameters(), lr=effort.rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=effort.rate, total_steps=effort.iterations, pct_start=0.1
    )
    best, kept, idle = float("inf"), deepcopy(module.state_dict()), 0
    batch = min(effort.batch, early.count)
    begin = 0
    last = stage.last() if stage is not None else None
    if last is not None:
        best, kept, idle, begin = last["best"], last["kept"], last["idle"], last["iteration"]
        if not last["done"]:
            module.load_state_dict(last["module"])
            optimiser.load_state_dict(last["optimiser"])
            schedule.load_state_dict(last["schedule"])
            draw.set_state(last["draw"])
    for iteration in range(begin, effort.iterations):
        if idle >= effort.patience:
            break
        optimiser.zero_grad()
        value = loss(early.pick(torch.randperm(early.count, generator=draw)[:batch]))
        value.backward()
        nn.utils.clip_grad_norm_(module.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        if (iteration + 1) % effort.check_every == 0:
            with torch.no_grad():
                now = float(loss(late))
            idle = 0 if now < best else idle + 1
            if now < best:
                best, kept = now, deepcopy(module.state_dict())
            if stage is not None:
                stage.keep(
                    {
                        "best": best,
                        "kept": kept,
                        "idle": idle,
                        "iteration": iteration + 1,
                        "done": False,
                        "module": module.state_dict(),
                        "optimiser": optimiser.state_dict(),
                        "schedule": schedule.state_dict(),
                        "draw": draw.get_state(),
                    }
                )
            progress((iteration + 1) / effort.iterations)
    module.load_state_dict(kept)
    if stage is not None and (last is None or not last["done"]):
        end = {"best": best, "kept": kept, "idle": idle, "done": True}
        stage.keep({**end, "iteration": effort.iterations})
    return best


def fit_net(
    net: ThermalNet,
    data: tuple[History, History],
    progress: Progress,
    *,
    seed: int,
    effort: float = 1.0,
    checkpoint: Checkpoint | None = None,
) -> dict[str, float]:
    """Fit supplies, then racks, on the earlier data; answers the losses on the later."""
    early, late = data
    first, second = stretches(early), stretches(late)
    scale = spread_of(first.supply_seen)

    def of_supplies(piece: Stretches) -> Tensor:
        found, _ = net.supplies(piece.drive, measured_c=piece.supply_c)
        loss = horizon_loss(found, piece.supply_seen, scale)
        return loss + OWN_WEIGHT * net.supplies.deviation()

    supply_loss = descend(
        net.supplies,
        of_supplies,
        (first, second),
        SUPPLY_EFFORT.times(effort),
        seed,
        lambda share: progress(0.25 * share),
        stage=checkpoint.stage("supplies") if checkpoint is not None else None,
    )
    rack_scale = spread_of(first.limited_seen)

    def of_racks(piece: Stretches) -> Tensor:
        found, _ = net.racks(piece.supply_c, piece.drive.flow, piece.it_power_kw)
        loss = horizon_loss(found, piece.limited_seen, rack_scale)
        return loss + OWN_WEIGHT * net.racks.deviation()

    rack_loss = descend(
        net.racks,
        of_racks,
        (first, second),
        RACK_EFFORT.times(effort),
        seed + 1,
        lambda share: progress(0.25 + 0.5 * share),
        stage=checkpoint.stage("racks") if checkpoint is not None else None,
    )
    return {"supply_loss": supply_loss, "rack_loss": rack_loss}


def best_offset_gain(
    net: ThermalNet, late: History, gains: Sequence[float], lead_rows: int
) -> float:
    """The gain a minute of the offsets that leaves the least error ``lead_rows`` later."""
    piece = stretches(late)
    with torch.no_grad():
        found, _ = net.racks(piece.supply_c, piece.drive.flow, piece.it_power_kw)
    known = ~torch.isnan(piece.limited_seen)
    scale = spread_of(piece.limited_seen)
    error = torch.where(known, (piece.limited_seen - found) / scale, torch.zeros_like(found))
    counted = known[SETTLE_ROWS + lead_rows :].to(error.dtype)
    scores = []
    for gain in gains:
        offset = lag(error, torch.tensor(gain, dtype=error.dtype), error[:OFFSET_ROWS].mean(0))
        left = error[SETTLE_ROWS + lead_rows :] - offset[SETTLE_ROWS : len(error) - lead_rows]
        scores.append(float(_huber(left, counted)))
    return gains[scores.index(min(scores))]
