"""The one recurrence that all dynamics here are made of: a convex combination.

``y[t] = y[t-1] + gain * (drive[t] - y[t-1])`` with every gain in (0, 1): stable, monotone
in the drive and within its range, whatever the parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor


class _Lag(torch.autograd.Function):
    """The recurrence, with its adjoint written out: both loop over time only."""

    @staticmethod
    def forward(ctx: Any, drive: Tensor, gain: Tensor, start: Tensor) -> Tensor:
        answer = torch.empty_like(drive)
        last = start
        for step in range(drive.shape[0]):
            last = torch.lerp(last, drive[step], gain, out=answer[step])
        ctx.save_for_backward(drive, gain, start, answer)
        return answer

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        drive, gain, start, answer = ctx.saved_tensors
        adjoint = torch.empty_like(answer)
        keep = 1.0 - gain
        later = torch.zeros_like(start)
        grad = grads[0].contiguous()
        for step in range(drive.shape[0] - 1, -1, -1):
            later = torch.addcmul(grad[step], later, keep, out=adjoint[step])
        previous = torch.cat([start.unsqueeze(0), answer[:-1]])
        to_gain = (adjoint * (drive - previous)).sum(0)
        return adjoint * gain, to_gain, adjoint[0] * keep


def lag(drive: Tensor, gain: Tensor, start: Tensor) -> Tensor:
    """First-order lag of ``drive`` (T, ...) from ``start`` (...), with ``gain`` in (0, 1).

    ``gain`` broadcasts against ``start``. Answers (T, ...): the state after each step.
    """
    shape = drive.shape[1:]
    wide = gain.expand(shape)
    apply = cast("Callable[[Tensor, Tensor, Tensor], Tensor]", _Lag.apply)
    return apply(drive.contiguous(), wide.contiguous(), start.expand(shape).contiguous())
