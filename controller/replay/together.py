"""Several planners at once: steps shared out among them, each answered as by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from controller.replay.recompute import Replayed, Sources, Step, replay


def replay_together(
    steps: Sequence[Step], sources: Sources, workers: int = 1
) -> Iterator[Replayed]:
    """Compute steps again, ``workers`` shares of them at once; answers come share by share.

    The work is done in each planner's own process; the threads here wait for them.

    Raises
    ------
    ReplayError, InputsError
        A step cannot be computed again.
    """
    if workers == 1:
        yield from replay(steps, sources)
        return
    shares = [share for k in range(workers) if (share := steps[k::workers])]
    with ThreadPoolExecutor(workers) as pool:
        asked = [pool.submit(lambda share: list(replay(share, sources)), one) for one in shares]
        for done in as_completed(asked):
            yield from done.result()
