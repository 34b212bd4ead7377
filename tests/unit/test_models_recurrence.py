"""The recurrence: the same as a first-order filter, with its own adjoint."""

from __future__ import annotations

import numpy as np
import torch
from scipy.signal import lfilter

from models.recurrence import lag


def test_lag_is_the_first_order_filter_of_a_textbook() -> None:
    drive = np.random.default_rng(1).normal(size=50)
    gain, start = 0.3, 2.0
    # y[t] - (1-g) y[t-1] = g u[t], as a transfer function with its initial condition
    expected, _ = lfilter([gain], [1.0, gain - 1.0], drive, zi=[(1.0 - gain) * start])
    found = lag(torch.tensor(drive), *(torch.tensor(v, dtype=torch.float64) for v in (gain, start)))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)


def test_gradients_of_the_lag_equal_finite_differences() -> None:
    draw = torch.Generator().manual_seed(2)
    drive = torch.randn(7, 2, 3, generator=draw, dtype=torch.float64, requires_grad=True)
    gain = (torch.rand(3, generator=draw, dtype=torch.float64) * 0.9 + 0.05).requires_grad_()
    start = torch.randn(2, 3, generator=draw, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lag, (drive, gain, start))


def test_lag_never_leaves_the_range_of_what_drives_it() -> None:
    draw = torch.Generator().manual_seed(3)
    drive = torch.rand(100, 5, generator=draw, dtype=torch.float64)
    found = lag(drive, torch.tensor(0.97, dtype=torch.float64), drive[0])
    assert float(found.min()) >= float(drive.min())
    assert float(found.max()) <= float(drive.max())
