"""The one recurrence that all dynamics here are made of: a convex combination.

``y[t] = y[t-1] + gain * (drive[t] - y[t-1])`` with every gain in (0, 1): stable, monotone
in the drive and within its range, whatever the parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor

from models.compiled import Kernel, compiled


def _forward(drive: Any, gain: Any, start: Any, answer: Any) -> None:
    """All (T, N), but for ``gain`` and ``start``, (N,)."""
    for n in range(drive.shape[1]):
        answer[0, n] = start[n] + gain[n] * (drive[0, n] - start[n])
    for step in range(1, drive.shape[0]):
        for n in range(drive.shape[1]):
            last = answer[step - 1, n]
            answer[step, n] = last + gain[n] * (drive[step, n] - last)


def _backward(grad: Any, gain: Any, adjoint: Any) -> None:
    """``adjoint[t] = grad[t] + (1 - gain) adjoint[t+1]``."""
    end = grad.shape[0] - 1
    for n in range(grad.shape[1]):
        adjoint[end, n] = grad[end, n]
    for step in range(end - 1, -1, -1):
        for n in range(grad.shape[1]):
            adjoint[step, n] = grad[step, n] + (1.0 - gain[n]) * adjoint[step + 1, n]


# A call of torch for each step costs a hundred times the arithmetic of a hall.
FORWARD: Kernel = compiled(_forward)
BACKWARD: Kernel = compiled(_backward)


class _Lag(torch.autograd.Function):
    """The recurrence, with its adjoint written out: both loop over time only."""

    @staticmethod
    def forward(ctx: Any, drive: Tensor, gain: Tensor, start: Tensor) -> Tensor:
        answer = torch.empty_like(drive)
        if drive.numel():
            FORWARD(_table(drive), _row(gain), _row(start), _table(answer))
        ctx.save_for_backward(drive, gain, start, answer)
        return answer

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        drive, gain, start, answer = ctx.saved_tensors
        adjoint = torch.empty_like(answer)
        if adjoint.numel():
            BACKWARD(_table(grads[0].contiguous()), _row(gain), _table(adjoint))
        previous = torch.cat([start.unsqueeze(0), answer[:-1]])
        to_gain = (adjoint * (drive - previous)).sum(0)
        return adjoint * gain, to_gain, adjoint[0] * (1.0 - gain)


def _table(values: Tensor) -> Any:
    """(T, ...) as (T, N), the same memory."""
    return values.detach().reshape(values.shape[0], -1).numpy()


def _row(values: Tensor) -> Any:
    return values.detach().reshape(-1).numpy()


def lag(drive: Tensor, gain: Tensor, start: Tensor) -> Tensor:
    """First-order lag of ``drive`` (T, ...) from ``start`` (...), with ``gain`` in (0, 1).

    ``gain`` broadcasts against ``start``. Answers (T, ...): the state after each step.
    """
    shape = drive.shape[1:]
    wide = gain.expand(shape)
    apply = cast("Callable[[Tensor, Tensor, Tensor], Tensor]", _Lag.apply)
    return apply(drive.contiguous(), wide.contiguous(), start.expand(shape).contiguous())
