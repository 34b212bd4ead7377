"""Time-outs around libraries that have a cancellation of their own."""

from __future__ import annotations

import asyncio

import pytest

from adapters.transport import in_time


class CancelledWithResult(asyncio.CancelledError):
    """What wait_for2 raises where a result meets a cancellation."""


async def answers_when_cancelled() -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        raise CancelledWithResult from None


async def test_a_result_in_the_instant_of_the_time_out_is_a_time_out() -> None:
    with pytest.raises(TimeoutError):
        await in_time(answers_when_cancelled(), 0.01)
    await asyncio.sleep(0)  # nothing is left to be cancelled


async def test_somebody_elses_cancellation_stays_one() -> None:
    task = asyncio.create_task(in_time(answers_when_cancelled(), 60.0))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_is_in_time_is_answered() -> None:
    assert await in_time(asyncio.sleep(0, "yes"), 60.0) == "yes"
